//! The rules of a definition that span several fields (`x-kubernetes-validations`), evaluated as the API server does.

use kube::core::cel::{ErrorKind, Validator};
use serde_json::Value;

use super::path::FieldPath;

/// A rule that does not hold.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) path: FieldPath,
    pub(super) message: String,
}

/// Evaluates every rule of `schema` on `object`, and those on changes where there is an `old` one.
///
/// `fits` says whether `object` fits the schema. Where it does not, a rule that cannot be evaluated says nothing (a field it
/// needs is missing or of another type, which is reported already); where it does, that is a fault of the rule.
pub(super) fn check(schema: &Value, object: &Value, old: Option<&Value>, fits: bool) -> Vec<Violation> {
    let Err(errors) = Validator::new().validate(schema, object, old) else { return Vec::new() };
    errors
        .into_vec()
        .into_iter()
        .filter_map(|error| {
            let broken = error.kind != ErrorKind::ValidationFailure;
            if broken && !fits {
                return None;
            }
            let path = FieldPath::parse(error.field_path.trim_start_matches('.')).unwrap_or_default();
            let message = if broken {
                format!("this rule of the definition cannot be evaluated, which is a bug of ours: {error}")
            } else {
                error.message
            };
            Some(Violation { path, message })
        })
        .collect()
}
