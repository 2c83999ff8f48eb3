//! Rewards as a service, by OpenRLHF's remote reward interface.
//!
//! `POST /get_reward` (also `/` and `/v1/rewards`) takes `{query: [prompt + answer], prompts: [prompt], labels: [task id]}` and
//! gives `{rewards, scores, extra_logs}`, all of the request's length: rewards as configured, scores the same cut to
//! [0, 1]. Where an answer could not be scored because of us the whole request is answered with 503: this interface has
//! no way to leave an entry out, and a number would be a lie.

mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

pub use tasks::{LabelError, Tasks};

use crate::{Scored, Scorer};

/// Largest request body: a batch of long answers with their prompts.
const BODY_LIMIT: usize = 256 << 20;

/// A request of OpenRLHF's.
#[derive(Clone, Debug, Deserialize)]
pub struct RewardRequest {
    /// Prompt and answer, as one text each.
    pub query: Vec<String>,
    /// The prompts, contained in `query`.
    pub prompts: Vec<String>,
    /// The task's id, or `dataset/id` where several data sets share it.
    pub labels: Vec<Label>,
}

/// A task's id as found in data sets: some have numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// The answer, one entry a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardResponse {
    /// Rewards.
    pub rewards: Vec<f64>,
    /// Rewards cut to [0, 1], for filters that expect that range.
    pub scores: Vec<f64>,
    /// What the rewards are made of.
    pub extra_logs: ExtraLogs,
}

/// Parts of the rewards, as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtraLogs {
    /// 1 where clean.
    pub quality: Vec<f64>,
    /// Share of functional tests passed.
    pub function: Vec<f64>,
    /// 1 where clean and all functional tests passed.
    pub joint: Vec<f64>,
    /// 1 where there is no code block.
    pub no_code: Vec<f64>,
}

struct Server {
    scorer: Scorer,
    tasks: Tasks,
    scored: AtomicU64,
    dropped: AtomicU64,
}

/// The service's routes; `/healthz`, `/v1/ping` and `/metrics` included.
pub fn router(scorer: Scorer, tasks: Tasks) -> Router {
    let server = Server { scorer, tasks, scored: AtomicU64::new(0), dropped: AtomicU64::new(0) };
    Router::new()
        .route("/", post(rewards))
        .route("/get_reward", post(rewards))
        .route("/v1/rewards", post(rewards))
        .route("/healthz", get(async || "ok"))
        .route("/v1/ping", get(async || "pong"))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Arc::new(server))
}

async fn rewards(State(server): State<Arc<Server>>, Json(request): Json<RewardRequest>) -> Response {
    let answers = match answers(&request, &server.tasks) {
        Ok(answers) => answers,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let outcomes = join_all(answers.iter().map(|(task, answer)| server.scorer.score(task, answer))).await;
    let dropped = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    server.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
    server.scored.fetch_add((outcomes.len() - dropped) as u64, Ordering::Relaxed);
    match outcomes.into_iter().collect::<Result<Vec<Scored>, _>>() {
        Ok(scored) => Json(response(&scored)).into_response(),
        Err(unscored) => {
            tracing::warn!("{dropped} of {} answers not scored; the first: {unscored}", answers.len());
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], unscored.to_string()).into_response()
        }
    }
}

/// Each query's task and the answer in it.
fn answers<'a>(
    request: &'a RewardRequest,
    tasks: &'a Tasks,
) -> Result<Vec<(&'a real_datasets::Task, &'a str)>, String> {
    let lengths = [request.query.len(), request.prompts.len(), request.labels.len()];
    if lengths.iter().any(|length| *length != lengths[0]) {
        let [query, prompts, labels] = lengths;
        return Err(format!(
            "query, prompts and labels have {query}, {prompts} and {labels} entries; they need as many each"
        ));
    }
    let entry = |((query, prompt), label): ((&'a String, &String), &Label)| {
        let id = match label {
            Label::Text(id) => id.clone(),
            Label::Number(id) => id.to_string(),
        };
        let task = tasks.find(&id).map_err(|error| error.to_string())?;
        // The prompt's own code block, a template, must not count as the answer's.
        let (_, answer) = query
            .split_once(prompt.as_str())
            .ok_or_else(|| format!("the query labelled '{id}' does not contain its prompt; send the text of both"))?;
        Ok((task, answer))
    };
    request.query.iter().zip(&request.prompts).zip(&request.labels).map(entry).collect()
}

fn response(scored: &[Scored]) -> RewardResponse {
    let each = |of: &dyn Fn(&Scored) -> f64| scored.iter().map(of).collect::<Vec<f64>>();
    let number = |truth: bool| f64::from(u8::from(truth));
    RewardResponse {
        rewards: each(&|s| s.reward),
        scores: each(&|s| s.reward.clamp(0.0, 1.0)),
        extra_logs: ExtraLogs {
            quality: each(&|s| s.quality),
            function: each(&|s| s.function),
            joint: each(&|s| number(s.function_all && s.quality > 0.5)),
            no_code: each(&|s| number(s.no_code)),
        },
    }
}

async fn metrics(State(server): State<Arc<Server>>) -> String {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    format!(
        "# TYPE real_reward_scored_total counter\nreal_reward_scored_total {}\n\
         # TYPE real_reward_dropped_total counter\nreal_reward_dropped_total {}\n",
        count(&server.scored),
        count(&server.dropped)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> Tasks {
        let task = serde_json::json!({
            "id": "7", "dataset": "d", "split": "train", "prompt": [], "tests": [], "quality": ["security"],
        });
        Tasks::new(vec![serde_json::from_value(task).unwrap()])
    }

    fn request(query: &str, prompt: &str, label: &str) -> RewardRequest {
        serde_json::from_str(&format!(r#"{{"query": ["{query}"], "prompts": ["{prompt}"], "labels": [{label}]}}"#))
            .unwrap()
    }

    #[test]
    fn the_answer_is_what_follows_the_prompt() {
        let tasks = tasks();
        for label in ["7", "\"7\"", "\"d/7\""] {
            let request = request("<s>do ```python X``` it: done", "do ```python X``` it:", label);
            assert_eq!(answers(&request, &tasks).unwrap()[0].1, " done");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        let error = |request: &RewardRequest| answers(request, &tasks()).unwrap_err();
        assert!(error(&request("a", "a", "8")).contains("'8'"));
        assert!(error(&request("a", "b", "7")).contains("does not contain its prompt"));
        let uneven = RewardRequest { prompts: Vec::new(), ..request("a", "a", "7") };
        assert!(error(&uneven).contains("1, 0 and 1 entries"));
    }
}
