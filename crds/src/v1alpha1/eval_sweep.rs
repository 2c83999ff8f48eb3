//! `RealEvalSweep`: evaluations over many checkpoints, suites and settings.

use std::collections::BTreeMap;

use kube::{CustomResource, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matrix::MatrixAxis;
use super::{PodPatch, RealEvalSweepStatus, Resources, Reward, SecretRef, defaults, rules};
use crate::config::{Device, Dtype};

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
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Expression(
        "'metadata.name (\"' + self.metadata.name + '\") must be lower-case letters, digits and -, begin with a letter and end \
            with a letter or digit: it becomes part of the names of pods'".into()
    )),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Done", type_ = "integer", json_path = ".status.counts.succeeded"),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.counts.total"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.counts.active"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.counts.failed"),
    printcolumn(name = "Best", type_ = "string", json_path = ".status.bestCell"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Running\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("self.runNamespace == oldSelf.runNamespace")
    .message("runNamespace cannot be changed after creation").field_path(".runNamespace"),
    Rule::new("!has(self.schedule) || !has(self.follow) || !self.follow")
    .message("schedule and follow exclude each other: a sweep that follows evaluates a checkpoint when it appears").field_path(".schedule"),
    Rule::new("!has(self.follow) || !self.follow || has(self.targets.jobSelector)")
    .message("follow needs targets.jobSelector: there is nothing else that could appear").field_path(".follow"),
    Rule::new("!has(self.ttlSecondsAfterFinished) || (!has(self.schedule) && (!has(self.follow) || !self.follow))")
    .message("ttlSecondsAfterFinished has no meaning for a sweep with schedule or follow: it does not finish").field_path(".ttlSecondsAfterFinished"),
]))]
pub struct RealEvalSweepSpec {
    /// While true no new cells are started; those that run go on to their end.
    #[serde(default)]
    pub suspend: bool,
    /// Namespaces whose jobs may be read; only `runNamespace` where absent. Each must have the label
    /// `real-rl.dev/eval-sweeps: allowed`, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// What is evaluated.
    pub targets: SweepTargets,
    /// When targets are chosen anew, and models evaluated once more; once, when the sweep is created, where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Whether checkpoints of matched jobs are evaluated as they appear. Such a sweep does not finish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
    /// What it is evaluated on.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub suites: Vec<Suite>,
    /// Settings that are combined with each target and suite; one greedy answer a task where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub matrix: Vec<MatrixAxis>,
    /// Most cells at once.
    #[serde(default = "default_parallelism")]
    #[schemars(range(min = 1, max = 10_000))]
    pub parallelism: u32,
    /// Where the whole results are kept: a row an answer with its verdicts and findings. Only counts are kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<SweepResults>,
    /// When to give up.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Namespace the cells run in. It must have the label `real-rl.dev/eval-sweeps: allowed`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub run_namespace: String,
    /// `RewardPool` of `runNamespace` that judges the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_pool_ref: Option<super::RewardPoolRef>,
    /// How answers are judged.
    #[serde(default)]
    pub reward: Reward,
    /// Pods of the cells.
    #[serde(default)]
    pub evaluator: Evaluator,
    /// Most seconds a cell may take, from when its first pod may start; it has failed then.
    #[serde(default = "defaults::cell_deadline_seconds")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub cell_deadline_seconds: u64,
    /// Seconds after which a finished sweep is deleted; kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    pub ttl_seconds_after_finished: Option<u64>,
}

fn default_parallelism() -> u32 {
    16
}

/// When a sweep evaluates again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Minute, hour, day of the month, month and day of the week, as cron has them: `0 3 * * 1-5`; or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`. A cell whose checkpoint, suite and settings are the same keeps the result that it has.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^(@(hourly|daily|weekly|monthly)|[^ @]+( +[^ ]+){4})$"))]
    pub cron: String,
    /// Time zone of `cron`, e.g. `Europe/Berlin`.
    #[serde(default = "utc")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: String,
    /// What becomes of a time that comes while cells of the last one are still to be done.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// Seconds after which a time that was missed, because the operator did not run, is not made up for. Of several that were missed
    /// the last counts. Any is made up for where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub starting_deadline_seconds: Option<u64>,
}

/// Where a sweep's results are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.persistentVolumeClaim) != has(self.objectStore)")
    .message("exactly one of persistentVolumeClaim and objectStore must be set"),
]))]
pub struct SweepResults {
    /// A claim of `runNamespace`; must be mountable by all nodes that cells run on. The folder is the sweep's name where it has no `subPath`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<super::ClaimStorage>,
    /// A bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ResultsStore>,
}

/// A prefix of an object store for results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultsStore {
    /// Bucket and prefix, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
    #[schemars(length(min = 6, max = 1024), regex(pattern = r"^(s3|gs|az)://[a-z0-9._-]{3,63}/[^/]"))]
    pub uri: String,
    /// Secret of `runNamespace` with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What becomes of a time that comes while the last one is not done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Concurrency {
    /// It is left out.
    #[default]
    Forbid,
    /// What is not asked for any more is stopped, and the new targets are begun with.
    Replace,
}

/// Labels that must be present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rules::label_keys("matchLabels"), rules::label_values("matchLabels")]))]
pub struct LabelSelector {
    /// Labels and their values; everything matches where empty.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 63})))]
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
    /// Secret of `runNamespace` with the credentials for checkpoints that lie in a bucket. It has to let cells write there, too, so that
    /// they can say which checkpoint they read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
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
    /// The best one by the job's `spec.checkpoint.keepBest`.
    Best,
    /// All that the job's status lists.
    All,
}

/// A model to evaluate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rules::no_credentials()]))]
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
#[schemars(extend("x-kubernetes-validations" = rules::source()))]
pub struct Suite {
    /// Name; unique within the sweep.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Where the tasks are.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Secret of `runNamespace` with the credentials for `storageUri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Container image that evaluates; `evaluator.image` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: Option<String>,
    /// Pods that share a cell's tasks.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 1024))]
    pub shards: u64,
    /// Most tasks, the first ones; 0 for all.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub limit: u64,
}

/// Pods of the cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Evaluator {
    /// Container image; the operator's own version where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: Option<String>,
    /// Requests and limits of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Changes to the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_patch: Option<PodPatch>,
    /// Device of the model: `auto` (CUDA where present), `cpu` or `cuda`.
    pub device: Device,
    /// Type of activations: `f32` or `bf16`.
    pub dtype: Dtype,
    /// CPU threads of each pod; 0 for as many as there are cores.
    #[schemars(range(max = 1024))]
    pub threads: u64,
}

impl Default for Evaluator {
    fn default() -> Self {
        Self { image: None, resources: None, pod_patch: None, device: Device::Auto, dtype: Dtype::F32, threads: 0 }
    }
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
