//! The table of a chart's values, from the comments in `values.yaml`: `# -- ` and what follows it, up to the value.

use std::fmt::Write;

use serde_json::Value;

/// A documented value.
pub(crate) struct Documented {
    /// Path with dots.
    pub(crate) path: String,
    /// Its comment on one line.
    pub(crate) comment: String,
    /// Its default.
    pub(crate) default: Value,
}

/// The documented values of `text`, in its order.
pub(crate) fn documented(text: &str) -> Vec<Documented> {
    let values: Value = serde_saphyr::from_str(text).expect("values.yaml is YAML");
    let mut found = Vec::new();
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut comment: Option<String> = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        if let Some(first) = bare.strip_prefix("# -- ") {
            comment = Some(first.to_owned());
        } else if let (Some(rest), Some(comment)) = (bare.strip_prefix("# "), &mut comment) {
            comment.push(' ');
            comment.push_str(rest);
        } else if let Some((key, _)) = bare.split_once(':').filter(|_| !bare.starts_with(['#', '-'])) {
            parents.retain(|(outer, _)| *outer < indent);
            parents.push((indent, key.to_owned()));
            if let Some(comment) = comment.take() {
                let keys: Vec<&str> = parents.iter().map(|(_, key)| key.as_str()).collect();
                let default = keys.iter().fold(&values, |value, key| &value[*key]).clone();
                found.push(Documented { path: keys.join("."), comment, default });
            }
        } else {
            comment = None;
        }
    }
    found
}

/// The table in Markdown.
pub(crate) fn markdown(values: &[Documented]) -> String {
    let mut table = "| value | default | |\n|---|---|---|\n".to_owned();
    for Documented { path, comment, default } in values {
        let _ = writeln!(table, "| `{path}` | `{default}` | {} |", comment.replace('|', "\\|"));
    }
    table
}

/// Paths of all values that are no maps, and of maps that are empty.
pub(crate) fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}
