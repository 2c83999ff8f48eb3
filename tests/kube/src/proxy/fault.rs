//! What can happen to a request.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::json;

/// What happens to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// The API server answers it.
    #[default]
    Pass,
    /// It is answered with a failure, as the API server would put it, and never gets there.
    Answer {
        /// The HTTP status.
        status: StatusCode,
        /// The `reason` of Kubernetes, such as `Conflict`.
        reason: String,
        /// Seconds after which to come back.
        retry_after: Option<u32>,
    },
    /// The connection is closed without an answer; the request never gets to the API server.
    DropConnection,
    /// The connection is closed in the middle of the answer if that takes longer: what happens to a watch.
    DropAfter(Duration),
    /// The request waits, then passes.
    Delay(Duration),
    /// The API server answers, but the connection is closed before the client hears of it: a write has happened and its
    /// author does not know.
    PassThenDrop,
}

impl Fault {
    /// A failure, as the API server would put it.
    pub fn answer(status: StatusCode, reason: &str) -> Self {
        Self::Answer { status, reason: reason.to_owned(), retry_after: None }
    }

    /// The same with the seconds after which to come back; only answers carry them.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        match self {
            Self::Answer { status, reason, .. } => Self::Answer { status, reason, retry_after: Some(seconds) },
            other => other,
        }
    }
}

/// A failure as JSON, kind `Status`.
pub(super) fn failure(status: StatusCode, reason: &str, retry_after: Option<u32>) -> Response<Bytes> {
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("{reason}: injected by the test"),
        "reason": reason,
        "code": status.as_u16(),
    });
    let mut response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = retry_after {
        body["details"] = json!({ "retryAfterSeconds": seconds });
        response = response.header(header::RETRY_AFTER, seconds);
    }
    response.body(Bytes::from(body.to_string())).expect("its headers are constants and numbers")
}
