//! What the operator reports about a training job. Numbers that are not counts are text: a status has no floats.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a `RealTrainingJob`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
// It has one writer: who owns which field of it need not be kept, field by field, in every version of the object.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RealTrainingJobStatus {
    /// Generation of the spec this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Summary for people; programs read `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Reason of the condition that explains `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// `Accepted`, `Scheduled`, `RewardPoolReady`, `Running`, `Suspended`, `Complete`, `Failed`,
    /// `RestartedInPlace` (the trainer was started again in its pod), `TrainerWarned` (the newest warning of the trainer), `RewardSuspect` (the monitor of the rewards holds something against the last step), and
    /// kstatus's `Reconciling` and `Stalled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Number of the current attempt, or of the next one where there is none, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Starts after the first, by cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<RestartCounts>,
    /// When the operator first acted on the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When all pods of the current attempt ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_time: Option<Time>,
    /// Seconds that earlier attempts ran, counted against `activeDeadlineSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_seconds: Option<u64>,
    /// When the job completed or failed for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// When the next attempt may start, after one that failed; absent while there is an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// Pods of the current attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// How far training is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Checkpoints, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub checkpoints: Vec<CheckpointRecord>,
    /// Name of the best checkpoint that is kept, by `spec.checkpoint.keepBest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub best_checkpoint: Option<String>,
    /// Evaluations, newest first; the full report is in the run's storage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub evaluations: Vec<EvaluationRecord>,
    /// Name of the current attempt's Job; absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub job_name: Option<String>,
}

/// Summary of a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing was created yet.
    Pending,
    /// Waits for quota.
    Queued,
    /// Pods are being scheduled or started.
    Starting,
    /// All pods run.
    Running,
    /// A checkpoint is being written before the pods go.
    Suspending,
    /// No pods; a checkpoint is kept.
    Suspended,
    /// A new attempt follows a failure or preemption.
    Restarting,
    /// All steps are done.
    Succeeded,
    /// Given up.
    Failed,
}

/// Starts after the first, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestartCounts {
    /// After failures; counted against `restartPolicy.backoffLimit`.
    pub failures: u32,
    /// After preemptions; counted against `restartPolicy.maxPreemptions`.
    pub preemptions: u32,
    /// Of the failures, those of the present attempt after which the trainer was started again in its pod.
    #[serde(skip_serializing_if = "crate::is_zero")]
    pub in_place: u32,
}

/// Pods of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeCounts {
    /// As by the spec.
    pub desired: u32,
    /// Ready.
    pub ready: u32,
    /// `ready/desired`, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 24))]
    pub summary: String,
}

impl NodeCounts {
    /// So many of so many are ready.
    pub fn new(ready: u32, desired: u32) -> Self {
        Self { desired, ready, summary: format!("{ready}/{desired}") }
    }
}

/// How far training is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub total_steps: u64,
    /// 100 · `step` / `totalSteps`, rounded down.
    #[schemars(range(max = 100))]
    pub percentage: u32,
    /// Seconds to the end at the recent pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_remaining_seconds: Option<u64>,
    /// Mean reward of the last step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub reward: Option<String>,
    /// When the trainer last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    /// Further metrics of the last step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<Metric>,
}

/// A named number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Name, e.g. `actor/ppo_kl`.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Value in decimal.
    #[schemars(length(max = 32))]
    pub value: String,
}

/// A checkpoint that can be resumed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointRecord {
    /// Step it was written after.
    pub step: u64,
    /// Where it is.
    #[schemars(length(max = 1024))]
    pub uri: String,
    /// SHA-256 of its manifest, hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: String,
    /// When it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// Size in bytes.
    #[serde(default)]
    pub size_bytes: u64,
}

/// Rates of one evaluation of one suite, each in [0, 1], or `no result` where no answer could be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationRecord {
    /// Name of the data set.
    #[schemars(length(max = 63))]
    pub suite: String,
    /// Step of the policy.
    pub step: u64,
    /// `greedy` or `sampled`.
    #[schemars(length(max = 16))]
    pub decoding: String,
    /// Answers judged.
    pub n: u64,
    /// Answers that could not be judged because of the system; not part of `n`.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub dropped: u64,
    /// Share that passed all tests.
    #[schemars(length(max = 32))]
    pub function: String,
    /// Share without findings.
    #[schemars(length(max = 32))]
    pub quality: String,
    /// Share of both at once (the paper's Func.-Qual.).
    #[schemars(length(max = 32))]
    pub joint: String,
    /// 95 % interval of `joint`, over tasks: `0.4100 to 0.6200`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub joint_interval: Option<String>,
    /// Where the full report is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub report_uri: Option<String>,
}
