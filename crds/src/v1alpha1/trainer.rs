//! The trainer's pods and the devices it computes on.

use std::collections::BTreeMap;

use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PodPatch, Quantity, changes, rules};
use crate::config::{Device, Dtype, GradientCheckpointing};

/// Topology, resources and pods of the trainer. `real run` uses only `device`, `dtype` and `threads`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Trainer {
    /// Container image of the trainer; the operator's own version where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: Option<String>,
    /// Number of pods, one a node.
    #[schemars(range(min = 1, max = 4096))]
    pub nodes: u64,
    /// Trainer processes in each pod, one a GPU.
    #[schemars(range(min = 1, max = 64))]
    pub processes_per_node: u64,
    /// Requests and limits of each pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources_per_node: Option<Resources>,
    /// Further environment variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// Changes to the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_patch: Option<PodPatch>,
    /// Seconds for a checkpoint between the request to stop and the kill.
    #[schemars(range(min = 1, max = 86_400))]
    pub termination_grace_period_seconds: u64,
    /// Device of model and optimiser: `auto` (CUDA where present), `cpu` or `cuda`.
    pub device: Device,
    /// Type of activations: `f32` or `bf16`; master weights and optimiser state are always 32 bits.
    #[schemars(extend("x-kubernetes-validations" = [changes::never("dtype")]))]
    pub dtype: Dtype,
    /// CPU threads of the trainer; 0 for as many as there are cores.
    #[schemars(range(max = 1024))]
    pub threads: u64,
    /// What is kept of a forward pass for the backward pass: `auto` (as many of the last layers' activations as fit into 1 GiB,
    /// 8 GiB on a GPU), `always` (the inputs of layers; a third more to compute) or `never` (everything).
    pub gradient_checkpointing: GradientCheckpointing,
}

impl Default for Trainer {
    fn default() -> Self {
        Self {
            image: None,
            nodes: 1,
            processes_per_node: 1,
            resources_per_node: None,
            env: Vec::new(),
            pod_patch: None,
            termination_grace_period_seconds: 300,
            device: Device::Auto,
            dtype: Dtype::F32,
            threads: 0,
            gradient_checkpointing: GradientCheckpointing::Auto,
        }
    }
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rules::whole_bytes("requests"), rules::whole_bytes("limits")]))]
pub struct Resources {
    /// Amounts the scheduler reserves, by resource name; the limits where absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub requests: BTreeMap<String, Quantity>,
    /// Most that may be used, by resource name, e.g. `nvidia.com/gpu: 8`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, Quantity>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("!(self.name in ['MASTER_ADDR', 'MASTER_PORT', 'WORLD_SIZE', 'RANK', 'LOCAL_RANK', \
            'NODE_RANK', 'LOCAL_WORLD_SIZE']) && (!self.name.startsWith('REAL_') || self.name == 'REAL_CACHE')")
        .message(Message::Expression("'name (\"' + self.name + '\") is reserved: the operator sets MASTER_ADDR, \
            MASTER_PORT, WORLD_SIZE, RANK, LOCAL_RANK, NODE_RANK, LOCAL_WORLD_SIZE and REAL_* except REAL_CACHE'".into()))
        .field_path(".name"),
    Rule::new("!(has(self.value) && has(self.valueFrom))")
        .message("at most one of value and valueFrom may be set"),
]))]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value; empty where neither this nor `valueFrom` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32_768), regex(pattern = r"^[^\x00]*$"))]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}

/// Source of an environment variable: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.secretKeyRef) != has(self.configMapKeyRef)")
    .message("exactly one of secretKeyRef and configMapKeyRef must be set"),
]))]
pub struct EnvVarSource {
    /// A key of a Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySelector>,
    /// A key of a `ConfigMap` of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySelector>,
}

/// A key of a Secret or `ConfigMap`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySelector {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub name: String,
    /// Key in it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
    /// Whether the pod may start without it.
    #[serde(default)]
    pub optional: bool,
}
