//! The model a job starts from.

use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes, defaults, rules};
use crate::config::{self, Initialize, LoraTarget};

/// The policy's starting point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rules::source(), vec![of_something()]].concat()))]
pub struct Model {
    /// Hugging Face folder with `config.json`, the tokenizer and, unless drawn at random, `model.safetensors`: a path, or
    /// a URI beginning with `bundled://`, `file://`, `hf://`, `s3://`, `gs://`, `az://`, `https://` or `pvc://`.
    #[schemars(length(min = 1, max = 1024))]
    pub storage_uri: String,
    /// Secret of the same namespace with the credentials for `storageUri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// `pretrained`: weights from the folder. `random`: drawn anew, as `transformers` does.
    #[serde(default = "defaults::pretrained")]
    #[schemars(extend("x-kubernetes-validations" = [changes::never("model.initialize")]))]
    pub initialize: Initialize,
    /// Adapters (`LoRA`) that learn in place of the model's own parameters; all parameters learn where absent. The reference is the
    /// model without them, checkpoints hold them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// Low-rank adapters: W·x + alpha/rank · B·A·x, of which A and B learn; B starts at 0. There is no dropout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lora {
    /// Rank of the adapters.
    #[schemars(range(min = 1, max = 1024))]
    pub rank: u64,
    /// Strength of the adapters; twice the rank where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 10_000.0), extend("exclusiveMinimum" = true))]
    pub alpha: Option<f64>,
    /// Matrices of each layer that are adapted: `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj`, `up_proj`, `down_proj`; all where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub targets: Option<Vec<LoraTarget>>,
}

impl Lora {
    /// With every default resolved.
    pub(crate) fn resolve(&self) -> config::Lora {
        let chosen = |target: &LoraTarget| self.targets.as_ref().is_none_or(|targets| targets.contains(target));
        config::Lora {
            rank: self.rank,
            alpha: self.alpha.unwrap_or(2.0 * self.rank as f64),
            targets: LoraTarget::ALL.into_iter().filter(chosen).collect(),
        }
    }
}

/// Adapters are beside a model that somebody else can load too.
fn of_something() -> Rule {
    Rule::new("!has(self.lora) || self.initialize != 'random'")
        .message("lora needs a model that was trained before: initialize must not be random")
        .field_path(".lora")
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
