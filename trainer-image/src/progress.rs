//! What a run says while it runs: `GET /v1/progress`, `/metrics`, `/healthz`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::evaluate::EvaluationRecord;
use crate::metrics::Metrics;

/// What the trainer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Loading model and data.
    #[default]
    Starting,
    /// Evaluating.
    Evaluating,
    /// Generating answers; those that are finished are being scored already.
    Rollout,
    /// Waiting for the last scores.
    Scoring,
    /// Optimising.
    Updating,
    /// Writing a checkpoint.
    Checkpointing,
    /// Finished.
    Done,
}

/// `GET /v1/progress`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Grows with each change.
    pub sequence: u64,
    /// How many times this run was started (`REAL_ATTEMPT`, from 1).
    pub attempt: u64,
    /// What is going on.
    pub phase: Phase,
    /// Optimisation steps done.
    pub step: u64,
    /// Optimisation steps in all.
    pub total_steps: u64,
    /// Mean reward of the last step (PPO).
    pub reward: Option<f64>,
    /// Mean divergence from the reference of the last step, nats an answer (PPO).
    pub kl: Option<f64>,
    /// Loss of the last step (SFT).
    pub loss: Option<f64>,
    /// Tokens of the last step by its seconds.
    pub tokens_per_second: Option<f64>,
    /// Samples scored in the last step by its seconds.
    pub samples_per_second: Option<f64>,
    /// Seconds until the last step at the present pace.
    pub eta_seconds: Option<f64>,
    /// Steps of the checkpoints that exist.
    pub checkpoints: Vec<u64>,
    /// Evaluations so far.
    pub evaluations: Vec<EvaluationRecord>,
    /// Metrics of the last step, for `/metrics`.
    #[serde(skip)]
    pub metrics: Metrics,
}

/// The progress of this run, shared between the trainer, which writes, and the server, which reads.
#[derive(Clone, Debug, Default)]
pub struct SharedProgress(Arc<Mutex<Progress>>);

impl SharedProgress {
    /// Changes something.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.lock();
        change(&mut progress);
        progress.sequence += 1;
    }

    /// Sets what is going on.
    pub fn phase(&self, phase: Phase) {
        self.update(|progress| progress.phase = phase);
    }

    /// The present state.
    pub fn snapshot(&self) -> Progress {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // A panic between two assignments leaves numbers that are still worth showing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds `address`, prints `listening on http://ADDR` and serves on the present tokio runtime until it ends.
pub async fn serve(address: SocketAddr, progress: SharedProgress) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}; choose another address, or port 0"))?;
    let bound = listener.local_addr()?;
    let routes = Router::new()
        .route("/v1/progress", get(async |State(progress): State<SharedProgress>| Json(progress.snapshot())))
        .route("/v1/ping", get(async || "pong"))
        .route("/healthz", get(async || "ok"))
        .route("/metrics", get(prometheus))
        .with_state(progress);
    println!("listening on http://{bound}");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!("the progress server ended: {error}");
        }
    });
    Ok(bound)
}

async fn prometheus(State(progress): State<SharedProgress>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], exposition(&progress.snapshot()))
}

/// The state in Prometheus' text format; verl's names become the label of one gauge.
fn exposition(progress: &Progress) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    gauge("real_trainer_step", "Optimisation steps done.", progress.step as f64);
    gauge("real_trainer_steps", "Optimisation steps in all.", progress.total_steps as f64);
    gauge("real_trainer_attempt", "Times this run was started.", progress.attempt as f64);
    text.push_str("# HELP real_trainer_metric Metrics of the last step.\n# TYPE real_trainer_metric gauge\n");
    for (name, value) in progress.metrics.iter() {
        let _ = writeln!(text, "real_trainer_metric{{name=\"{name}\"}} {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_sees_the_step_and_every_metric() {
        let shared = SharedProgress::default();
        shared.update(|progress| {
            progress.step = 3;
            progress.metrics.set("critic/score/mean", 0.5);
        });
        let text = exposition(&shared.snapshot());
        assert!(text.contains("\nreal_trainer_step 3\n"), "{text}");
        assert!(text.contains("real_trainer_metric{name=\"critic/score/mean\"} 0.5\n"), "{text}");
    }

    #[test]
    fn the_sequence_grows_with_each_change() {
        let shared = SharedProgress::default();
        shared.phase(Phase::Rollout);
        shared.phase(Phase::Updating);
        assert_eq!(shared.snapshot().sequence, 2);
    }
}
