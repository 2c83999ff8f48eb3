//! The definitions keep to what an API server accepts, and the committed files are those the types make.

use std::path::Path;

use real_crds::{definitions, generate};
use serde_json::Value;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every schema of every definition with its kind and path.
fn each_schema(visit: &mut dyn FnMut(&str, &Value)) {
    fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, visit);
        }
        for (field, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
            if schema[field].is_object() {
                walk(&format!("{path}{suffix}"), &schema[field], visit);
            }
        }
    }
    for definition in definitions() {
        for version in &definition.spec.versions {
            let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).unwrap();
            walk(&definition.spec.names.kind, &serde_json::to_value(schema).unwrap(), visit);
        }
    }
}

/// Kubernetes' own types, embedded as they are.
fn is_foreign(path: &str) -> bool {
    [".affinity", ".tolerations", ".topologySpreadConstraints", ".conditions"].iter().any(|name| path.contains(name))
}

#[test]
fn generated_files_are_fresh() {
    let stale: Vec<_> = generate::stale(&root()).into_iter().map(|file| file.path).collect();
    assert!(stale.is_empty(), "stale: {stale:?}; run `cargo run -p real-crds`");
}

#[test]
fn generated_yaml_reads_back_as_the_same_definition() {
    for (definition, file) in definitions().into_iter().zip(generate::files()) {
        let read: Value = serde_saphyr::from_str(&file.content).unwrap();
        assert_eq!(read, serde_json::to_value(definition).unwrap(), "{}", file.path.display());
    }
}

#[test]
fn every_definition_is_small_enough_for_a_plain_kubectl_apply() {
    for definition in definitions() {
        // kubectl keeps the object as JSON in an annotation, whose limit is 256 KiB in all.
        let bytes = serde_json::to_string(&definition).unwrap().len();
        assert!(bytes < 255 * 1024, "{} has {bytes} bytes", definition.spec.names.kind);
    }
}

/// The rules of <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>.
#[test]
fn every_schema_is_structural() {
    each_schema(&mut |path, schema| {
        let int_or_string = schema["x-kubernetes-int-or-string"] == true;
        assert!(int_or_string != schema["type"].is_string(), "{path}: exactly one of type and int-or-string: {schema}");
        for keyword in
            ["$ref", "definitions", "oneOf", "anyOf", "allOf", "not", "patternProperties", "uniqueItems", "nullable"]
        {
            assert!(schema.get(keyword).is_none(), "{path}: {keyword}");
        }
        match schema["type"].as_str() {
            Some("array") => assert!(schema["items"].is_object(), "{path}: a list needs a schema for its items"),
            Some("object") => assert!(
                path.ends_with(".metadata")
                    || schema["properties"].is_object() != schema["additionalProperties"].is_object(),
                "{path}: exactly one of properties and additionalProperties"
            ),
            _ => {}
        }
        assert!(schema["additionalProperties"] != false, "{path}: additionalProperties: false is forbidden");
        if let Some(format) = schema["format"].as_str() {
            assert!(["int32", "int64", "double", "date-time"].contains(&format), "{path}: unknown format {format}");
        }
        for key in schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten() {
            let item = &schema["items"];
            let required = item["required"].as_array().is_some_and(|required| required.contains(key));
            assert!(
                required || item["properties"][key.as_str().unwrap()].get("default").is_some(),
                "{path}: key {key}"
            );
        }
    });
}

#[test]
fn every_default_fits_its_own_schema() {
    each_schema(&mut |path, schema| {
        let Some(default) = schema.get("default") else { return };
        if let (Some(number), Some(least)) = (default.as_f64(), schema["minimum"].as_f64()) {
            assert!(number >= least, "{path}");
        }
        if let (Some(number), Some(most)) = (default.as_f64(), schema["maximum"].as_f64()) {
            assert!(number <= most, "{path}");
        }
        if let Some(allowed) = schema["enum"].as_array() {
            assert!(allowed.contains(default), "{path}");
        }
        // The default of an object is what its fields' defaults make: the two must not drift apart.
        for (name, value) in default.as_object().into_iter().flatten() {
            assert_eq!(&schema["properties"][name]["default"], value, "{path}.{name}");
        }
    });
}

#[test]
fn every_field_is_documented() {
    each_schema(&mut |path, schema| {
        let field = path.contains('.') && !path.ends_with("[]") && !path.ends_with("{}");
        let servers = [".metadata", ".apiVersion", ".kind"].iter().any(|name| path.ends_with(name));
        if field && !servers && !is_foreign(path) {
            assert!(schema["description"].is_string(), "{path} has no description");
        }
    });
}

#[test]
fn everything_a_user_writes_is_bounded_so_that_the_server_can_bound_the_cost_of_rules() {
    each_schema(&mut |path, schema| {
        if !path.contains(".spec") || is_foreign(path) {
            return;
        }
        let bound = match schema["type"].as_str() {
            Some("array") => "maxItems",
            Some("object") if schema["additionalProperties"].is_object() => "maxProperties",
            Some("string") if !schema["enum"].is_array() && !path.ends_with("{}") => "maxLength",
            Some("integer" | "number") => "maximum",
            _ => return,
        };
        assert!(schema[bound].is_number() || path.ends_with(".betas[]"), "{path} has no {bound}");
    });
}

#[test]
fn every_rule_says_what_is_wrong_and_points_at_a_field_that_exists() {
    let mut rules = 0;
    each_schema(&mut |path, schema| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            rules += 1;
            assert!(rule["message"].is_string() || rule["messageExpression"].is_string(), "{path}: {rule}");
            // The server takes text made of a number to be of any length, and refuses what is then made of that text.
            let message = rule["messageExpression"].as_str().unwrap_or_default();
            assert!(!message.contains("string("), "{path}: use format: {message}");
            let source = rule["rule"].as_str().unwrap();
            assert!(!source.contains('\n') && !source.contains("  "), "{path}: {source:?}");
            if let Some(field) = rule["fieldPath"].as_str() {
                let found = field
                    .trim_start_matches('.')
                    .split('.')
                    .try_fold(schema, |schema, name| schema["properties"].get(name));
                assert!(found.is_some(), "{path}: fieldPath {field}");
            }
        }
    });
    assert!(rules > 20, "only {rules} rules were found");
}
