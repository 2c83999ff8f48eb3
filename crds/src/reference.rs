//! The reference of the API as Markdown: every field with its type, default, bounds and meaning.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// Fields of Kubernetes' own types, which its documentation explains.
const FOREIGN: [&str; 3] = ["affinity", "tolerations", "conditions"];

/// The reference of all `definitions`.
pub(crate) fn markdown(definitions: &[CustomResourceDefinition]) -> String {
    let mut page = String::from(
        "<!-- Made from the types in crds/src by `cargo run -p real-crds`. Do not edit. -->\n\
         # API reference\n\n\
         A field without a default is optional unless it says *required*. `[]` is an item of a list, `{}` a value of a map.\n",
    );
    for definition in definitions {
        section(&mut page, definition);
    }
    page
}

fn section(page: &mut String, definition: &CustomResourceDefinition) {
    let spec = &definition.spec;
    let names = &spec.names;
    for version in &spec.versions {
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let schema = serde_json::to_value(schema).unwrap_or_default();
        let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        line(page, &format!("\n## {} ({}/{})\n", names.kind, spec.group, version.name));
        line(page, &format!("{}\n", cell(&schema["description"])));
        line(page, &format!("{} · plural `{}` · short {short}\n", spec.scope, names.plural));
        for part in ["spec", "status"] {
            if let Some(properties) = schema["properties"].get(part) {
                line(page, &format!("### {}.{part}\n", names.kind));
                line(page, "| field | type | default | allowed | meaning |\n|---|---|---|---|---|");
                rows(page, "", properties);
                line(page, "");
            }
        }
        refusals(page, &names.kind, &schema);
    }
}

/// What validation rules refuse, in the words of the refusal; the expressions are in the definitions.
fn refusals(page: &mut String, kind: &str, schema: &Value) {
    let mut found = Vec::new();
    for part in ["", "spec"] {
        let schema = if part.is_empty() { schema } else { &schema["properties"][part] };
        collect_refusals(schema, "", part.is_empty(), &mut found);
    }
    if found.is_empty() {
        return;
    }
    line(page, &format!("### What is refused of a {kind}\n"));
    line(page, "In the words that `kubectl apply` gets as an answer; `…` stands for what was given.\n");
    line(page, "| field | words |\n|---|---|");
    for (words, paths) in found {
        let paths = paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        line(page, &format!("| {paths} | {} |", escaped(&words)));
    }
    line(page, "");
}

/// Words of rules with the fields that they stand at, each of the words once.
fn collect_refusals(schema: &Value, path: &str, only_here: bool, found: &mut Vec<(String, Vec<String>)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let words = match rule["messageExpression"].as_str() {
            Some(expression) => spoken(expression),
            None => text(&rule["message"]),
        };
        let field = rule["fieldPath"].as_str().unwrap_or_default().trim_start_matches('.');
        let field = if only_here { field.trim_start_matches("spec.") } else { field };
        let path = match (path.is_empty(), field.is_empty()) {
            (true, true) if only_here => "metadata".to_owned(),
            (true, true) => "spec".to_owned(),
            (true, false) => field.to_owned(),
            (false, true) => path.to_owned(),
            (false, false) => format!("{path}.{field}"),
        };
        match found.iter_mut().find(|(known, _)| *known == words) {
            Some((_, paths)) if paths.contains(&path) => {}
            Some((_, paths)) => paths.push(path),
            None => found.push((words, vec![path])),
        }
    }
    if only_here {
        return;
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect_refusals(property, &join(path, name), false, found);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[inner].is_object() {
            collect_refusals(&schema[inner], &format!("{path}{mark}"), false, found);
        }
    }
}

/// What a CEL expression of texts says: the literals that it joins or formats, and `…` for what is computed.
fn spoken(expression: &str) -> String {
    const VALUE: char = '…';
    let mut words = String::new();
    let mut depth = 0_usize;
    let mut letters = expression.chars().peekable();
    let value = |words: &mut String| {
        if !words.ends_with(VALUE) {
            words.push(VALUE);
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '\'' => {
                let mut literal = String::new();
                while let Some(letter) = letters.next().filter(|letter| *letter != '\'') {
                    literal.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
                }
                // What is inside parentheses is compared or matched, not said.
                if depth == 0 {
                    words.push_str(&literal.replace("%d", "…").replace("%s", "…"));
                    // The values of a format stand in its text.
                    if letters.peek() == Some(&'.') {
                        return words;
                    }
                }
            }
            letter if depth == 0 && letter.is_alphanumeric() => value(&mut words),
            _ => {}
        }
    }
    words
}

fn rows(page: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = join(path, name);
        let default = match property.get("default") {
            Some(Value::Object(_)) => "see its fields".to_owned(),
            Some(default) => format!("`{default}`"),
            None if required.contains(&name.as_str()) => "*required*".to_owned(),
            None => String::new(),
        };
        let (kind, allowed, meaning) = (kind(property), allowed(property), cell(&property["description"]));
        line(page, &format!("| `{path}` | {kind} | {default} | {allowed} | {meaning} |"));
        if FOREIGN.contains(&name.as_str()) {
            continue;
        }
        rows(page, &path, property);
        if property["items"].is_object() {
            rows(page, &format!("{path}[]"), &property["items"]);
        }
        if property["additionalProperties"].is_object() {
            rows(page, &format!("{path}{{}}"), &property["additionalProperties"]);
        }
    }
}

fn kind(schema: &Value) -> String {
    if schema["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", kind(&schema["additionalProperties"]))
        }
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}

fn allowed(schema: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(words) = schema["enum"].as_array() {
        parts.push(words.iter().map(|word| format!("`{}`", text(word))).collect::<Vec<_>>().join(", "));
    }
    let bound = |name: &str| schema[name].as_f64().map(|bound| bound.to_string());
    if let Some(least) = bound("minimum") {
        parts.push(format!("{} {least}", if schema["exclusiveMinimum"] == true { "&gt;" } else { "≥" }));
    }
    if let Some(most) = bound("maximum") {
        parts.push(format!("{} {most}", if schema["exclusiveMaximum"] == true { "&lt;" } else { "≤" }));
    }
    for (least, most, unit) in
        [("minItems", "maxItems", "items"), ("minLength", "maxLength", "characters"), ("", "maxProperties", "entries")]
    {
        match (bound(least), bound(most)) {
            (Some(least), Some(most)) => parts.push(format!("{least} to {most} {unit}")),
            (None, Some(most)) => parts.push(format!("at most {most} {unit}")),
            (Some(least), None) => parts.push(format!("at least {least} {unit}")),
            (None, None) => {}
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        parts.push(format!("`{}`", pattern.replace('|', "\\|")));
    }
    parts.join(", ")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A description in one line of a table.
fn cell(description: &Value) -> String {
    escaped(description.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}
