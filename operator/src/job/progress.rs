//! `status.progress`, `checkpoints` and `evaluations`, from what rank 0 says: while it runs by HTTP, when it ended by its
//! termination message, which outranks the rest.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use real_crds::progress::{self, LastWords};
use real_crds::v1alpha1::{
    CheckpointRecord, EvaluationRecord, Metric, Progress, RealTrainingJob, RealTrainingJobStatus,
};

use super::attempt::checkpoint_uri;
use super::ending::terminated;
use super::observed::{Observed, index};
use crate::conditions::whole_seconds;
use crate::labels::ATTEMPT;

/// Checkpoints that a status lists at most.
pub(crate) const MOST_CHECKPOINTS: usize = 10;
const MOST_EVALUATIONS: usize = 20;
/// In characters; an event's note may have 1,024 bytes.
const LONGEST_WARNING: usize = 500;
/// A century, in seconds.
const LONGEST: f64 = 3.2e9;

/// What rank 0 said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) progress: progress::Progress,
    at: Timestamp,
}

/// What rank 0 of an attempt said when it ended.
pub(super) fn last_words(observed: &Observed, attempt: u32, now: Timestamp) -> Option<Said> {
    let pods = observed.pods_of(attempt);
    let label = attempt.to_string();
    let departed = observed.departed.as_deref().filter(|pod| pod.labels().get(ATTEMPT) == Some(&label));
    let first = pods.iter().copied().find(|pod| index(pod) == Some(0)).or(departed)?;
    let words: LastWords = serde_json::from_str(terminated(first)?.message.as_deref()?).ok()?;
    known(words.progress).map(|progress| Said { progress, at: now })
}

/// What rank 0 of an attempt said last while it ran.
pub(super) fn reported(observed: &Observed, attempt: u32) -> Option<Said> {
    let report = observed.report.as_ref().filter(|report| report.progress.attempt == u64::from(attempt))?;
    known(report.progress.clone()).map(|progress| Said { progress, at: report.heard })
}

/// A trainer that has not read its configuration yet knows nothing that should replace what an earlier attempt said.
fn known(progress: progress::Progress) -> Option<progress::Progress> {
    (progress.total_steps > 0).then_some(progress)
}

/// The fields of the status that progress is told in; all others are empty. What nothing new is said about stays.
pub(super) fn told(job: &RealTrainingJob, said: Said, previous: &RealTrainingJobStatus) -> RealTrainingJobStatus {
    let Said { progress: said, at } = said;
    let mut status = only(previous);
    let next = progress(&said);
    let unchanged =
        status.progress.as_ref().is_some_and(|old| Progress { last_update_time: None, ..old.clone() } == next);
    if !unchanged {
        status.progress = Some(Progress { last_update_time: Some(Time(whole_seconds(at))), ..next });
    }
    // Those that the trainer does not name any more, it has removed; last words are never cut to fewer than are listed here.
    status.checkpoints.clear();
    for checkpoint in &said.checkpoints {
        let record = CheckpointRecord {
            step: checkpoint.step,
            uri: checkpoint_uri(job, checkpoint.step),
            sha256: cut(&checkpoint.sha256, 64),
            time: checkpoint.time.map(|time| Time(whole_seconds(time))),
            size_bytes: checkpoint.size_bytes,
        };
        status.checkpoints.push(record);
    }
    status.checkpoints.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.step));
    let best = status.checkpoints.iter().position(|checkpoint| Some(checkpoint.step) == said.best_checkpoint);
    if let Some(place) = best.filter(|place| *place >= MOST_CHECKPOINTS) {
        status.checkpoints.swap(place, MOST_CHECKPOINTS - 1);
    }
    status.checkpoints.truncate(MOST_CHECKPOINTS);
    status.best_checkpoint = said.best_checkpoint.filter(|_| best.is_some()).map(|step| format!("step-{step}"));
    for evaluation in &said.evaluations {
        let record = evaluation_record(evaluation);
        let same = |known: &EvaluationRecord| {
            (&known.suite, known.step, &known.decoding) == (&record.suite, record.step, &record.decoding)
        };
        status.evaluations.retain(|known| !same(known));
        status.evaluations.push(record);
    }
    status.evaluations.sort_by(|a, b| {
        b.step.cmp(&a.step).then_with(|| a.suite.cmp(&b.suite)).then_with(|| a.decoding.cmp(&b.decoding))
    });
    status.evaluations.truncate(MOST_EVALUATIONS);
    status
}

/// A warning of the trainer's as a condition's reason and message.
fn warned(warning: &progress::Warning) -> (String, String) {
    let word = !warning.reason.is_empty() && warning.reason.chars().all(|c| c.is_ascii_alphabetic());
    let reason = if word { cut(&warning.reason, 64) } else { "TrainerWarned".to_owned() };
    (reason, cut(&format!("step {}: {}", warning.step, warning.message), LONGEST_WARNING))
}

/// The trainer's warnings that come after the one that a condition was last set for, oldest first; all where it is not
/// among them.
pub(super) fn new_warnings(said: &Said, known: Option<&Condition>) -> Vec<(String, String)> {
    let warnings: Vec<(String, String)> = said.progress.warnings.iter().map(warned).collect();
    let same = |warning: &(String, String)| {
        known.is_some_and(|known| (&known.reason, &known.message) == (&warning.0, &warning.1))
    };
    let first = warnings.iter().rposition(same).map_or(0, |place| place + 1);
    warnings[first..].to_vec()
}

/// Of `status`, the fields that progress is told in.
pub(super) fn only(status: &RealTrainingJobStatus) -> RealTrainingJobStatus {
    RealTrainingJobStatus {
        progress: status.progress.clone(),
        checkpoints: status.checkpoints.clone(),
        best_checkpoint: status.best_checkpoint.clone(),
        evaluations: status.evaluations.clone(),
        ..RealTrainingJobStatus::default()
    }
}

fn progress(said: &progress::Progress) -> Progress {
    let metric =
        |name: &str, value: Option<f64>| value.map(|value| Metric { name: name.to_owned(), value: decimal(value) });
    Progress {
        step: said.step,
        total_steps: said.total_steps,
        percentage: percentage(said.step, said.total_steps),
        estimated_remaining_seconds: said.eta_seconds.map(|seconds| seconds.clamp(0.0, LONGEST) as u64),
        reward: said.reward.map(decimal),
        last_update_time: None,
        metrics: [
            metric("kl", said.kl),
            metric("loss", said.loss),
            metric("skippedUpdates", (said.skipped_updates > 0).then_some(said.skipped_updates as f64)),
            metric("samplesPerSecond", said.samples_per_second),
            metric("tokensPerSecond", said.tokens_per_second),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// Rounded down, at most 100.
fn percentage(step: u64, total: u64) -> u32 {
    (100 * u128::from(step.min(total)) / u128::from(total.max(1))) as u32
}

fn evaluation_record(evaluation: &progress::Evaluation) -> EvaluationRecord {
    EvaluationRecord {
        suite: cut(&evaluation.suite, 63),
        step: evaluation.step,
        decoding: evaluation.decoding.name().to_owned(),
        n: evaluation.n,
        dropped: evaluation.dropped,
        function: rate(evaluation.function),
        quality: rate(evaluation.quality),
        joint: rate(evaluation.joint),
        joint_interval: evaluation
            .intervals
            .map(|intervals| format!("{} to {}", decimal(intervals.joint[0]), decimal(intervals.joint[1]))),
        report_uri: None,
    }
}

/// A rate in decimal; a mean of nothing is no number.
fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "no result".to_owned(), decimal)
}

/// Four decimals: enough for people, and stable. Numbers of a run that diverges stay short enough for the schema.
fn decimal(value: f64) -> String {
    if !value.is_finite() {
        value.to_string()
    } else if value.abs() < 1e12 {
        format!("{value:.4}")
    } else {
        format!("{value:.4e}")
    }
}

/// At most so many characters as the schema allows.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
