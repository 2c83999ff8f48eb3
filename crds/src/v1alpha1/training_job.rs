//! `RealTrainingJob`: one training run.

use kube::{
    CustomResource,
    core::{Message, Rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Algorithm, Checkpoint, Datasets, Evaluation, Model, RealTrainingJobStatus, Reward, Rollout, Trainer, changes,
    defaults, rules,
};

/// The processes of a job share what an optimiser step learns from, each the same number. What is out of bounds anyway is left
/// to the rule of its own field; a modulus by zero is none where one of these holds.
fn ranks_divide(algorithm: &str, field: &str) -> Rule {
    let size = format!("self.algorithm.{algorithm}.{field}");
    Rule::new(format!(
        "!has(self.algorithm.{algorithm}) || !has({size}) || {size} % (self.trainer.nodes * self.trainer.processesPerNode) == 0 \
         || self.trainer.nodes < 1 || self.trainer.nodes > 4096 || self.trainer.processesPerNode < 1 \
         || self.trainer.processesPerNode > 64"
    ))
    .message(Message::Expression(format!(
        "'trainer.nodes · trainer.processesPerNode (%d) must divide algorithm.{algorithm}.{field} (%d)'\
         .format([self.trainer.nodes * self.trainer.processesPerNode, {size}])"
    )))
    .field_path(format!(".algorithm.{algorithm}.{field}"))
}

/// A training run: a model, data, an algorithm and rewards from program analysis and unit tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "real-rl.dev",
    version = "v1alpha1",
    kind = "RealTrainingJob",
    plural = "realtrainingjobs",
    singular = "realtrainingjob",
    shortname = "rtj",
    category = "real",
    namespaced,
    status = "RealTrainingJobStatus",
    derive = "PartialEq",
    doc = "A training run: a model, data, an algorithm and rewards from program analysis and unit tests.",
    selectable = ".spec.rewardPoolRef.name",
    selectable = ".spec.suspend",
    validation = Rule::new("size(self.metadata.name) <= 48").message(Message::Expression(
        "'metadata.name has %d characters, at most 48 are allowed: pods are named <name>-<attempt>-<index>'\
            .format([size(self.metadata.name)])".into()
    )),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Expression(
        "'metadata.name (\"' + self.metadata.name + '\") must be lower-case letters, digits and -, begin with a letter and end \
            with a letter or digit: it becomes the name of a Service'".into()
    )),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Step", type_ = "integer", json_path = ".status.progress.step"),
    printcolumn(name = "Progress%", type_ = "integer", json_path = ".status.progress.percentage"),
    printcolumn(name = "Reward", type_ = "string", json_path = ".status.progress.reward"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.nodes.summary"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Restarts", type_ = "integer", json_path = ".status.restarts.failures", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Running\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    ranks_divide("ppo", "miniBatchSize"),
    ranks_divide("grpo", "miniBatchSize"),
    ranks_divide("drGrpo", "miniBatchSize"),
    ranks_divide("dapo", "miniBatchSize"),
    ranks_divide("rloo", "miniBatchSize"),
    ranks_divide("reinforcePlusPlus", "miniBatchSize"),
    ranks_divide("remax", "miniBatchSize"),
    ranks_divide("sft", "batchSize"),
]))]
pub struct RealTrainingJobSpec {
    /// While true there are no pods: a running job writes a checkpoint and stops, and continues from it later.
    #[serde(default)]
    pub suspend: bool,
    /// Controller in charge of the job; the operator where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<ManagedBy>,
    /// The policy's starting point.
    pub model: Model,
    /// Data sets to learn from and to evaluate on.
    pub datasets: Datasets,
    /// What to optimise and how.
    pub algorithm: Algorithm,
    /// Length limits and sampling of answers.
    #[serde(default)]
    pub rollout: Rollout,
    /// How answers are turned into rewards.
    #[serde(default)]
    pub reward: Reward,
    /// Evaluations.
    #[serde(default)]
    pub evaluation: Evaluation,
    /// Checkpoints.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// Detectors and sandboxes that judge the answers, on a cluster; `real run` starts its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_pool_ref: Option<RewardPoolRef>,
    /// Topology, resources and pods of the trainer.
    #[serde(default)]
    pub trainer: Trainer,
    /// Seed of data order, initialisation and sampling.
    #[serde(default = "defaults::one")]
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    #[schemars(extend("x-kubernetes-validations" = [changes::never("seed")]))]
    pub seed: u64,
    /// How often to try again.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// Most seconds the job may run, over all attempts, suspensions left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub active_deadline_seconds: Option<u64>,
    /// Most seconds an attempt may take until all its pods run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub start_deadline_seconds: Option<u64>,
    /// Most seconds without a step, an evaluation or a checkpoint before the attempt counts as hung and is restarted; 0 for no
    /// such limit.
    #[serde(default = "defaults::progress_deadline_seconds")]
    #[schemars(range(max = 2_147_483_647))]
    pub progress_deadline_seconds: u64,
    /// Seconds after which a finished job is deleted; kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 2_147_483_647))]
    pub ttl_seconds_after_finished: Option<u64>,
}

/// Controller in charge of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagedBy {
    /// This project's operator.
    #[serde(rename = "real-rl.dev/operator")]
    Operator,
    /// Kueue's dispatcher to other clusters; the operator leaves the job alone.
    #[serde(rename = "kueue.x-k8s.io/multikueue")]
    MultiKueue,
}

/// A `RewardPool` of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RewardPoolRef {
    /// Name of the pool.
    #[schemars(length(min = 1, max = 48))]
    #[schemars(extend("x-kubernetes-validations" = [rules::pool_name()]))]
    pub name: String,
}

/// How often to try again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RestartPolicy {
    /// Failures after which the job is given up.
    #[schemars(range(max = 1000))]
    pub backoff_limit: u32,
    /// Preemptions after which the job is given up; they do not count as failures.
    #[schemars(range(max = 100_000))]
    pub max_preemptions: u32,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self { backoff_limit: 3, max_preemptions: 20 }
    }
}
