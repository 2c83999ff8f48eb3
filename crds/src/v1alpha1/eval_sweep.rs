//! `RealEvalSweep`: evaluations over many checkpoints, suites and settings.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matrix::MatrixAxis;
use super::{SecretRef, defaults};

/// Evaluations of many models on many suites: one cell a combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "real-rl.dev",
    version = "v1alpha1",
    kind = "RealEvalSweep",
    plural = "realevalsweeps",
    singular = "realevalsweep",
    shortname = "esw",
    category = "real",
    status = "RealEvalSweepStatus",
    derive = "PartialEq",
    doc = "Evaluations of many models on many suites: one cell a combination.",
    selectable = ".spec.runNamespace",
    validation = Rule::new("size(self.metadata.name) <= 48").message(Message::Expression(
        "'metadata.name has %d characters, at most 48 are allowed: Jobs are named <name>-<cell>'\
            .format([size(self.metadata.name)])".into()
    )),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Done", type_ = "integer", json_path = ".status.counts.succeeded"),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.counts.total"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.counts.failed"),
    printcolumn(name = "Best", type_ = "string", json_path = ".status.bestCell"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("self.runNamespace == oldSelf.runNamespace")
    .message("runNamespace cannot be changed after creation").field_path(".runNamespace"),
]))]
pub struct RealEvalSweepSpec {
    /// While true no new cells are started.
    #[serde(default)]
    pub suspend: bool,
    /// Namespaces whose jobs may be read; only `runNamespace` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// What is evaluated.
    pub targets: SweepTargets,
    /// What it is evaluated on.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub suites: Vec<Suite>,
    /// Settings that are combined with each target and suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub matrix: Vec<MatrixAxis>,
    /// Most cells at once.
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 10_000))]
    pub parallelism: u32,
    /// When to give up.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Namespace the cells run in.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub run_namespace: String,
    /// `RewardPool` of `runNamespace` that judges the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_pool_ref: Option<super::RewardPoolRef>,
    /// Seconds after which a finished sweep is deleted; kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    pub ttl_seconds_after_finished: Option<u64>,
}

fn default_parallelism() -> u32 {
    16
}

/// Labels that must be present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels and their values; everything matches where empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub match_labels: BTreeMap<String, String>,
}

/// What is evaluated: checkpoints of jobs, models, or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.jobSelector) || (has(self.models) && size(self.models) > 0)")
    .message("at least one of jobSelector and models must be set"),
    Rule::new("!has(self.models) || self.models.all(m, !has(m.name) || self.models.exists_one(o, has(o.name) && o.name == m.name))")
    .message("the names of models must be unique").field_path(".models"),
]))]
pub struct SweepTargets {
    /// Jobs whose checkpoints are evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_selector: Option<LabelSelector>,
    /// Which of their checkpoints.
    #[serde(default)]
    pub checkpoints: CheckpointChoice,
    /// Models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub models: Vec<SweepModel>,
}

/// Which checkpoints of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckpointChoice {
    /// The newest.
    #[default]
    Latest,
    /// The one with the highest joint rate.
    Best,
    /// All that are kept.
    All,
}

/// A model to evaluate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepModel {
    /// Name in results; made of the last part of `storageUri` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"))]
    pub name: Option<String>,
    /// Hugging Face folder, or the address of an API like OpenAI's: `http://HOST/v1`, with `?model=NAME` where it has several.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Secret of `runNamespace` with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A data set to evaluate on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suite {
    /// Name; unique within the sweep.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Where the tasks are.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Container image that evaluates; the operator's own version where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Pods that share a cell's tasks.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 1024))]
    pub shards: u64,
}

/// When to give up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct FailurePolicy {
    /// Failed cells after which no more are started.
    #[schemars(range(max = 1_000_000))]
    pub max_failures: u32,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { max_failures: 5 }
    }
}

/// Status of a `RealEvalSweep`. The state of each cell is in its Job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RealEvalSweepStatus {
    /// Generation of the spec this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Summary for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub phase: Option<String>,
    /// Conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Cells by state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<CellCounts>,
    /// The best and the worst cells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    pub cells: Vec<Cell>,
    /// `ConfigMap` with the results of all cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results_config_map: Option<ConfigMapKey>,
    /// Where the full reports are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub results_uri: Option<String>,
    /// Name of the cell with the highest joint rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub best_cell: Option<String>,
}

/// Cells by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CellCounts {
    /// All.
    pub total: u32,
    /// Being evaluated.
    pub active: u32,
    /// Done.
    pub succeeded: u32,
    /// Given up.
    pub failed: u32,
    /// Not started, because others failed.
    pub skipped: u32,
}

/// Result of one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cell {
    /// Name of the cell.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Share of answers that passed all tests.
    #[schemars(length(max = 32))]
    pub function: String,
    /// Share of answers without findings.
    #[schemars(length(max = 32))]
    pub quality: String,
    /// Share of both at once.
    #[schemars(length(max = 32))]
    pub joint: String,
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
