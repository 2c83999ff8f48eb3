//! Reward servers as in `SkyPilot`'s examples: `{items: [{prompt, response, ground_truth}]}`, where `ground_truth` is the task's id.
//!
//! Each of the `rewards` is an object with a number `reward`; one with `masked` has none of its own and must not be learnt from.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::body::{Body, Part};
use super::judge::{Entry, Server, fill};
use super::nothing;
use super::openrlhf::Label;

#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    items: Vec<Part<Item>>,
}

/// Other fields are for the client alone.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    response: String,
    ground_truth: Label,
}

#[derive(Debug, Serialize)]
struct Answer {
    rewards: Vec<Outcome>,
    /// Of those that have a reward.
    mean_reward: f64,
    /// Share of those that pass every functional test and are clean.
    pass_rate: f64,
    accuracy: f64,
}

#[derive(Debug, Serialize)]
struct Outcome {
    reward: f64,
    passed: bool,
    correct: bool,
    quality: f64,
    function: f64,
    masked: bool,
    details: String,
}

pub(super) async fn many(State(server): State<Arc<Server>>, Body(batch): Body<Batch>) -> Response {
    match rewards(&server, &batch.items).await {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal,
    }
}

pub(super) async fn one(State(server): State<Arc<Server>>, Body(item): Body<Item>) -> Response {
    match rewards(&server, &[Part::Right(item)]).await {
        Ok(answer) => Json(answer.rewards.into_iter().next()).into_response(),
        Err(refusal) => refusal,
    }
}

fn entry<'a>(server: &'a Server, (at, item): (usize, &'a Part<Item>)) -> Result<Entry<'a>, String> {
    let item = item.read("an object with `response`, a text, and `ground_truth`, a task's id");
    let item = item.map_err(|why| format!("item {at} {why}"))?;
    let task = server.tasks.find(&item.ground_truth.id()).map_err(|error| error.to_string())?;
    Ok(Entry { task, answer: &item.response })
}

async fn rewards(server: &Server, items: &[Part<Item>]) -> Result<Answer, Response> {
    let entries: Vec<_> = items.iter().enumerate().map(|item| entry(server, item)).collect();
    let judged = server.judge(&entries).await;
    if let Some(refusal) = nothing(&judged) {
        return Err(refusal);
    }
    let groups: Vec<Option<&str>> =
        entries.iter().map(|entry| entry.as_ref().ok().map(|entry| entry.task.id.as_str())).collect();
    let known: Vec<Option<f64>> = judged.iter().map(|one| one.as_ref().ok().map(|scored| scored.reward)).collect();
    let rewards: Vec<Outcome> = judged
        .iter()
        .zip(fill(&known, &groups))
        .map(|(one, reward)| {
            let scored = one.as_ref().ok();
            let passed = scored.is_some_and(|scored| scored.function_all && scored.quality > 0.5);
            Outcome {
                reward,
                passed,
                correct: passed,
                quality: scored.map_or(0.0, |scored| scored.quality),
                function: scored.map_or(0.0, |scored| scored.function),
                masked: one.is_err(),
                details: one.as_ref().err().map(|missing| missing.reason.clone()).unwrap_or_default(),
            }
        })
        .collect();
    let own = || rewards.iter().filter(|reward| !reward.masked);
    // An empty request has the shape of any other.
    let share = |sum: f64| sum / own().count().max(1) as f64;
    let pass_rate = share(own().filter(|reward| reward.passed).count() as f64);
    let mean_reward = share(own().map(|reward| reward.reward).sum());
    Ok(Answer { rewards, mean_reward, pass_rate, accuracy: pass_rate })
}
