//! `status.progress`, `checkpoints` and `evaluations`, from what rank 0 says: while it runs by HTTP, when it ended by its
//! termination message, which outranks the rest.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::progress::{self, LastWords};
use real_crds::v1alpha1::{
    CheckpointRecord, EvaluationRecord, Metric, Progress, RealTrainingJob, RealTrainingJobStatus,
};

use super::attempt::checkpoint_uri;
use super::ending::terminated;
use super::observed::{Observed, index};
use crate::conditions::whole_seconds;

const MOST_CHECKPOINTS: usize = 10;
const MOST_EVALUATIONS: usize = 20;

/// The fields of the status that progress is told in; all others are empty. What nobody says anything new about stays.
pub(super) fn told(
    job: &RealTrainingJob,
    observed: &Observed,
    attempt: u32,
    previous: &RealTrainingJobStatus,
    now: Timestamp,
) -> RealTrainingJobStatus {
    let mut status = only(previous);
    let words = last_words(&observed.pods_of(attempt)).map(|words| words.progress);
    let heard = observed.report.as_ref().filter(|report| report.progress.attempt == u64::from(attempt));
    let (said, at) = match (words, heard) {
        (Some(words), _) => (words, now),
        (None, Some(report)) => (report.progress.clone(), report.heard),
        (None, None) => return status,
    };
    let next = progress(&said);
    let unchanged =
        status.progress.as_ref().is_some_and(|old| Progress { last_update_time: None, ..old.clone() } == next);
    if !unchanged {
        status.progress = Some(Progress { last_update_time: Some(Time(whole_seconds(at))), ..next });
    }
    for checkpoint in &said.checkpoints {
        let record = CheckpointRecord {
            step: checkpoint.step,
            uri: checkpoint_uri(job, checkpoint.step),
            sha256: checkpoint.sha256.clone(),
            time: checkpoint.time.map(|time| Time(whole_seconds(time))),
            size_bytes: checkpoint.size_bytes,
        };
        status.checkpoints.retain(|known| known.step != record.step);
        status.checkpoints.push(record);
    }
    // Of those that the trainer has removed meanwhile nothing is left to resume from. Last words may leave older ones out.
    let oldest = said.checkpoints.first().map(|checkpoint| checkpoint.step);
    if let Some(oldest) = oldest {
        let kept = job.spec.checkpoint.retain as usize;
        let complete = said.checkpoints.len() >= kept.min(MOST_CHECKPOINTS);
        status.checkpoints.retain(|known| known.step >= oldest || !complete);
    }
    status.checkpoints.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.step));
    status.checkpoints.truncate(MOST_CHECKPOINTS);
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
    status.best_checkpoint = best(&status);
    status
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

/// What rank 0 said when it ended.
pub(super) fn last_words(pods: &[&Pod]) -> Option<LastWords> {
    let first = pods.iter().find(|pod| index(pod) == Some(0))?;
    serde_json::from_str(terminated(first)?.message.as_deref()?).ok()
}

fn progress(said: &progress::Progress) -> Progress {
    let metric =
        |name: &str, value: Option<f64>| value.map(|value| Metric { name: name.to_owned(), value: decimal(value) });
    Progress {
        step: said.step,
        total_steps: said.total_steps,
        percentage: (100 * said.step.min(said.total_steps)).checked_div(said.total_steps).unwrap_or(0) as u32,
        estimated_remaining_seconds: said.eta_seconds.map(|seconds| seconds.max(0.0) as u64),
        reward: said.reward.map(decimal),
        last_update_time: None,
        metrics: [
            metric("kl", said.kl),
            metric("loss", said.loss),
            metric("samplesPerSecond", said.samples_per_second),
            metric("tokensPerSecond", said.tokens_per_second),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

fn evaluation_record(evaluation: &progress::Evaluation) -> EvaluationRecord {
    EvaluationRecord {
        suite: evaluation.suite.clone(),
        step: evaluation.step,
        decoding: evaluation.decoding.name().to_owned(),
        n: evaluation.n,
        function: decimal(evaluation.function),
        quality: decimal(evaluation.quality),
        joint: decimal(evaluation.joint),
        report_uri: None,
    }
}

/// The kept checkpoint of the step with the highest mean joint rate over all suites and decodings; of equals the newest.
fn best(status: &RealTrainingJobStatus) -> Option<String> {
    let joint = |step: u64| {
        let rates: Vec<f64> = status
            .evaluations
            .iter()
            .filter(|evaluation| evaluation.step == step)
            .filter_map(|evaluation| evaluation.joint.parse().ok())
            .collect();
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    };
    status
        .checkpoints
        .iter()
        .filter_map(|checkpoint| Some((joint(checkpoint.step)?, checkpoint.step)))
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)))
        .map(|(_, step)| format!("step-{step}"))
}

/// Four significant decimals: enough for people, and stable.
fn decimal(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { value.to_string() }
}
