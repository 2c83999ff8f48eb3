//! What may be changed after creation, by the rules on changes.

#[path = "cases/updates.rs"]
mod cases;

use kube::core::cel::Validator;
use real_crds::definitions;
use serde_json::Value;

use cases::{Change, State, Table};

fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let version = definition.spec.versions.into_iter().next().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// What the rules say to `change` of the job in a state.
fn errors(table: &Table, state: State, change: &Change) -> Vec<String> {
    let mut job = table.job_in(state);
    if let Some(status) = table.status_in(state) {
        job["status"] = status.clone();
    }
    match Validator::new().validate(&schema("RealTrainingJob"), &change.of(&job), Some(&job)) {
        Ok(()) => Vec::new(),
        // Rules of the whole object say where from its root.
        Err(errors) => errors.iter().map(|error| error.to_string().trim_start_matches('.').to_owned()).collect(),
    }
}

#[test]
fn what_decides_the_result_cannot_be_changed_and_the_rest_when_it_harms_nobody() {
    let table = Table::read();
    for state in State::ALL {
        for refused in table.refused_in(state) {
            assert_eq!(
                errors(&table, state, &refused.change),
                [refused.offline.as_str()],
                "{state:?}: {:?}",
                refused.change
            );
        }
        for change in table.allowed_in(state) {
            assert_eq!(errors(&table, state, change), Vec::<String>::new(), "{state:?}: {change:?}");
        }
    }
}

/// The advice of the messages can be followed: suspended in the same breath.
#[test]
fn a_job_can_be_suspended_and_changed_at_once() {
    let table = Table::read();
    let mut job = table.job_in(State::Begun);
    job["status"] = table.begun.clone();
    for refused in table.refused_in(State::Begun) {
        let mut changed = refused.change.of(&job);
        changed["spec"]["suspend"] = true.into();
        let taken = Validator::new().validate(&schema("RealTrainingJob"), &changed, Some(&job)).is_ok();
        let can =
            table.allowed_in(State::Suspended).iter().any(|allowed| std::ptr::eq(*allowed, &raw const refused.change));
        assert_eq!(taken, can, "{:?}", refused.change);
    }
}

/// Fields of one rule are named together.
#[test]
fn every_field_that_was_changed_is_named() {
    let table = Table::read();
    let mut job = table.job_in(State::Begun);
    job["status"] = table.begun.clone();
    let mut changed = job.clone();
    changed["spec"]["algorithm"]["ppo"]["steps"] = 11.into();
    changed["spec"]["reward"] = serde_json::json!({"alpha": 1});
    changed["spec"]["trainer"] = serde_json::json!({"nodes": 2, "image": "x"});
    let errors = Validator::new().validate(&schema("RealTrainingJob"), &changed, Some(&job)).unwrap_err();
    let errors: Vec<_> = errors.iter().map(|error| error.message.clone()).collect();
    let places = "trainer.image trainer.nodes can be changed only while spec.suspend is true or before the first attempt has started";
    assert_eq!(errors, ["algorithm reward cannot be changed after creation", places]);
}

/// The rules on changes pass by writes of the status, and by nothing else.
#[test]
fn a_change_is_refused_whatever_the_status_says() {
    let table = Table::read();
    for status in [
        serde_json::json!({}),
        serde_json::json!({"phase": "Pending"}),
        serde_json::json!({"phase": "Running", "progress": {"step": 7, "totalSteps": 10, "percentage": 70}}),
        serde_json::json!({"phase": "Succeeded", "progress": {"step": 10, "totalSteps": 10, "percentage": 100}}),
    ] {
        let mut job = table.job_in(State::Begun);
        job["status"] = status;
        let mut changed = job.clone();
        changed["spec"]["algorithm"]["ppo"]["steps"] = 11.into();
        let refused = Validator::new().validate(&schema("RealTrainingJob"), &changed, Some(&job));
        assert!(refused.is_err(), "{}", job["status"]);
    }
}
