//! What may be changed after creation, by the rules on changes.

#[path = "cases/updates.rs"]
mod cases;

use kube::core::cel::Validator;
use real_crds::definitions;
use serde_json::Value;

use cases::{Change, Table};

fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let version = definition.spec.versions.into_iter().next().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// What the rules say to `change`.
fn errors(table: &Table, change: &Change) -> Vec<String> {
    match Validator::new().validate(&schema("RealTrainingJob"), &change.of(&table.job), Some(&table.job)) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_decides_the_result_cannot_be_changed() {
    let table = Table::read();
    for refused in &table.refused {
        assert_eq!(errors(&table, &refused.change), [refused.offline.as_str()], "{:?}", refused.change);
    }
}

#[test]
fn what_does_not_decide_the_result_can_be_changed() {
    let table = Table::read();
    for change in &table.allowed {
        assert_eq!(errors(&table, change), Vec::<String>::new(), "{change:?}");
    }
}
