//! Whether an observed object already is what is wanted, so that nothing has to be written.

use serde::Serialize;
use serde_json::Value;

/// Whether every field of `wanted` stands in `observed` with the same value.
///
/// What the API server or others added (defaults, status, labels of others) does not matter, except in a selector, where one
/// more pair selects something else. Amounts of resources are equal where they mean the same (`1` and `1000m`): the server
/// rewrites them.
///
/// # Panics
///
/// If an object cannot be written as JSON, which no API object is.
pub fn in_sync<K: Serialize>(wanted: &K, observed: &K) -> bool {
    let value = |object: &K| serde_json::to_value(object).expect("an API object is plain data");
    contains(&value(observed), &value(wanted), false)
}

const SELECTORS: [&str; 3] = ["selector", "podSelector", "namespaceSelector"];

fn contains(observed: &Value, wanted: &Value, amounts: bool) -> bool {
    match (observed, wanted) {
        (Value::Object(observed), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            let amounts = amounts || matches!(key.as_str(), "limits" | "requests");
            // Empty lists and maps are not stored.
            match observed.get(key) {
                Some(observed) if SELECTORS.contains(&key.as_str()) => observed == wanted,
                Some(observed) => contains(observed, wanted, amounts),
                None => is_empty(wanted),
            }
        }),
        (Value::Array(observed), Value::Array(wanted)) => {
            observed.len() == wanted.len()
                && observed.iter().zip(wanted).all(|(observed, wanted)| contains(observed, wanted, amounts))
        }
        (Value::String(observed), Value::String(wanted)) if amounts => {
            observed == wanted
                || matches!((amount(observed), amount(wanted)), (Some(a), Some(b)) if a.total_cmp(&b).is_eq())
        }
        _ => observed == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// The number that an amount such as `500m`, `16Gi` or `1e3` means.
pub(crate) fn amount(text: &str) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_server_are_no_difference_but_other_values_are() {
        let wanted = json!({"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}, "volumes": []}});
        assert!(in_sync(
            &wanted,
            &json!({"spec": {"ports": [{"port": 80, "protocol": "TCP"}], "selector": {"a": "b"}}})
        ));
        for other in [
            json!({"spec": {"ports": [{"port": 81}], "selector": {"a": "b"}}}),
            json!({"spec": {"ports": [{"port": 80}, {"port": 81}], "selector": {"a": "b"}}}),
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 80}], "selector": {"a": "b", "c": "d"}}}),
        ] {
            assert!(!in_sync(&wanted, &other), "{other}");
        }
    }

    #[test]
    fn amounts_are_compared_by_what_they_mean() {
        let limits = |cpu: &str, memory: &str| json!({"limits": {"cpu": cpu, "memory": memory}});
        assert!(in_sync(&limits("1000m", "1Gi"), &limits("1", "1024Mi")));
        assert!(in_sync(&limits("0.5", "1e3"), &limits("500m", "1k")));
        assert!(!in_sync(&limits("1", "1Gi"), &limits("1", "1G")));
        // Only there: a label stays what it is.
        assert!(!in_sync(&json!({"labels": {"a": "1000m"}}), &json!({"labels": {"a": "1"}})));
    }
}
