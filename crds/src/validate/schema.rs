//! What the API server checks by a definition's schema: types, bounds, required and unknown fields, defaults.

use std::collections::HashSet;

use real_terminal::described;
use serde_json::{Map, Value};

use super::{meant, path::FieldPath, path::Segment, suggest};

/// Something that does not fit the schema.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) path: FieldPath,
    /// Whether the field's name is at fault rather than its value.
    pub(super) at_key: bool,
    pub(super) value: Option<Value>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Checks `value` against the structural schema `schema`, fills in defaults, and returns all that does not fit.
pub(super) fn check(schema: &Value, value: &mut Value) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    node(schema, value, &FieldPath::default(), &mut misfits);
    misfits
}

fn node(schema: &Value, value: &mut Value, path: &FieldPath, misfits: &mut Vec<Misfit>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true && schema.get("properties").is_none() {
        return;
    }
    if let Some(message) = wrong_type(schema, value) {
        let hint = hint_for_type(schema, value, path);
        misfits.push(Misfit { path: path.clone(), at_key: false, value: Some(value.clone()), message, hint });
        return;
    }
    match value {
        Value::Object(fields) => object(schema, fields, path, misfits),
        Value::Array(items) => array(schema, items, path, misfits),
        _ => scalar(schema, value, path, misfits),
    }
}

/// What is wrong with the type of `value`, if anything.
fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    if schema["x-kubernetes-int-or-string"] == true {
        let fits = value.is_i64() || value.is_u64() || value.is_string();
        return (!fits).then(|| format!("must be a whole number or text, but is {}", described(value)));
    }
    let expected = schema["type"].as_str()?;
    let (fits, name) = match expected {
        "object" => (value.is_object(), "an object"),
        "array" => (value.is_array(), "a list"),
        "string" => (value.is_string(), "text"),
        "boolean" => (value.is_boolean(), "true or false"),
        "integer" => (value.is_i64() || value.is_u64(), "a whole number"),
        "number" => (value.is_number(), "a number"),
        other => unreachable!("a structural schema has no type {other}"),
    };
    (!fits).then(|| format!("must be {name}, but is {}", described(value)))
}

/// What to write in place of a value of another type.
fn hint_for_type(schema: &Value, value: &Value, path: &FieldPath) -> Option<String> {
    let (wanted, text) = (schema["type"].as_str()?, value.as_str()?);
    let name = path.segments().iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.as_str()),
        Segment::Index(_) => None,
    });
    matches!(wanted, "integer" | "number" | "boolean")
        .then(|| meant::instead(wanted, name.unwrap_or_default(), text))
        .flatten()
}

fn object(schema: &Value, fields: &mut Map<String, Value>, path: &FieldPath, misfits: &mut Vec<Misfit>) {
    if let Some(most) = schema["maxProperties"].as_u64()
        && fields.len() as u64 > most
    {
        misfits.push(misfit(path, format!("has {} entries, at most {most} are allowed", fields.len())));
    }
    if let Some(values) = schema.get("additionalProperties").filter(|schema| schema.is_object()) {
        for (key, value) in fields.iter_mut() {
            node(values, value, &path.key(key), misfits);
        }
        return;
    }
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    if schema["x-kubernetes-preserve-unknown-fields"] != true {
        for key in fields.keys().filter(|key| !properties.contains_key(*key)) {
            misfits.push(Misfit {
                path: path.key(key),
                at_key: true,
                value: None,
                message: "unknown field".to_owned(),
                hint: suggest::hint(key, properties.keys().map(String::as_str)),
            });
        }
    }
    for (key, schema) in properties {
        // As the API server: a null is an absent field where there is a default.
        if let Some(default) = schema.get("default")
            && fields.get(key).is_none_or(Value::is_null)
        {
            fields.insert(key.clone(), default.clone());
        }
        if let Some(value) = fields.get_mut(key) {
            node(schema, value, &path.key(key), misfits);
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(key) {
            misfits.push(misfit(&path.key(key), "is required but missing".to_owned()));
        }
    }
}

fn array(schema: &Value, items: &mut [Value], path: &FieldPath, misfits: &mut Vec<Misfit>) {
    let (fewest, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
    if fewest.is_some_and(|fewest| (items.len() as u64) < fewest) || most.is_some_and(|most| items.len() as u64 > most)
    {
        misfits.push(misfit(path, format!("has {}, but must have {}", count(items.len()), bounds(fewest, most))));
    }
    for (index, item) in items.iter_mut().enumerate() {
        node(&schema["items"], item, &path.index(index), misfits);
    }
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if keys.is_empty() {
        return;
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity: Vec<String> = keys.iter().map(|key| item[*key].to_string()).collect();
        if !seen.insert(identity) {
            let path = path.index(index).key(keys[0]);
            let value = item[keys[0]].clone();
            let message = format!("{value} is used twice: {} must be unique in the list", keys.join(" and "));
            misfits.push(Misfit { path, at_key: false, value: Some(value), message, hint: None });
        }
    }
}

fn scalar(schema: &Value, value: &Value, path: &FieldPath, misfits: &mut Vec<Misfit>) {
    let mut refuse = |message: String, hint: Option<String>| {
        misfits.push(Misfit { path: path.clone(), at_key: false, value: Some(value.clone()), message, hint });
    };
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let words: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let hint = value
            .as_str()
            .and_then(|word| suggest::meant(word, words.iter().copied()))
            .map(|word| format!("did you mean {word}?"));
        let message = match words.as_slice() {
            [only] => format!("{value} is not allowed: must be {only}"),
            _ => format!("{value} is not allowed: must be one of {}", words.join(", ")),
        };
        refuse(message, hint);
        return;
    }
    if let Some(number) = value.as_f64()
        && let Some(allowed) = number_bounds(schema, number)
    {
        refuse(format!("{value} is not allowed: must be {allowed}"), None);
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let (fewest, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
        if fewest.is_some_and(|fewest| length < fewest) {
            refuse("must not be empty".to_owned(), None);
        } else if let Some(most) = most.filter(|most| length > *most) {
            refuse(format!("has {length} characters, at most {most} are allowed"), None);
        } else if let Some(pattern) = schema["pattern"].as_str()
            && !matches(pattern, text)
        {
            refuse(format!("{value} is not allowed: must match {pattern}"), None);
        }
    }
}

/// What is allowed, if `number` is not.
fn number_bounds(schema: &Value, number: f64) -> Option<String> {
    let (least, most) = (&schema["minimum"], &schema["maximum"]);
    let (above, below) = (schema["exclusiveMinimum"] == true, schema["exclusiveMaximum"] == true);
    let too_small = least.as_f64().is_some_and(|least| if above { number <= least } else { number < least });
    let too_large = most.as_f64().is_some_and(|most| if below { number >= most } else { number > most });
    if !too_small && !too_large {
        return None;
    }
    let plain = |bound: &Value| bound.as_f64().map_or_else(|| bound.to_string(), |bound| bound.to_string());
    let lower =
        (!least.is_null()).then(|| format!("{} {}", if above { "more than" } else { "at least" }, plain(least)));
    let upper = (!most.is_null()).then(|| format!("{} {}", if below { "less than" } else { "at most" }, plain(most)));
    Some(lower.into_iter().chain(upper).collect::<Vec<_>>().join(" and "))
}

/// Whether `text` matches; patterns are RE2's, of which this crate's are a subset that `regex` shares.
fn matches(pattern: &str, text: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn misfit(path: &FieldPath, message: String) -> Misfit {
    Misfit { path: path.clone(), at_key: false, value: None, message, hint: None }
}

pub(super) fn count(items: usize) -> String {
    match items {
        0 => "no items".to_owned(),
        some => real_terminal::count(some, "item"),
    }
}

fn bounds(fewest: Option<u64>, most: Option<u64>) -> String {
    match (fewest, most) {
        (Some(fewest), Some(most)) if fewest == most => format!("exactly {fewest}"),
        (Some(fewest), Some(most)) => format!("{fewest} to {most}"),
        (Some(fewest), None) => format!("at least {fewest}"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => "any number".to_owned(),
    }
}
