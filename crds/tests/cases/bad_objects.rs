//! The table of bad objects. It is read here offline, and by `tests/kube` against a real API server.

#![allow(dead_code, reason = "each reader uses its own part")]

use std::collections::BTreeMap;

use serde::Deserialize;

/// All of `bad_objects.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// Valid manifests by name.
    objects: BTreeMap<String, String>,
    /// What makes them bad.
    pub(crate) cases: Vec<BadObject>,
}

/// A valid object, a change that makes it bad, and what is said to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BadObject {
    /// What is wrong.
    pub(crate) case: String,
    /// Name of the valid object.
    of: String,
    /// A part of its manifest …
    replace: String,
    /// … and what to put there.
    by: String,
    /// What is said without a server, a line an error, without the name of the file.
    pub(crate) offline: Vec<String>,
    /// What the server says, without the object's kind and name.
    pub(crate) server: String,
}

impl Table {
    /// The table.
    pub(crate) fn read() -> Self {
        serde_saphyr::from_str(include_str!("bad_objects.yaml")).expect("the table of bad objects")
    }

    /// The valid manifests.
    pub(crate) fn valid(&self) -> impl Iterator<Item = &str> {
        self.objects.values().map(String::as_str)
    }

    /// The bad manifest of a case.
    pub(crate) fn manifest(&self, case: &BadObject) -> String {
        let valid = &self.objects[&case.of];
        assert!(valid.contains(&case.replace), "{}: {:?} is not in {}", case.case, case.replace, case.of);
        valid.replacen(&case.replace, &case.by, 1)
    }
}
