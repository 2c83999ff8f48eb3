//! What the definition of an object says about its status. The API server refuses what does not fit.

use serde_json::Value;

/// What does not fit, a line each.
pub(crate) fn misfits(schema: &Value, status: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, status, "status", &mut found);
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
