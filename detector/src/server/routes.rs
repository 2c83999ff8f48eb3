//! Routes: analysis, health, metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use real_detector_api::{Analysis, AnalysisError, AnalysisErrorKind, AnalyzeRequest, AnalyzeResponse, Checks, Program};

use serde::Serialize;

use super::service::Service;
use crate::catalogue;

/// Largest request: many programs of up to 1 MiB.
const MAX_BODY: usize = 64 << 20;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/analyze", post(analyze))
        .route("/v1/ping", get(|| async { "pong" }))
        .route("/v1/status", get(|State(service): State<Arc<Service>>| async move { Json(status(&service)) }))
        .route("/healthz", get(|| async { "ok" }))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(service)
}

/// Answer of `GET /v1/status`; the names are those of the sandbox's.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceStatus {
    queue_depth: i64,
    queue_limit: usize,
    in_flight: i64,
    oldest_seconds: f64,
    workers: usize,
    answered_total: u64,
    refused_total: u64,
}

fn status(service: &Service) -> ServiceStatus {
    ServiceStatus {
        queue_depth: service.metrics.queued.get(),
        queue_limit: service.most_programs.saturating_sub(service.workers),
        in_flight: service.metrics.in_flight.get(),
        oldest_seconds: service.oldest().as_secs_f64(),
        workers: service.workers,
        answered_total: service.metrics.answered.get(),
        refused_total: service.metrics.refused.get(),
    }
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let text = service.metrics.render();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn analyze(
    State(service): State<Arc<Service>>,
    request: Result<Json<AnalyzeRequest>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(JsonRejection::JsonDataError(problem)) => {
            return (StatusCode::BAD_REQUEST, problem.body_text() + "\n").into_response();
        }
        Err(problem) => return (problem.status(), problem.body_text() + "\n").into_response(),
    };
    match catalogue::unknown_cwes(request.checks.cwes.as_deref().unwrap_or_default()) {
        Ok(None) => {}
        Ok(Some(unknown)) => return (StatusCode::BAD_REQUEST, format!("checks.cwes: {unknown}\n")).into_response(),
        Err(problem) => return (StatusCode::INTERNAL_SERVER_ERROR, format!("{problem}\n")).into_response(),
    }
    let (count, most) = (request.programs.len(), service.most_programs);
    if count > most {
        let body = format!("{count} programs in one request; at most {most} are taken (--workers and --queue)\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, body).into_response();
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    if service.longest_wait.is_some_and(|longest| service.oldest() > longest) {
        return come_back(&service, "programs wait for too long already; come back later\n");
    }
    let Ok(mut places) = service.places.clone().try_acquire_many_owned(count) else {
        return come_back(&service, "the queue is full; send fewer programs or come back later\n");
    };
    let checks = Arc::new(request.checks);
    let tasks: Vec<_> = request
        .programs
        .into_iter()
        .map(|program| {
            let (service, checks, id) = (service.clone(), checks.clone(), program.id.clone());
            // With the program rather than with the request, whose client may go away.
            let place = places.split(1);
            let task = tokio::spawn(async move {
                let analysis = judge(&service, program, &checks).await;
                drop(place);
                analysis
            });
            (id, task)
        })
        .collect();
    let mut results = Vec::with_capacity(tasks.len());
    for (id, task) in tasks {
        results.push(task.await.unwrap_or_else(|problem| failed(id, &problem.to_string())));
    }
    Json(AnalyzeResponse { results }).into_response()
}

fn come_back(service: &Service, why: &'static str) -> Response {
    service.metrics.refused.inc();
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], why).into_response()
}

async fn judge(service: &Arc<Service>, program: Program, checks: &Arc<Checks>) -> Analysis {
    service.metrics.queued.inc();
    service.waiting().push_back(Instant::now());
    let permit = service.running.acquire().await;
    service.waiting().pop_front();
    service.metrics.queued.dec();
    service.metrics.in_flight.inc();
    let (inner, checks, id) = (service.clone(), checks.clone(), program.id.clone());
    let work = tokio::task::spawn_blocking(move || inner.judge.judge(program, &checks));
    let analysis = work.await.unwrap_or_else(|problem| failed(id, &problem.to_string()));
    service.metrics.in_flight.dec();
    if let Some(error) = &analysis.error {
        service.metrics.unjudged(error.kind);
        // What breaks an analysis is a bug: the message is all that is left of it.
        if matches!(error.kind, AnalysisErrorKind::Unanalysable | AnalysisErrorKind::Internal) {
            tracing::warn!(kind = ?error.kind, "a program has no analysis: {}", error.message);
        }
    }
    service.metrics.seconds.observe(analysis.millis / 1e3);
    service.metrics.answered.inc();
    drop(permit);
    analysis
}

fn failed(id: String, message: &str) -> Analysis {
    let error = AnalysisError { kind: AnalysisErrorKind::Internal, message: message.to_owned(), line: None };
    Analysis { id, findings: vec![], types: None, error: Some(error), millis: 0.0 }
}
