//! Findings as SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>), with the way of each value as a code flow.

use std::fmt::Write as _;
use std::path::Path;

use real_detector::rules::registry;
use real_detector_api::Finding;
use serde_json::{Value, json};

use super::judge::{Checked, Failure};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Rule of what `mypy --strict` says.
const TYPES: &str = "mypy-strict";

/// A log with one run.
///
/// # Errors
/// The rules cannot be loaded.
pub(super) fn document(all: &[Checked]) -> anyhow::Result<Value> {
    let mut rules: Vec<(String, Value)> = registry()?
        .rules
        .iter()
        .map(|rule| {
            let descriptor = json!({
                "id": rule.id,
                "name": rule.id,
                "shortDescription": {"text": rule.title},
                "helpUri": format!("https://cwe.mitre.org/data/definitions/{}.html", rule.cwe),
                "properties": {"tags": ["security", format!("external/cwe/cwe-{}", rule.cwe)]},
            });
            (rule.id.clone(), descriptor)
        })
        .collect();
    let about =
        json!({"id": TYPES, "name": TYPES, "shortDescription": {"text": "Type errors that mypy --strict reports."}});
    rules.push((TYPES.to_owned(), about));
    let index = |id: &str| rules.iter().position(|(known, _)| known == id);
    let mut results = Vec::new();
    for checked in all {
        results.extend(checked.findings.iter().map(|finding| result(&checked.name, finding, index(&finding.rule))));
        results.extend(checked.types.iter().map(|error| {
            json!({
                "ruleId": TYPES, "ruleIndex": index(TYPES), "level": "error",
                "message": {"text": format!("{} [{}]", error.message, error.code)},
                "locations": [location(&checked.name, error.line, error.column)],
            })
        }));
    }
    let failures: Vec<(&Checked, &Failure)> =
        all.iter().filter_map(|checked| Some((checked, checked.failure.as_ref()?))).collect();
    let told: Vec<Value> = failures
        .iter()
        .map(|(checked, failure)| {
            json!({
                "level": "error",
                "message": {"text": format!("{} was not checked: {}", checked.name, failure.message)},
                "locations": [location(&checked.name, failure.line.unwrap_or(1), 0)],
            })
        })
        .collect();
    Ok(json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "real-detector", "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.iter().map(|(_, descriptor)| descriptor).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": failures.is_empty(), "toolExecutionNotifications": told}],
            "results": results,
        }],
    }))
}

fn result(file: &str, finding: &Finding, index: Option<usize>) -> Value {
    let mut result = json!({
        "ruleId": finding.rule, "level": "error", "message": {"text": finding.message},
        "locations": [location(file, finding.line, finding.column)],
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    if !finding.trace.is_empty() {
        let steps = finding.trace.iter().map(|step| {
            let mut place = location(file, step.line, step.column);
            place["message"] = json!({"text": step.note});
            json!({"location": place})
        });
        result["codeFlows"] = json!([{"threadFlows": [{"locations": steps.collect::<Vec<_>>()}]}]);
    }
    result
}

fn location(file: &str, line: u32, column: u32) -> Value {
    let mut region = json!({"startLine": line.max(1)});
    if column > 0 {
        region["startColumn"] = column.into();
    }
    json!({"physicalLocation": {"artifactLocation": {"uri": uri(file)}, "region": region}})
}

/// A path as a URI reference (RFC 3986): relative paths stay relative.
fn uri(file: &str) -> String {
    let path = file.strip_prefix("./").unwrap_or(file);
    let mut text = if Path::new(path).is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a b/c.py"), "a%20b/c.py");
        assert_eq!(uri("/a/é.py"), "file:///a/%C3%A9.py");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
    }
}
