//! How a cell is: told from its Job, from what its pods said last, and from what was recorded of that on the Job.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use real_crds::cell::{ShardWords, Tally};
use serde::{Deserialize, Serialize};

use super::cell_job::INVALID;
use crate::job::{index, is_over, terminated};

/// Annotation of a Job that is over: what its pods said. Pods may be removed at any time, the Job stays as long as the sweep.
pub const RESULT: &str = "real-rl.dev/result";
/// Seconds that the watch of pods may be behind that of Jobs.
const LONGEST_LAG: i64 = 30;
/// Characters of a message.
const LONGEST_MESSAGE: usize = 400;

/// Where a cell is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Its Job waits for a queue.
    Queued,
    /// Its Job has not come to an end, or what its pods said is on its way.
    Active,
    /// Its Job is being deleted.
    Leaving,
    /// All shards are done.
    Succeeded(Recorded),
    /// Given up.
    Failed(Recorded),
}

/// What is kept of a cell that is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Recorded {
    /// The counts of all shards, where all of them told theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tally: Option<Tally>,
    /// Why there is no result, a word in `CamelCase`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    /// The same for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
}

/// What a look at a cell finds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) state: State,
    /// Whether what the pods said is still to be recorded.
    pub(super) unrecorded: bool,
    /// When to look again for what is on its way.
    pub(super) again: Option<Timestamp>,
}

/// How the cell of `job` with `pods` is.
pub(super) fn look(job: &Job, pods: &[&Pod], now: Timestamp) -> Found {
    let told = |state, unrecorded| Found { state, unrecorded, again: None };
    if job.metadata.deletion_timestamp.is_some() {
        return told(State::Leaving, false);
    }
    let recorded: Option<Recorded> = job.annotations().get(RESULT).and_then(|text| serde_json::from_str(text).ok());
    if let Some(complete) = met(job, "Complete") {
        if let Some(recorded) = recorded {
            return told(State::Succeeded(recorded), false);
        }
        let (found, missing) = gather(job, pods);
        let deadline = since(job, complete) + SignedDuration::from_secs(LONGEST_LAG);
        if !missing.is_empty() && now < deadline {
            return Found { state: State::Active, unrecorded: false, again: Some(deadline) };
        }
        return told(State::Succeeded(found), true);
    }
    if let Some(failed) = met(job, "Failed") {
        let recorded_before = recorded.is_some();
        let recorded = recorded.unwrap_or_else(|| failure(failed, pods));
        return told(State::Failed(recorded), !recorded_before);
    }
    told(if is_queued(job) { State::Queued } else { State::Active }, false)
}

/// Whether a Job waits for its queue, or for its pods to go that the queue has stopped.
pub(crate) fn is_queued(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

/// Whether a Job has come to its end.
pub(super) fn is_ended(job: &Job) -> bool {
    met(job, "Complete").or_else(|| met(job, "Failed")).is_some()
}

fn met<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
}

fn since(job: &Job, condition: &JobCondition) -> Timestamp {
    let time = condition.last_transition_time.as_ref().or(job.metadata.creation_timestamp.as_ref());
    time.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}

fn words(pod: &Pod) -> Option<ShardWords> {
    serde_json::from_str(terminated(pod)?.message.as_deref()?).ok()
}

/// The sum of what the shards counted, and the shards that told nothing. A sum of some of them is no result of the cell.
fn gather(job: &Job, pods: &[&Pod]) -> (Recorded, Vec<u32>) {
    let shards = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(1);
    let (mut sum, mut missing) = (Tally::default(), Vec::new());
    for shard in 0..u32::try_from(shards).unwrap_or(1) {
        let done = pods.iter().filter(|pod| index(pod) == Some(shard)).find_map(|pod| words(pod)?.tally);
        match done {
            Some(tally) => sum = sum.plus(tally),
            None => missing.push(shard),
        }
    }
    let lost = |reason: &str, message: String| Recorded { tally: None, reason: reason.to_owned(), message };
    if !missing.is_empty() {
        let named: Vec<String> = missing.iter().take(8).map(u32::to_string).collect();
        let more = if missing.len() > 8 { ", …" } else { "" };
        let message = format!(
            "{} of {shards} shards left no result ({}{more}): their pods are gone or said nothing",
            missing.len(),
            named.join(", ")
        );
        return (lost("ResultLost", message), missing);
    }
    if sum.n == 0 {
        let message = if sum.tasks == 0 {
            format!("the model has no room for the prompts of any of {} tasks", sum.left_out)
        } else {
            format!("none of {} answers could be judged: look at the RewardPool", sum.dropped)
        };
        return (Recorded { tally: Some(sum), ..lost("NothingJudged", message) }, missing);
    }
    (Recorded { tally: Some(sum), ..Recorded::default() }, missing)
}

/// Why a cell failed, by the pod that failed first and by what the Job says.
fn failure(condition: &JobCondition, pods: &[&Pod]) -> Recorded {
    let said = condition.reason.as_deref().unwrap_or("Failed");
    let message = condition.message.as_deref().unwrap_or("the Job failed without a message");
    let recorded = |reason: &str, message: String| Recorded {
        tally: None,
        reason: reason.to_owned(),
        message: message.chars().take(LONGEST_MESSAGE).collect(),
    };
    if said == "DeadlineExceeded" {
        return recorded("DeadlineExceeded", "not done within spec.cellDeadlineSeconds".to_owned());
    }
    let failed =
        pods.iter().filter(|pod| is_over(pod) && terminated(pod).is_some_and(|terminated| terminated.exit_code != 0));
    // Of several failures the one that no other try can mend; else the first.
    let first = failed.min_by_key(|pod| {
        let ended = terminated(pod);
        let at = ended.and_then(|ended| ended.finished_at.as_ref()).map(|time| time.0);
        (ended.map(|ended| ended.exit_code) != Some(INVALID), at, pod.name_any())
    });
    let Some((pod, ended)) = first.and_then(|pod| Some((pod, terminated(pod)?))) else {
        let invalid = said == "PodFailurePolicy" && message.contains(&format!("exit code {INVALID} "));
        return recorded(if invalid { "InvalidCell" } else { "EvaluatorFailed" }, message.to_owned());
    };
    let who = format!("shard {} ({})", index(pod).unwrap_or_default(), pod.name_any());
    let told = match words(pod) {
        Some(words) => words.message,
        None => ended.message.as_deref().unwrap_or_default().lines().last().unwrap_or_default().trim().to_owned(),
    };
    let told = if told.is_empty() { String::new() } else { format!(": {told}") };
    if ended.reason.as_deref() == Some("OOMKilled") {
        let message = format!("{who} was killed: out of memory (its limit is in spec.evaluator.resources)");
        return recorded("OutOfMemory", message);
    }
    match ended.exit_code {
        INVALID => recorded("InvalidCell", format!("{who} cannot evaluate this{told}")),
        code => recorded("EvaluatorFailed", format!("{who} ended with exit code {code}{told}")),
    }
}
