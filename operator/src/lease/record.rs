//! What is written into a Lease.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;

use super::{Identity, Timing};

/// The holder; an empty name is nobody.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// A Lease that does not exist yet.
pub(super) fn created(name: &str, me: &Identity, timing: &Timing, now: Timestamp) -> Lease {
    Lease {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(me.to_string()),
            lease_duration_seconds: Some(timing.lease_seconds()),
            lease_transitions: Some(0),
            acquire_time: Some(MicroTime(now)),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }),
    }
}

/// `current` with `me` as its holder. Its resource version stays, so the API server refuses it where somebody was faster.
pub(super) fn held(current: &Lease, me: &Identity, timing: &Timing, now: Timestamp) -> Lease {
    let mut lease = current.clone();
    let changes = holder(current) != Some(me.as_str());
    let spec = lease.spec.get_or_insert_default();
    if changes {
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).saturating_add(1));
        spec.acquire_time = Some(MicroTime(now));
    }
    spec.holder_identity = Some(me.to_string());
    spec.lease_duration_seconds = Some(timing.lease_seconds());
    spec.renew_time = Some(MicroTime(now));
    lease
}

/// `current` held by nobody.
pub(super) fn released(current: &Lease, now: Timestamp) -> Lease {
    let mut lease = current.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.renew_time = Some(MicroTime(now));
    lease
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn me() -> Identity {
        Identity::from("me".to_owned())
    }

    fn you() -> Identity {
        Identity::from("you".to_owned())
    }

    #[test]
    fn a_change_of_holder_counts_as_a_transition_and_a_renewal_does_not() {
        let timing = Timing::default();
        let (first, second, third) = (Timestamp::UNIX_EPOCH, at(2), at(30));
        let created = created("operator", &me(), &timing, first);
        let renewed = held(&created, &me(), &timing, second);
        let taken = held(&renewed, &you(), &timing, third);
        let spec = |lease: &Lease| lease.spec.clone().unwrap();
        assert_eq!(spec(&created).lease_transitions, Some(0));
        assert_eq!(spec(&renewed).lease_transitions, Some(0));
        assert_eq!(spec(&renewed).acquire_time, Some(MicroTime(first)));
        assert_eq!(spec(&renewed).renew_time, Some(MicroTime(second)));
        assert_eq!(spec(&taken).lease_transitions, Some(1));
        assert_eq!(spec(&taken).acquire_time, Some(MicroTime(third)));
        assert_eq!(holder(&taken), Some("you"));
    }

    #[test]
    fn a_released_lease_has_no_holder_and_the_next_one_is_a_transition() {
        let timing = Timing::default();
        let released = released(&created("operator", &me(), &timing, at(0)), at(1));
        assert_eq!(holder(&released), None);
        assert_eq!(held(&released, &me(), &timing, at(2)).spec.unwrap().lease_transitions, Some(1));
    }

    #[test]
    fn what_others_wrote_into_a_lease_is_kept() {
        let mut lease = created("operator", &me(), &Timing::default(), at(0));
        lease.metadata.resource_version = Some("7".to_owned());
        lease.metadata.labels = Some([("team".to_owned(), "training".to_owned())].into());
        let renewed = held(&lease, &me(), &Timing::default(), at(1));
        assert_eq!(renewed.metadata, lease.metadata);
    }

    #[test]
    fn a_lease_without_a_spec_can_be_held() {
        let lease = held(&Lease::default(), &me(), &Timing::default(), at(0));
        assert_eq!(holder(&lease), Some("me"));
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(second)
    }
}
