//! The HTTP service.

mod listen;
mod metrics;
mod run_code;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use real_sandbox_api::BatchRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::batch;
use crate::ceiling::Ceiling;
use crate::pool::Pool;
use crate::task_cache::TaskCache;
use metrics::Metrics;

pub use listen::{HEAD_TIME, listen};

/// Largest request.
const BODY_BYTES: usize = 64 << 20;
/// Time that a request's body may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Seconds after which a refused client should try again.
const RETRY_AFTER: &str = "1";

/// What is taken on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admission {
    /// The most that requests get.
    pub ceiling: Ceiling,
    /// Batches are refused while the oldest test has waited for longer.
    pub longest_wait: Option<Duration>,
}

/// What the routes share.
pub struct Service {
    pool: Pool,
    admission: Admission,
    cache: TaskCache,
    metrics: Metrics,
}

/// Answer of `GET /v1/status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceStatus {
    tier: real_sandbox_api::Tier,
    python: String,
    queue_depth: usize,
    queue_limit: usize,
    in_flight: usize,
    oldest_seconds: f64,
    workers: usize,
    ready_workers: usize,
    answered_total: u64,
    refused_total: u64,
}

impl Service {
    /// Around a running pool.
    pub fn new(pool: Pool, admission: Admission) -> Arc<Self> {
        let metrics = Metrics::new(pool.config().tier);
        Arc::new(Self { pool, admission, cache: TaskCache::default(), metrics })
    }

    /// Why nothing more is taken on now, where that is so.
    fn busy(&self) -> Option<&'static str> {
        if self.pool.is_full() {
            return Some("the queue is full; try again later");
        }
        let longest = self.admission.longest_wait?;
        (self.pool.load().oldest > longest).then_some("tests wait for too long already; try again later")
    }

    fn status(&self) -> ServiceStatus {
        let load = self.pool.load();
        let config = self.pool.config();
        ServiceStatus {
            tier: config.tier,
            python: config.interpreter.version.clone(),
            queue_depth: load.queued,
            queue_limit: config.queue,
            in_flight: load.in_flight,
            oldest_seconds: load.oldest.as_secs_f64(),
            workers: config.workers,
            ready_workers: load.ready_workers,
            answered_total: self.metrics.answered_total(),
            refused_total: self.metrics.refused_total(),
        }
    }
}

/// Routes of `SandboxFusion` that there are none of here.
async fn not_here() -> Response {
    refuse(
        StatusCode::UNPROCESSABLE_ENTITY,
        "this sandbox runs programs: send them to /run_code, or with tests to /v1/batch",
    )
}

/// All routes.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/batch", post(run_batch))
        .route("/run_code", post(run_code::run_code))
        .route("/run_jupyter", post(not_here))
        .route("/submit", post(not_here))
        .route("/get_prompts", post(not_here))
        .route("/v1/ping", get(|| async { "pong" }))
        .route("/v1/status", get(|State(service): State<Arc<Service>>| async move { Json(service.status()) }))
        .route("/healthz", get(healthz))
        .route("/metrics", get(show_metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(service)
}

async fn run_batch(
    State(service): State<Arc<Service>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let mut request: BatchRequest = match read(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(why) = batch::validate(&request) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, &why);
    }
    if let Some(why) = service.busy() {
        service.metrics.refused();
        let retry = [(header::RETRY_AFTER, RETRY_AFTER)];
        return (retry, refuse(StatusCode::TOO_MANY_REQUESTS, why)).into_response();
    }
    request.limits = service.admission.ceiling.over(request.limits);
    let response = batch::run(&service.pool, &service.cache, Some(peer.ip()), request).await;
    service.metrics.batch(&response);
    Json(response).into_response()
}

async fn healthz(State(service): State<Arc<Service>>) -> Response {
    let status = service.status();
    let code = if status.ready_workers > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status)).into_response()
}

async fn show_metrics(State(service): State<Arc<Service>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, service.metrics.render(service.pool.load())).into_response()
}

/// The body, which has to come in good time: a request that is never sent to its end must not stay for ever.
async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    match tokio::time::timeout(BODY_TIME, Json::<T>::from_request(request, &())).await {
        Ok(Ok(Json(body))) => Ok(body),
        Ok(Err(rejection)) => Err(refuse(rejection.status(), &rejection.body_text())),
        Err(_) => {
            let why = format!("the request did not come to its end within {} seconds", BODY_TIME.as_secs());
            Err(([(header::CONNECTION, "close")], refuse(StatusCode::REQUEST_TIMEOUT, &why)).into_response())
        }
    }
}

fn refuse(code: StatusCode, why: &str) -> Response {
    (code, Json(json!({ "error": why }))).into_response()
}
