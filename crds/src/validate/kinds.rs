//! Which definition a document belongs to.

use std::sync::LazyLock;

use serde_json::Value;

use super::{metadata, suggest};
use crate::{definitions, v1alpha1::API_VERSION};

/// A kind of this API and its complete schema.
pub(super) struct Kind {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// A document's kind.
pub(super) enum Recognized {
    /// One of ours.
    Ours(&'static Kind),
    /// Another's: `apiVersion` and `kind`.
    Foreign(String, String),
    /// A mistake: the field at fault, message and hint.
    Wrong(&'static str, String, Option<String>),
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    definitions()
        .into_iter()
        .map(|definition| {
            let version = definition.spec.versions.into_iter().next().expect("a definition has a version");
            let schema =
                version.schema.and_then(|schema| schema.open_api_v3_schema).expect("a definition has a schema");
            let mut schema = serde_json::to_value(schema).expect("a schema is JSON");
            schema["properties"]["apiVersion"] = serde_json::json!({ "type": "string" });
            schema["properties"]["kind"] = serde_json::json!({ "type": "string" });
            schema["properties"]["metadata"] = metadata::schema();
            schema["required"] = serde_json::json!(["apiVersion", "kind", "metadata", "spec"]);
            Kind { name: definition.spec.names.kind, schema }
        })
        .collect()
});

/// The kind called `name`.
pub(super) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What kind of object `document` is.
pub(super) fn recognize(document: &Value) -> Recognized {
    let text = |field: &'static str| match document.get(field) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => {
            Err(Recognized::Wrong(field, format!("must be text, but is {}", real_terminal::described(other)), None))
        }
        None => Err(Recognized::Wrong(field, "is required but missing".to_owned(), None)),
    };
    let (api_version, name) = match (text("apiVersion"), text("kind")) {
        (Ok(api_version), Ok(name)) => (api_version, name),
        (Err(wrong), _) | (_, Err(wrong)) => return wrong,
    };
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let ours = group == crate::v1alpha1::GROUP;
    match kind(name) {
        Some(kind) if api_version == API_VERSION => Recognized::Ours(kind),
        Some(_) => Recognized::Wrong(
            "apiVersion",
            format!("\"{api_version}\" is not allowed: {name} is of {API_VERSION}"),
            None,
        ),
        None if ours => {
            let names = KINDS.iter().map(|kind| kind.name.as_str());
            let all: Vec<&str> = names.clone().collect();
            let hint = suggest::nearest(name, names).map(|name| format!("did you mean {name}?"));
            let message = format!("\"{name}\" is not a kind of {API_VERSION}: must be one of {}", all.join(", "));
            Recognized::Wrong("kind", message, hint)
        }
        None => match suggest::nearest(name, KINDS.iter().map(|kind| kind.name.as_str())) {
            Some(near) => Recognized::Wrong(
                "kind",
                format!("\"{name}\" of {api_version} is not known"),
                Some(format!("did you mean {near} of {API_VERSION}?")),
            ),
            None => Recognized::Foreign(api_version.to_owned(), name.to_owned()),
        },
    }
}
