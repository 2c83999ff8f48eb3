//! Data sets of a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretRef, defaults, rules};

/// Data sets to learn from and to evaluate on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Datasets {
    /// Tasks (PPO) or demonstrations (SFT) to learn from.
    #[schemars(length(min = 1, max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub train: Vec<Dataset>,
    /// Tasks to evaluate on, one suite a data set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub eval: Vec<Dataset>,
}

/// One data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::source()))]
pub struct Dataset {
    /// Name shown in metrics and evaluations; unique within the list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Tasks as JSON lines or array (plain, `.gz`, `.zst`) or Parquet: canonical, or of SafeSQL, SecCodePLT+, APPS+, HumanEval or MBPP. A path, or
    /// a URI beginning with `bundled://`, `file://`, `hf://`, `s3://`, `gs://`, `az://`, `https://` or `pvc://`.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Secret of the same namespace with the credentials for `storageUri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Relative weight when batches are drawn; more than 0.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1_000_000.0), extend("exclusiveMinimum" = true))]
    pub weight: f64,
}
