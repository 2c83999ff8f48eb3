//! Checkpoints, as the trainer is told of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Checkpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Checkpoint {
    /// Steps between checkpoints; 0 for only the last.
    pub every_steps: u64,
    /// Checkpoints kept, the newest first.
    pub retain: u64,
    /// Which checkpoints are kept beside the newest.
    pub keep_best: KeepBest,
    /// A bucket that they go to; they stay in the run directory where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
}

/// A place in a bucket for what a run leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Store {
    /// `s3://BUCKET/PREFIX`, or the same of `gs://` or `az://`.
    pub uri: String,
    /// Seconds that the end of a run waits for a store that does not take its last checkpoint.
    pub timeout_seconds: u64,
}

/// Which checkpoints are kept beside the newest: those of the steps with the best values of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeepBest {
    /// Name in `metrics.jsonl`.
    pub metric: String,
    /// Which values are better.
    pub goal: Goal,
    /// How many are kept; 0 for none.
    pub count: u64,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// Large ones: rates, rewards.
    Max,
    /// Small ones: losses.
    Min,
}
