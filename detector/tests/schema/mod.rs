//! Checks JSON against the schema of SARIF 2.1.0: the words of JSON Schema that it uses.

use std::collections::HashSet;

use regex::Regex;
use serde_json::Value;

const SCHEMA: &str = include_str!("../check/sarif-schema-2.1.0.json");

/// Where a document breaks the schema, and how.
pub(crate) fn violations(document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let mut checker = Checker { root: &schema, found: vec![] };
    checker.check(&schema, document, "");
    checker.found
}

struct Checker<'a> {
    root: &'a Value,
    found: Vec<String>,
}

impl<'a> Checker<'a> {
    fn say(&mut self, at: &str, what: impl Into<String>) {
        self.found.push(format!("{at}: {}", what.into()));
    }

    fn check(&mut self, schema: &'a Value, value: &Value, at: &str) {
        let Some(words) = schema.as_object() else { return };
        for (word, wanted) in words {
            match word.as_str() {
                "$ref" => {
                    let name = wanted.as_str().and_then(|name| name.strip_prefix('#')).expect("a local reference");
                    self.check(self.root.pointer(name).expect("a definition"), value, at);
                }
                "type" => {
                    if !has_type(value, wanted.as_str().expect("one type")) {
                        self.say(at, format!("is no {wanted}"));
                    }
                }
                "enum" => {
                    if !wanted.as_array().expect("a list").contains(value) {
                        self.say(at, format!("{value} is none of {wanted}"));
                    }
                }
                "minimum" | "maximum" => {
                    let (Some(number), Some(bound)) = (value.as_f64(), wanted.as_f64()) else { continue };
                    if if word == "minimum" { number < bound } else { number > bound } {
                        self.say(at, format!("{number} is beyond the {word} {bound}"));
                    }
                }
                "pattern" => {
                    let pattern = Regex::new(wanted.as_str().expect("a pattern")).expect("a pattern");
                    if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                        self.say(at, format!("{value} does not match {wanted}"));
                    }
                }
                "format" => self.format(wanted.as_str().expect("a format"), value, at),
                "anyOf" | "oneOf" => self.one_of(word == "oneOf", wanted, value, at),
                "required" => {
                    for name in wanted.as_array().expect("a list").iter().filter_map(Value::as_str) {
                        if value.is_object() && value.get(name).is_none() {
                            self.say(at, format!("has no {name}"));
                        }
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(wanted, item, &format!("{at}/{index}"));
                    }
                }
                "minItems" => {
                    if value.as_array().is_some_and(|items| (items.len() as u64) < wanted.as_u64().expect("a number")) {
                        self.say(at, "has too few items");
                    }
                }
                "uniqueItems" => {
                    let items: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
                    if *wanted == true && items.iter().collect::<HashSet<_>>().len() < items.len() {
                        self.say(at, "has an item twice");
                    }
                }
                // Looked at below, or nothing to look at.
                "properties"
                | "additionalProperties"
                | "definitions"
                | "default"
                | "$schema"
                | "$id"
                | "title"
                | "description" => {}
                other => panic!("the schema uses `{other}`, which is not looked at"),
            }
        }
        self.properties(schema, value, at);
    }

    fn properties(&mut self, schema: &'a Value, value: &Value, at: &str) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            match (schema.pointer("/properties").and_then(|known| known.get(name)), &schema["additionalProperties"]) {
                (Some(known), _) => self.check(known, inner, &at),
                (None, Value::Bool(false)) => self.say(&at, "is unknown"),
                (None, Value::Object(_)) => self.check(&schema["additionalProperties"], inner, &at),
                _ => {}
            }
        }
    }

    fn one_of(&mut self, exactly: bool, choices: &'a Value, value: &Value, at: &str) {
        let root = self.root;
        let holds = |choice: &&'a Value| {
            let mut inner = Checker { root, found: vec![] };
            inner.check(choice, value, at);
            inner.found.is_empty()
        };
        let count = choices.as_array().expect("a list").iter().filter(holds).count();
        if count == 0 || exactly && count > 1 {
            self.say(at, format!("{count} of {choices} hold"));
        }
    }

    fn format(&mut self, format: &str, value: &Value, at: &str) {
        let Some(text) = value.as_str() else { return };
        let is_reference =
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte));
        let holds = match format {
            "uri-reference" => is_reference,
            "uri" => is_reference && text.contains(':'),
            "date-time" => text.contains('T') && text.ends_with('Z'),
            other => panic!("the schema uses the format `{other}`, which is not looked at"),
        };
        if !holds {
            self.say(at, format!("{text} is no {format}"));
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type `{other}`, which is not looked at"),
    }
}
