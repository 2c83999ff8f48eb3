//! What may be changed in the pods the operator makes. A whitelist, not an embedded pod template: everything here but
//! `hostNetwork` is compatible with Pod Security `restricted`, and the definitions stay small enough for a plain `kubectl apply`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EnvVar, Quantity, Resources, SecretRef, rules};

/// Changes to pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("!has(self.labels) || self.labels.all(key, !key.startsWith('real-rl.dev/') \
        && !key.startsWith('batch.kubernetes.io/'))")
    .message("labels must not begin with real-rl.dev/ or batch.kubernetes.io/: the operator sets those")
    .field_path(".labels"),
    rules::label_values("labels"),
    rules::label_values("nodeSelector"),
    Rule::new("!has(self.volumes) || self.volumes.all(one, self.volumes.exists_one(other, \
        other.mountPath == one.mountPath))")
    .message("two volumes have the same mountPath")
    .field_path(".volumes"),
]))]
pub struct PodPatch {
    /// Further labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 63})))]
    pub labels: BTreeMap<String, String>,
    /// Further annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// Labels a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = serde_json::json!({"type": "string", "maxLength": 63})))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,
    /// Affinity to nodes and other pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Priority class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub priority_class_name: Option<String>,
    /// Runtime class, such as `nvidia` or `kata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub runtime_class_name: Option<String>,
    /// Scheduler; one that places the pods of a job all together or not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub scheduler_name: Option<String>,
    /// Service account; one without any API rights is made where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub service_account_name: Option<String>,
    /// Secrets to pull images with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<SecretRef>,
    /// How pods are spread over nodes and zones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Users and groups of the pod; 65534 for all where absent. Of a security context that is given, what is left out is left to
    /// the cluster, which may have ranges of its own (OpenShift).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodUsers>,
    /// Whether the pod shares the node's network, as some fabrics need. Pod Security `restricted` and `baseline` forbid it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// DNS policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<DnsPolicy>,
    /// DNS servers and options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<DnsConfig>,
    /// Devices by dynamic resource allocation, which the main container may use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub resource_claims: Vec<ResourceClaim>,
    /// `ConfigMap`s and Secrets whose keys become variables of the main container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub env_from: Vec<EnvFrom>,
    /// Containers that run to their end before the main one starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub init_containers: Vec<Helper>,
    /// Containers that start before the main one, run beside it and end with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sidecars: Vec<Helper>,
    /// Further volumes, each mounted at one place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,
}

/// A volume and the place it is mounted at; exactly one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("(has(self.persistentVolumeClaim) ? 1 : 0) + (has(self.configMap) ? 1 : 0) \
            + (has(self.secret) ? 1 : 0) + (has(self.emptyDir) ? 1 : 0) == 1")
        .message("exactly one of persistentVolumeClaim, configMap, secret and emptyDir must be set"),
    Rule::new("!self.name.startsWith('real-')")
        .message(Message::Expression("'name (\"' + self.name + '\") must not begin with real-: the operator uses it'".into()))
        .field_path(".name"),
    Rule::new("!self.mountPath.matches('^/+(tmp|etc/+real|mnt/+real|var/+lib/+real)(/|$)')")
        .message(Message::Expression("'mountPath (\"' + self.mountPath + '\") must not be in /tmp, /etc/real, /mnt/real or \
            /var/lib/real: the operator uses them'".into()))
        .field_path(".mountPath"),
    Rule::new("!self.mountPath.matches('/(/|[.][.]?(/|$))|/$')")
        .message(Message::Expression("'mountPath (\"' + self.mountPath + '\") must be written without //, . and .. as a part and \
            without / at its end'".into()))
        .field_path(".mountPath"),
    Rule::new("!self.mountPath.matches('^/((bin|boot|lib[0-9]*|proc|sbin|sys|usr)(/.*)?|dev|dev/pts|etc|home|mnt|opt|root|run|\
            var|var/lib)$')")
        .message(Message::Expression("'mountPath (\"' + self.mountPath + '\") would hide a part of the image that its programs \
            need: choose a folder of its own, such as /data'".into()))
        .field_path(".mountPath"),
]))]
pub struct Volume {
    /// Name of the volume; unique within the pod.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Absolute path it is mounted at.
    #[schemars(length(min = 2, max = 1024), regex(pattern = r"^/[^:]+$"))]
    pub mount_path: String,
    /// Whether it cannot be written to.
    #[serde(default)]
    pub read_only: bool,
    /// A claim of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<super::ClaimStorage>,
    /// A `ConfigMap` of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,
    /// A Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,
    /// An empty folder that lives as long as the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolume>,
}

/// A `ConfigMap` as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapVolume {
    /// Name of the `ConfigMap`.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub name: String,
}

/// A Secret as files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub secret_name: String,
}

/// An empty folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct EmptyDirVolume {
    /// `Memory` for a file system in memory; the node's disk where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^Memory$"))]
    pub medium: Option<String>,
    /// Most it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,
}

/// Users and groups of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PodUsers {
    /// User of all containers; never root.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,
    /// Their group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: Option<i64>,
    /// Group that volumes belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub fs_group: Option<i64>,
    /// Further groups of the containers' user.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(range(min = 1, max = 2_147_483_647)))]
    pub supplemental_groups: Vec<i64>,
}

/// Where a pod's names are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DnsPolicy {
    /// As the node does.
    Default,
    /// In the cluster first.
    ClusterFirst,
    /// In the cluster first, for pods on the node's network too.
    ClusterFirstWithHostNet,
    /// As `dnsConfig` says alone.
    None,
}

/// DNS servers and options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DnsConfig {
    /// Addresses of servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3), inner(length(max = 64)))]
    pub nameservers: Vec<String>,
    /// Domains that are tried for short names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 255)))]
    pub searches: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub options: Vec<DnsOption>,
}

/// An option of the resolver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsOption {
    /// Its name, such as `ndots`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub value: Option<String>,
}

/// A claim of devices: exactly one of the sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.resourceClaimName) != has(self.resourceClaimTemplateName)")
    .message("exactly one of resourceClaimName and resourceClaimTemplateName must be set"),
]))]
pub struct ResourceClaim {
    /// Name within the pod.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// A claim that all pods share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub resource_claim_name: Option<String>,
    /// A template that each pod gets a claim from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub resource_claim_template_name: Option<String>,
}

/// A source of variables: exactly one of the objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.configMapRef) != has(self.secretRef)")
    .message("exactly one of configMapRef and secretRef must be set"),
]))]
pub struct EnvFrom {
    /// What the variables' names begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z_.-][A-Za-z0-9_.-]*$"))]
    pub prefix: Option<String>,
    /// A `ConfigMap` of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<SecretRef>,
    /// A Secret of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A container beside the main one. It runs under the same restrictions and may write to the pod's volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("!(self.name in ['trainer', 'detector', 'sandbox']) && !self.name.startsWith('real-')")
        .message(Message::Expression("'name (\"' + self.name + '\") is the operator\\'s own'".into()))
        .field_path(".name"),
]))]
pub struct Helper {
    /// Name of the container.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its image.
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: String,
    /// What is run; the image's own where absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub args: Vec<String>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,
    /// Requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}
