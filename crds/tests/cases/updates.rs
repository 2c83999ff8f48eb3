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
    /// Its status once the first attempt has started.
    pub(crate) begun: Value,
    /// Changes that the rules always refuse.
    refused: Vec<Refused>,
    /// Changes that they refuse once the first attempt has started.
    refused_once_begun: Vec<Refused>,
    /// The same, but not while the job is suspended.
    refused_while_running: Vec<Refused>,
    /// Changes that they always allow.
    allowed: Vec<Change>,
}

/// What a job is like when it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No attempt was made.
    Fresh,
    /// An attempt was made.
    Begun,
    /// An attempt was made, and the job is suspended.
    Suspended,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Fresh, Self::Begun, Self::Suspended];
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

    /// The job in a state, without its status.
    pub(crate) fn job_in(&self, state: State) -> Value {
        let mut job = self.job.clone();
        job["spec"]["suspend"] = (state == State::Suspended).into();
        job["metadata"]["name"] = format!("job-{state:?}").to_lowercase().into();
        job
    }

    /// Its status in a state.
    pub(crate) fn status_in(&self, state: State) -> Option<&Value> {
        (state != State::Fresh).then_some(&self.begun)
    }

    /// Changes that are refused in a state.
    pub(crate) fn refused_in(&self, state: State) -> Vec<&Refused> {
        let mut all: Vec<&Refused> = self.refused.iter().collect();
        if state != State::Fresh {
            all.extend(&self.refused_once_begun);
        }
        if state == State::Begun {
            all.extend(&self.refused_while_running);
        }
        all
    }

    /// Changes that are allowed in a state.
    pub(crate) fn allowed_in(&self, state: State) -> Vec<&Change> {
        let mut all: Vec<&Change> = self.allowed.iter().collect();
        if state == State::Fresh {
            all.extend(self.refused_once_begun.iter().map(|refused| &refused.change));
        }
        if state != State::Begun {
            all.extend(self.refused_while_running.iter().map(|refused| &refused.change));
        }
        all
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
