//! The table of changes to an existing job. It is read here offline, and by `tests/kube` against a real API server.

#![allow(dead_code, reason = "each reader uses its own part")]

use serde::Deserialize;
use serde_json::Value;

/// All of `updates.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// The job.
    pub(crate) job: Value,
    /// Changes that the rules refuse.
    pub(crate) refused: Vec<Refused>,
    /// Changes that they allow.
    pub(crate) allowed: Vec<Change>,
}

/// A change of one field.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    /// JSON pointer to the field.
    pub(crate) set: String,
    /// Its new value.
    pub(crate) to: Value,
}

/// A change and what is said to it.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    /// The change.
    #[serde(flatten)]
    pub(crate) change: Change,
    /// What is said without a server.
    pub(crate) offline: String,
    /// What the server says, without the object's kind and name.
    pub(crate) server: String,
}

impl Table {
    /// The table.
    pub(crate) fn read() -> Self {
        serde_saphyr::from_str(include_str!("updates.yaml")).expect("the table of changes")
    }
}

impl Change {
    /// `object` with the change.
    pub(crate) fn of(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let (parent, field) = self.set.rsplit_once('/').expect("a JSON pointer");
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
        parent[field] = self.to.clone();
        object
    }
}
