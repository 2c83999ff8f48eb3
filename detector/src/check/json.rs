//! Findings as one JSON object.

use serde_json::{Value, json};

use super::judge::{Checked, Totals};

/// The object: a list of findings with their files, type errors, files that were not checked, and counts.
pub(super) fn document(all: &[Checked], totals: &Totals) -> Value {
    let (mut findings, mut types, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for checked in all {
        let with_file = |value: Value| {
            let mut object = json!({"file": checked.name});
            if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), value) {
                object.extend(fields);
            }
            object
        };
        findings.extend(checked.findings.iter().map(|finding| with_file(json!(finding))));
        types.extend(checked.types.iter().map(|error| with_file(json!(error))));
        failures.extend(
            checked.failure.iter().map(|failure| with_file(json!({"line": failure.line, "message": failure.message}))),
        );
    }
    json!({
        "filesChecked": totals.files - totals.failed, "findings": findings, "typeErrors": types, "notChecked": failures,
    })
}
