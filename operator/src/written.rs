//! What this operator wrote and the watches have not shown yet.

use std::collections::HashSet;

use kube::{Resource, ResourceExt as _};

use crate::context::Shared;

/// Versions that statuses got by our own writes. Until the watch has brought one, what the cache holds is behind, and a plan made
/// of it would be refused as outdated.
///
/// Versions of one object are numbers that grow (KEP-5504). One that is none is never behind.
pub(crate) struct Written(Shared<String, u64>);

impl Written {
    pub(crate) fn new() -> Self {
        Self(Shared::new())
    }

    /// The object with this uid got this version.
    pub(crate) fn note(&self, uid: &str, version: Option<&str>) {
        if let Some(version) = version.and_then(number) {
            self.0.set(uid.to_owned(), Some(version));
        }
    }

    /// Whether the object as it was seen is from before our last write.
    pub(crate) fn is_behind<K: Resource>(&self, object: &K) -> bool {
        let Some(uid) = object.uid() else { return false };
        let Some(written) = self.0.get(&uid) else { return false };
        let behind = object.resource_version().as_deref().and_then(number).is_some_and(|seen| seen < written);
        if !behind {
            self.0.set(uid, None);
        }
        behind
    }

    /// Forgets objects that are gone.
    pub(crate) fn retain(&self, alive: &HashSet<String>) {
        self.0.lock().retain(|uid, _| alive.contains(uid));
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::api::ObjectMeta;

    use super::*;

    fn seen(version: &str) -> Pod {
        let metadata =
            ObjectMeta { uid: Some("u".into()), resource_version: Some(version.into()), ..ObjectMeta::default() };
        Pod { metadata, ..Pod::default() }
    }

    #[test]
    fn an_object_is_behind_until_our_own_write_is_seen() {
        let written = Written::new();
        assert!(!written.is_behind(&seen("7")), "nothing was written");
        written.note("u", Some("12"));
        assert!(written.is_behind(&seen("7")));
        assert!(written.is_behind(&seen("11")));
        assert!(!written.is_behind(&seen("12")));
        assert!(!written.is_behind(&seen("7")), "it was seen, and is forgotten");
    }

    #[test]
    fn what_is_no_number_and_who_is_gone_are_never_behind() {
        let written = Written::new();
        written.note("u", Some("opaque"));
        assert!(!written.is_behind(&seen("7")));
        written.note("u", Some("12"));
        assert!(!written.is_behind(&seen("opaque")));
        written.note("u", Some("12"));
        written.retain(&HashSet::new());
        assert!(!written.is_behind(&seen("7")));
    }
}
