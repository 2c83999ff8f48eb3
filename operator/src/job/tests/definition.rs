//! What the definition of `RealTrainingJob` says about a status. The API server refuses what does not fit.

use std::sync::LazyLock;

use kube::CustomResourceExt;
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobStatus};
use serde_json::{Value, json};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(RealTrainingJob::crd()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
});

/// What does not fit, a line each.
pub(super) fn misfits(status: &RealTrainingJobStatus) -> Vec<String> {
    let mut found = Vec::new();
    check(&SCHEMA, &serde_json::to_value(status).unwrap(), "status", &mut found);
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut bound = |size: u64, least: &str, most: &str| {
        let too_small = schema[least].as_f64().is_some_and(|least| (size as f64) < least);
        let too_large = schema[most].as_f64().is_some_and(|most| size as f64 > most);
        if too_small || too_large {
            found.push(format!("{path} is or has {size}"));
        }
    };
    match value {
        Value::String(text) => bound(text.chars().count() as u64, "minLength", "maxLength"),
        Value::Number(number) => bound(number.as_u64().unwrap_or(u64::MAX), "minimum", "maximum"),
        Value::Array(items) => {
            bound(items.len() as u64, "minItems", "maxItems");
            for (i, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{i}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                match schema["properties"].get(name) {
                    Some(schema) => check(schema, value, &format!("{path}.{name}"), found),
                    None => found.push(format!("{path}.{name} is unknown")),
                }
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
    if path.ends_with(".reason") && !is_word(value.as_str().unwrap_or_default()) {
        found.push(format!("{path} is no word"));
    }
}

/// The pattern of a condition's reason.
fn is_word(reason: &str) -> bool {
    reason.starts_with(|first: char| first.is_ascii_alphabetic())
        && reason.chars().all(|one| one.is_ascii_alphanumeric() || one == '_')
}

#[test]
fn what_does_not_fit_is_found() {
    let status = |value: Value| serde_json::from_value::<RealTrainingJobStatus>(value).unwrap();
    let long = "x".repeat(65);
    let checkpoint = json!({ "step": 1, "uri": "", "sha256": long });
    for (value, misfit) in [
        (json!({ "jobName": long }), "status.jobName is or has 65"),
        (json!({ "reason": "not a word" }), "status.reason is no word"),
        (
            json!({ "progress": { "step": 1, "totalSteps": 1, "percentage": 101 } }),
            "status.progress.percentage is or has 101",
        ),
        (json!({ "checkpoints": [checkpoint] }), "status.checkpoints[0].sha256 is or has 65"),
        (
            json!({ "checkpoints": vec![json!({ "step": 1, "uri": "", "sha256": "" }); 11] }),
            "status.checkpoints is or has 11",
        ),
    ] {
        assert_eq!(misfits(&status(value)), [misfit]);
    }
}
