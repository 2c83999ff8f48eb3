//! Files of the charts that are made from others, and values that are documented and have a schema.

use std::{collections::BTreeSet, fmt::Write, fs};

use serde_json::Value;

#[path = "support/fresh.rs"]
mod fresh;
#[path = "support/values_table.rs"]
mod values_table;

fn read(path: &str) -> String {
    fs::read_to_string(fresh::root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

#[test]
fn the_chart_has_the_definitions() {
    let mut names = BTreeSet::new();
    for file in real_crds::generate::files().iter().filter(|file| file.path.starts_with("crds")) {
        let name = file.path.file_name().unwrap().to_str().unwrap();
        fresh::assert_fresh(&format!("charts/real-operator/files/crds/{name}"), &file.content);
        names.insert(name.to_owned());
    }
    let held: BTreeSet<_> = fs::read_dir(fresh::root().join("charts/real-operator/files/crds"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(held, names, "a definition that is no more");
}

#[test]
fn the_readme_has_all_values() {
    const START: &str = "<!-- values, by `make generate` -->\n";
    const END: &str = "<!-- /values -->\n";
    let readme = read("charts/real-operator/README.md");
    let (before, rest) = readme.split_once(START).expect("README.md has a place for the values");
    let (_, after) = rest.split_once(END).expect("README.md has an end of the values");
    let table = values_table::markdown(&values_table::documented(&read("charts/real-operator/values.yaml")));
    fresh::assert_fresh("charts/real-operator/README.md", &format!("{before}{START}{table}{END}{after}"));
}

#[test]
fn every_value_is_documented() {
    let text = read("charts/real-operator/values.yaml");
    let documented = values_table::documented(&text);
    let mut leaves = Vec::new();
    values_table::leaves(&serde_saphyr::from_str(&text).unwrap(), "", &mut leaves);
    for leaf in leaves {
        let known = documented.iter().any(|value| leaf == value.path || leaf.starts_with(&format!("{}.", value.path)));
        assert!(known, "{leaf} has no comment that starts with `# -- `");
    }
}

/// Every map of values.yaml has the same keys as the schema, which knows no others.
#[test]
fn the_schema_knows_the_values_and_no_others() {
    fn compare(values: &Value, schema: &Value, path: &str) {
        let Some(properties) = schema["properties"].as_object() else { return };
        assert_eq!(schema["additionalProperties"], false, "{path} would take a misspelt name");
        let known: BTreeSet<_> =
            properties.keys().filter(|key| !["global", "claims"].contains(&key.as_str())).collect();
        let held: BTreeSet<_> = values.as_object().unwrap().keys().collect();
        assert_eq!(held, known, "{path}");
        for (key, value) in values.as_object().unwrap() {
            compare(value, &properties[key], &format!("{path}.{key}"));
        }
    }
    let values: Value = serde_saphyr::from_str(&read("charts/real-operator/values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("charts/real-operator/values.schema.json")).unwrap();
    compare(&values, &schema, "values");
}

#[test]
fn argo_cds_config_map_has_the_lua() {
    let mut text =
        "# Merge into the ConfigMap of Argo CD. Made from the Lua in real-rl.dev/ by `make generate`. Do not edit.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels:
    app.kubernetes.io/name: argocd-cm
    app.kubernetes.io/part-of: argocd
data:
"
        .to_owned();
    for definition in real_crds::definitions() {
        let (group, kind) = (definition.spec.group, definition.spec.names.kind);
        let _ = writeln!(text, "  resource.customizations.health.{group}_{kind}: |");
        for line in read(&format!("charts/gitops/argocd/{group}/{kind}/health.lua")).lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
    fresh::assert_fresh("charts/gitops/argocd/argocd-cm.yaml", &text);
}
