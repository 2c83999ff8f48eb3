//! Checkpoints of a job.

use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, defaults, rules};
use crate::config::Goal;

/// When checkpoints are written, where they go and which one a start continues from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("self.resumeFrom.matches('^(latest|none|step-(0|[1-9][0-9]*))$')")
        .message(Message::Expression("'resumeFrom (\"' + self.resumeFrom + '\") must be latest, none or the name of a \
            checkpoint, such as step-400'".into()))
        .field_path(".resumeFrom"),
]))]
pub struct Checkpoint {
    /// Steps between checkpoints; 0 for only the last.
    #[schemars(range(max = 10_000_000))]
    pub every_steps: u64,
    /// Checkpoints kept, the newest first.
    #[schemars(range(min = 1, max = 1_000))]
    pub retain: u64,
    /// Which checkpoints are kept beside the newest.
    pub keep_best: KeepBest,
    /// Where checkpoints go; on a cluster without it they live and die with the pod, locally they are in the run
    /// directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<CheckpointStorage>,
    /// What a start continues from: `latest` (the newest complete checkpoint, if any), `none`, or the name of one,
    /// such as `step-400`.
    #[schemars(length(min = 1, max = 32))]
    pub resume_from: String,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            every_steps: 40,
            retain: 3,
            keep_best: KeepBest::default(),
            storage: None,
            resume_from: "latest".to_owned(),
        }
    }
}

/// Which checkpoints are kept beside the newest: those of the steps with the best values of a metric. A step has a
/// checkpoint where `everySteps` says; one whose metric is missing or not finite is never among the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KeepBest {
    /// Name in `metrics.jsonl`: `val/joint`, `val/function` and `val/quality` are means over all suites and decodings,
    /// `val/SUITE/greedy/joint` is one of them, `critic/score/mean` the reward of training.
    #[schemars(length(min = 1, max = 128))]
    pub metric: String,
    /// Which values are better: `max` or `min`.
    pub goal: Goal,
    /// How many are kept; 0 for none.
    #[schemars(range(max = 1_000))]
    pub count: u64,
}

impl Default for KeepBest {
    fn default() -> Self {
        Self { metric: "val/joint".to_owned(), goal: Goal::Max, count: 1 }
    }
}

/// A place for checkpoints: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.persistentVolumeClaim) != has(self.objectStore)")
    .message("exactly one of persistentVolumeClaim and objectStore must be set"),
]))]
pub struct CheckpointStorage {
    /// A claim of the same namespace; must be mountable by all nodes of the job (`ReadWriteMany`) where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimStorage>,
    /// A bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStore>,
}

/// A folder of a persistent volume claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStorage {
    /// Name of the claim.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub claim_name: String,
    /// Folder inside the volume; the job's name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules::folder()))]
    pub sub_path: Option<String>,
}

/// A prefix of an object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStore {
    /// Bucket and prefix, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`; no other job may have the same. Where the store
    /// is, is said as for sources (`AWS_ENDPOINT_URL` and `AWS_REGION`, `AZURE_STORAGE_ACCOUNT`, …): in the Secret, or in variables of the trainer.
    #[schemars(length(min = 6, max = 1024), regex(pattern = r"^(s3|gs|az)://[a-z0-9._-]{3,63}/[^/]"))]
    pub uri: String,
    /// Secret of the same namespace with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Seconds that the end of a run waits for a store that does not take its last checkpoint; the run has failed then.
    #[serde(default = "defaults::store_timeout_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: u64,
}
