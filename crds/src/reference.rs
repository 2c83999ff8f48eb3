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
        rules(page, &schema);
        for part in ["spec", "status"] {
            if let Some(properties) = schema["properties"].get(part) {
                line(page, &format!("### {}.{part}\n", names.kind));
                line(page, "| field | type | default | allowed | meaning |\n|---|---|---|---|---|");
                rows(page, "", properties);
                line(page, "");
            }
        }
    }
}

/// The rules of a whole object, which span several fields.
fn rules(page: &mut String, schema: &Value) {
    let mut found = Vec::new();
    collect_rules(schema, "", &mut found);
    if found.is_empty() {
        return;
    }
    line(page, "### Rules\n");
    for (path, rule) in found {
        line(page, &format!("* `{}`: `{rule}`", if path.is_empty() { "metadata" } else { &path }));
    }
    line(page, "");
}

fn collect_rules(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        found.push((path.to_owned(), text(&rule["rule"])));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect_rules(property, &join(path, name), found);
    }
    if schema["items"].is_object() {
        collect_rules(&schema["items"], &format!("{path}[]"), found);
    }
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
    description.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}
