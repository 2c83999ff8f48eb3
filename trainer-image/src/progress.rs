//! What a run says while it runs: `GET /v1/progress`, `/metrics`, `/healthz`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use real_crds::progress::{Phase, Progress, Warning};
use real_terminal::outln;
use tokio::net::TcpListener;

use crate::metrics::{JsonLines, Metrics};

/// What is known of a run: what others may read, and the numbers of the last step for `/metrics`.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// `GET /v1/progress`.
    pub progress: Progress,
    /// Metrics of the last step.
    pub metrics: Metrics,
}

/// The progress of this run, shared between the trainer, which writes, and the server, which reads.
#[derive(Clone, Debug, Default)]
pub struct SharedProgress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Where warnings are written too.
    warnings: Mutex<Option<JsonLines>>,
}

impl SharedProgress {
    /// Changes something.
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        let progress = &mut self.lock().progress;
        change(progress);
        progress.sequence += 1;
    }

    /// Takes over what a step has to say.
    pub fn step_done(&self, metrics: Metrics, change: impl FnOnce(&mut Progress)) {
        let mut state = self.lock();
        state.metrics = metrics;
        change(&mut state.progress);
        state.progress.sequence += 1;
    }

    /// Sets what is going on.
    pub fn phase(&self, phase: Phase) {
        self.update(|progress| progress.phase = phase);
    }

    /// From now on warnings are also lines of this file.
    pub fn write_warnings_to(&self, file: JsonLines) {
        *self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// Tells people of something that does not stop the run: the log, the run directory, whoever asks for the progress,
    /// and the last words. `reason` is a word in `CamelCase`.
    pub fn warn(&self, reason: &str, message: impl Into<String>) {
        let message = message.into();
        tracing::warn!("{message}");
        let warning = Warning { step: self.lock().progress.step, reason: reason.to_owned(), message };
        if let Some(file) = &mut *self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner) {
            let written = serde_json::to_value(&warning).map_err(std::io::Error::other);
            if let Err(error) = written.and_then(|line| file.append(&line)) {
                tracing::warn!("{error}");
            }
        }
        self.update(|progress| {
            progress.warnings.push(warning);
            let surplus = progress.warnings.len().saturating_sub(Progress::MOST_WARNINGS);
            progress.warnings.drain(..surplus);
        });
    }

    /// The present progress.
    pub fn snapshot(&self) -> Progress {
        self.lock().progress.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic between two assignments leaves numbers that are still worth showing.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Binds `address`, prints `listening on http://ADDR` and serves on the present tokio runtime until it ends.
pub async fn serve(address: SocketAddr, progress: SharedProgress) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}; choose another address, or port 0"))?;
    let bound = listener.local_addr()?;
    let routes = Router::new()
        .route("/v1/progress", get(progress_json))
        .route("/v1/ping", get(async || "pong"))
        .route("/healthz", get(async || "ok"))
        .route("/metrics", get(prometheus))
        .with_state(progress);
    outln!("listening on http://{bound}");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!("the progress server ended: {error}");
        }
    });
    Ok(bound)
}

async fn progress_json(extract::State(progress): extract::State<SharedProgress>) -> Json<Progress> {
    Json(progress.snapshot())
}

async fn prometheus(extract::State(progress): extract::State<SharedProgress>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], exposition(&progress.lock()))
}

/// The state in Prometheus' text format; verl's names become the label of one gauge.
fn exposition(State { progress, metrics }: &State) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: f64| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    };
    gauge("real_trainer_step", "Optimisation steps done.", progress.step as f64);
    gauge("real_trainer_steps", "Optimisation steps in all.", progress.total_steps as f64);
    gauge("real_trainer_skipped_updates", "Updates skipped in this attempt.", progress.skipped_updates as f64);
    gauge("real_trainer_attempt", "Times this run was started.", progress.attempt as f64);
    text.push_str("# HELP real_trainer_metric Metrics of the last step.\n# TYPE real_trainer_metric gauge\n");
    for (name, value) in metrics.iter() {
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
        let mut metrics = Metrics::default();
        metrics.set("critic/score/mean", 0.5);
        shared.step_done(metrics, |progress| progress.step = 3);
        let text = exposition(&shared.lock());
        assert!(text.contains("\nreal_trainer_step 3\n"), "{text}");
        assert!(text.contains("real_trainer_metric{name=\"critic/score/mean\"} 0.5\n"), "{text}");
    }

    #[test]
    fn a_warning_is_told_with_its_step_and_written_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("warnings.jsonl");
        let shared = SharedProgress::default();
        shared.write_warnings_to(JsonLines::open(&path, |_| true).expect("writable"));
        for step in 0..40 {
            shared.update(|progress| progress.step = step);
            shared.warn("UpdateSkipped", format!("number {step}"));
        }
        let told = shared.snapshot().warnings;
        assert_eq!((told.len(), told[0].step, told[15].message.as_str()), (16, 24, "number 39"));
        let lines = std::fs::read_to_string(path).expect("readable");
        assert_eq!(lines.lines().count(), 40);
        assert_eq!(
            serde_json::from_str::<Warning>(lines.lines().last().expect("a line")).expect("a warning"),
            told[15]
        );
    }

    #[test]
    fn the_sequence_grows_with_each_change() {
        let shared = SharedProgress::default();
        shared.phase(Phase::Rollout);
        shared.phase(Phase::Updating);
        assert_eq!(shared.snapshot().sequence, 2);
    }
}
