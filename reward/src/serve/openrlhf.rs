//! `OpenRLHF`'s remote reward.
//!
//! `{query: [prompt + answer], prompts: [prompt], labels: [task id]}` gives `{rewards, scores, extra_logs}`, all of the
//! request's length: rewards as configured, scores the same cut to [0, 1]. `mask_sample` and `reasons` say which entries have no
//! reward, and why. Clients that send no prompts or labels are answered where the query holds the end of one task's prompt.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::body::{Body, Part};
use super::judge::{Entry, Judged, Server, fill};
use super::{answer, nothing};
use crate::Scored;

/// A request.
#[derive(Clone, Debug, Deserialize)]
pub struct RewardRequest {
    /// Prompt and answer, as one text each.
    pub query: Vec<Part<String>>,
    /// The prompts, which `query` holds the ends of; without them, the tasks' own.
    #[serde(default)]
    pub prompts: Option<Vec<Part<String>>>,
    /// The task's id, or `dataset/id` where several data sets share it; without it, the task whose prompt is in `query`.
    #[serde(default)]
    pub labels: Option<Vec<Part<Label>>>,
}

/// A task's id as found in data sets: some have numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// Text.
    Text(String),
    /// A number; a table with gaps has `3.0` for `3`.
    Number(serde_json::Number),
}

impl Label {
    pub(super) fn id(&self) -> String {
        match self {
            Self::Text(id) => id.clone(),
            Self::Number(id) => {
                let text = id.to_string();
                text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
            }
        }
    }
}

/// The answer, one entry a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardResponse {
    /// Rewards; `null` where there is none, by `/v1/rewards` alone.
    pub rewards: Vec<Option<f64>>,
    /// Rewards cut to [0, 1], for filters that expect that range.
    pub scores: Vec<Option<f64>>,
    /// What the rewards are made of.
    pub extra_logs: ExtraLogs,
    /// Whether an entry has no reward and must not be learnt from.
    pub mask_sample: Vec<bool>,
    /// Why it has none.
    pub reasons: Vec<Option<String>>,
}

/// Parts of the rewards, as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExtraLogs {
    /// 1 where clean.
    pub quality: Vec<Option<f64>>,
    /// Share of functional tests passed.
    pub function: Vec<Option<f64>>,
    /// 1 where clean and all functional tests passed.
    pub joint: Vec<Option<f64>>,
    /// 1 where there is no code block.
    pub no_code: Vec<Option<f64>>,
    /// 1 where the program keeps itself from being analysed, and so is not clean.
    #[serde(default)]
    pub unanalysed: Vec<Option<f64>>,
    /// 1 where there is no reward.
    pub masked: Vec<Option<f64>>,
}

/// Every entry has a number.
pub(super) async fn filled(State(server): State<Arc<Server>>, Body(request): Body<RewardRequest>) -> Response {
    rewards(&server, &request, true).await
}

/// Entries without a reward are `null`.
pub(super) async fn with_gaps(State(server): State<Arc<Server>>, Body(request): Body<RewardRequest>) -> Response {
    rewards(&server, &request, false).await
}

async fn rewards(server: &Server, request: &RewardRequest, filled: bool) -> Response {
    let count = request.query.len();
    for (name, other) in [
        ("prompts", request.prompts.as_ref().map_or(count, Vec::len)),
        ("labels", request.labels.as_ref().map_or(count, Vec::len)),
    ] {
        if other != count {
            let why = format!("query has {count} entries and {name} {other}; as many of each are needed");
            return (StatusCode::BAD_REQUEST, why).into_response();
        }
    }
    let entries: Vec<_> = (0..count).map(|at| entry(server, request, at)).collect();
    let judged = server.judge(&entries).await;
    if let Some(refusal) = nothing(&judged) {
        return refusal;
    }
    let groups: Vec<Option<&str>> =
        entries.iter().map(|entry| entry.as_ref().ok().map(|entry| entry.task.id.as_str())).collect();
    Json(response(&judged, filled.then_some(&groups))).into_response()
}

/// One query's task and the answer in it.
fn entry<'a>(server: &'a Server, request: &'a RewardRequest, at: usize) -> Result<Entry<'a>, String> {
    let told = |what: &'static str| move |why: String| format!("query {at}: its {what} {why}");
    let query = request.query[at].read("a text").map_err(told("text"))?;
    let label = match request.labels.as_ref().map(|labels| &labels[at]).filter(|label| !label.is_null()) {
        Some(label) => Some(label.read("a task's id").map_err(told("label"))?.id()).filter(|id| !id.is_empty()),
        None => None,
    };
    let task = match &label {
        Some(id) => server.tasks.find(id),
        None => server.tasks.by_prompt(query),
    };
    let task = task.map_err(|error| format!("query {at}: {error}"))?;
    let prompt = request.prompts.as_ref().map(|prompts| &prompts[at]).filter(|prompt| !prompt.is_null());
    let answer = match prompt {
        // The prompt's own code block, a template, must not count as the answer's.
        Some(prompt) => {
            let prompt = prompt.read("a text").map_err(told("prompt"))?;
            answer::after(query, prompt).ok_or_else(|| {
                format!("query {at}, of task '{}', does not hold the end of its prompt; send the text of both", task.id)
            })?
        }
        None => task.prompt.last().and_then(|last| answer::after(query, last.content.trim())).unwrap_or(query),
    };
    Ok(Entry { task, answer })
}

/// Columns of the answer; with groups every entry gets a number.
fn response(judged: &[Judged], groups: Option<&Vec<Option<&str>>>) -> RewardResponse {
    let column = |of: &dyn Fn(&Scored) -> f64| {
        let known: Vec<Option<f64>> = judged.iter().map(|one| one.as_ref().ok().map(of)).collect();
        match groups {
            Some(groups) => fill(&known, groups).into_iter().map(Some).collect(),
            None => known,
        }
    };
    let number = |truth: bool| f64::from(u8::from(truth));
    RewardResponse {
        rewards: column(&|s| s.reward),
        scores: column(&|s| s.reward.clamp(0.0, 1.0)),
        extra_logs: ExtraLogs {
            quality: column(&|s| s.quality),
            function: column(&|s| s.function),
            joint: column(&|s| number(s.function_all && s.quality > 0.5)),
            no_code: column(&|s| number(s.no_code)),
            unanalysed: column(&|s| number(s.unanalysed.is_some())),
            masked: judged.iter().map(|one| Some(number(one.is_err()))).collect(),
        },
        mask_sample: judged.iter().map(Result::is_err).collect(),
        reasons: judged.iter().map(|one| one.as_ref().err().map(|missing| missing.reason.clone())).collect(),
    }
}
