//! Rewards as a service, in the words of other trainers.
//!
//! | route | words of |
//! |---|---|
//! | `POST /get_reward`, `/` | `OpenRLHF`'s remote reward ([`openrlhf`]) |
//! | `POST /v1/rewards` | the same, with `null` where there is no reward |
//! | `POST /verify`, `/aggregate_metrics`, `/seed_session`, `/close_session`, `GET /reverify_mode` | `NeMo` Gym's resources servers ([`verify`], [`aggregate`], [`session`]) |
//! | `POST /batch_reward`, `/reward`, `GET /health` | reward servers of `SkyPilot`'s examples ([`batch_reward`]) |
//! | `GET /healthz`, `/readyz`, `/v1/ping`, `/metrics` | whoever watches over it |
//!
//! An answer that could not be scored masks itself and nothing else: it is marked, with the reason. Where the words of a trainer
//! have no place for "none", a number that teaches nothing stands there (the mean of the answers to the same task).
//! A request of which no answer could be scored is 503, or 400 where it is the request's own fault.

mod aggregate;
mod answer;
mod batch_reward;
mod body;
mod judge;
mod openrlhf;
mod ready;
mod session;
mod tasks;
mod verify;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use body::Part;
pub use openrlhf::{ExtraLogs, Label, RewardRequest, RewardResponse};
pub use tasks::{LabelError, Tasks};

use crate::{Cause, Scorer};
use judge::{Counts, Judged, Server};

/// Largest request body: a batch of long answers with their prompts.
const BODY_LIMIT: usize = 256 << 20;

/// The service's routes.
pub fn router(scorer: Scorer, tasks: Tasks) -> Router {
    Router::new()
        .route("/", post(openrlhf::filled))
        .route("/get_reward", post(openrlhf::filled))
        .route("/v1/rewards", post(openrlhf::with_gaps))
        .route("/verify", post(verify::verify))
        .route("/aggregate_metrics", post(aggregate::aggregate))
        .route("/seed_session", post(session::acknowledge))
        .route("/close_session", post(session::acknowledge))
        .route("/reverify_mode", get(session::reverify_mode))
        .route("/reward", post(batch_reward::one))
        .route("/batch_reward", post(batch_reward::many))
        .route("/healthz", get(ready::ready))
        .route("/readyz", get(ready::ready))
        .route("/health", get(ready::health))
        .route("/v1/ping", get(async || "pong"))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(Server::new(scorer, tasks)))
}

/// The answer where nothing of a request has a reward; `None` where something has, or nothing was asked.
fn nothing(judged: &[Judged]) -> Option<Response> {
    let missing: Vec<_> = judged.iter().map(|one| one.as_ref().err()).collect::<Option<_>>()?;
    let first = missing.first()?;
    Some(match missing.iter().find(|missing| missing.ours) {
        Some(ours) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], ours.reason.clone()).into_response(),
        None => (StatusCode::BAD_REQUEST, first.reason.clone()).into_response(),
    })
}

async fn metrics(State(server): State<Arc<Server>>) -> String {
    let Counts { scored, dropped, unanalysed } = server.counts();
    let mut text = format!("# TYPE real_reward_scored_total counter\nreal_reward_scored_total {scored}\n");
    // Named causes are there at zero, so that an alarm has something to look at.
    let causes = Cause::ALL.map(|cause| (cause.label(), unanalysed.get(cause.label()).copied().unwrap_or_default()));
    for (name, by_cause) in [("dropped", dropped.into_iter().collect::<Vec<_>>()), ("unanalysed", causes.to_vec())] {
        let counters =
            by_cause.iter().map(|(cause, count)| format!("real_reward_{name}_total{{cause=\"{cause}\"}} {count}\n"));
        text.extend([format!("# TYPE real_reward_{name}_total counter\n")].into_iter().chain(counters));
    }
    text
}
