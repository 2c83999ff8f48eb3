//! What the operator reports about a sweep.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Status of a `RealEvalSweep`. The state of each cell is in its Job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
// It has one writer: who owns which field of it need not be kept, field by field, in every version of the object.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RealEvalSweepStatus {
    /// Generation of the spec this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Summary for people; programs read `conditions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<SweepPhase>,
    /// Reason of the condition that explains `phase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// `Accepted`, `TargetsResolved`, `RewardPoolReady`, `Running`, `Suspended`, `Complete`, `Failed`, and kstatus's
    /// `Reconciling` and `Stalled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the operator first acted on the sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the sweep completed or failed for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What is evaluated, as it was when the first cell started: later checkpoints of the jobs are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub targets: Vec<SweepTarget>,
    /// What `targets` were chosen by, as a hash: another choice in the spec chooses them anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub targets_for: Option<String>,
    /// Time of `spec.schedule` that `targets` are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,
    /// Next time of `spec.schedule`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,
    /// Cells by state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<CellCounts>,
    /// Cells with a result, by falling joint rate; of more than 40 the 20 best and the 20 worst.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    pub cells: Vec<Cell>,
    /// Cells that failed, were skipped or have no result, at most 20 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub troubled_cells: Vec<TroubledCell>,
    /// `ConfigMap` with the results of all cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results_config_map: Option<ConfigMapKey>,
    /// Where the full reports are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub results_uri: Option<String>,
    /// Name of the cell with the highest joint rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub best_cell: Option<String>,
    /// Name of the cell with the lowest joint rate, where there are two at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub worst_cell: Option<String>,
}

/// Summary of a sweep's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SweepPhase {
    /// No cell was started yet.
    Pending,
    /// Cells run, or the next ones wait for something.
    Running,
    /// All cells came to their end; more come with the next checkpoint or the next time of the schedule.
    Waiting,
    /// No more cells are started; those that run go on to their end.
    Suspending,
    /// No cell runs.
    Suspended,
    /// All cells came to their end.
    Succeeded,
    /// Given up.
    Failed,
}

/// One model that is evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepTarget {
    /// Name for people: `NAMESPACE/JOB@step-N`, or the model's address.
    #[schemars(length(max = 1024))]
    pub name: String,
    /// Hugging Face folder.
    #[schemars(length(max = 1024))]
    pub uri: String,
    /// The checkpoint that it is; absent for a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<SweepCheckpoint>,
    /// Time of `spec.schedule` for which a model is evaluated, which may have changed since the last one; absent for a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// A checkpoint of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepCheckpoint {
    /// Namespace of the job.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name of the job.
    #[schemars(length(max = 253))]
    pub job: String,
    /// Step it was written after.
    pub step: u64,
    /// SHA-256 of its manifest, hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: String,
}

/// Cells by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CellCounts {
    /// All.
    pub total: u32,
    /// Not started yet.
    pub waiting: u32,
    /// Being evaluated.
    pub active: u32,
    /// Done.
    pub succeeded: u32,
    /// Given up.
    pub failed: u32,
    /// Never started: others failed, or there is nothing to evaluate.
    pub skipped: u32,
}

/// Result of one cell. Rates are in [0, 1].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Name of the cell, and of its Job in `runNamespace`.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Name of the target.
    #[schemars(length(max = 1024))]
    pub target: String,
    /// Name of the suite.
    #[schemars(length(max = 63))]
    pub suite: String,
    /// Settings that are varied, e.g. `temperature=0.8,samples=4`; empty where nothing is.
    #[schemars(length(max = 256))]
    pub settings: String,
    /// Answers judged.
    pub n: u64,
    /// Answers that could not be judged because of the system; not part of `n`.
    #[serde(default)]
    pub dropped: u64,
    /// Share of answers that passed all tests.
    #[schemars(length(max = 32))]
    pub function: String,
    /// Share of answers without findings.
    #[schemars(length(max = 32))]
    pub quality: String,
    /// Share of both at once (the paper's Func.-Qual.).
    #[schemars(length(max = 32))]
    pub joint: String,
}

/// A cell without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TroubledCell {
    /// Name of the cell.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Name of the target.
    #[schemars(length(max = 1024))]
    pub target: String,
    /// Name of the suite.
    #[schemars(length(max = 63))]
    pub suite: String,
    /// Settings.
    #[schemars(length(max = 256))]
    pub settings: String,
    /// `Failed`, `Skipped` or `NoResult`.
    #[schemars(length(max = 16))]
    pub state: String,
    /// Why, a word in `CamelCase`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, for people.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// A `ConfigMap` of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// Namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Name.
    #[schemars(length(max = 253))]
    pub name: String,
}
