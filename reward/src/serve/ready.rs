//! Readiness: rewards need the services below.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::judge::Server;

/// 200 where at least one of each service's addresses says that it is ready, else 503 with what they say.
pub(super) async fn ready(State(server): State<Arc<Server>>) -> Response {
    match server.scorer.ready().await {
        Ok(()) => "ok".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

/// The same as JSON.
pub(super) async fn health(State(server): State<Arc<Server>>) -> Response {
    match server.scorer.ready().await {
        Ok(()) => Json(json!({ "status": "healthy" })).into_response(),
        Err(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unhealthy", "why": why }))).into_response()
        }
    }
}
