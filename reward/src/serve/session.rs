//! `NeMo` Gym's sessions. No episode has a state here, so that opening and closing one says no more than its name.

use axum::Json;
use serde_json::{Map, Value, json};

use super::body::Body;

const NAME: &str = "resources_session_id";

/// Opens or closes: an environment server says the session's name and gets it back, an agent's row has none.
pub(super) async fn acknowledge(Body(body): Body<Map<String, Value>>) -> Json<Value> {
    let name = body.get(NAME).map(|name| (NAME.to_owned(), name.clone()));
    Json(Value::Object(name.into_iter().collect()))
}

/// Rows may be verified again whenever somebody wants: rewards depend on nothing else.
pub(super) async fn reverify_mode() -> Json<Value> {
    Json(json!("stateless"))
}
