//! The model a job starts from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{defaults, rules};
use crate::config::Initialize;

/// The policy's starting point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::source()))]
pub struct Model {
    /// Hugging Face folder with `config.json`, the tokenizer and, unless drawn at random, `model.safetensors`: a path, or
    /// a URI beginning with `bundled://`, `file://`, `hf://`, `s3://`, `https://` or `pvc://`.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Secret of the same namespace with the credentials for `storageUri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// `pretrained`: weights from the folder. `random`: drawn anew, as `transformers` does.
    #[serde(default = "defaults::pretrained")]
    pub initialize: Initialize,
}

/// A Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub name: String,
}
