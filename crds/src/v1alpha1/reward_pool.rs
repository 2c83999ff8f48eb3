//! `RewardPool`: fleets of detectors and sandboxes.

use k8s_openapi::apimachinery::pkg::{apis::meta::v1::Condition, util::intstr::IntOrString};
use kube::{
    CustomResource,
    core::{Message, Rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PodPatch, Quantity, Resources, rules};

/// Fleets of detectors and sandboxes that judge answers, scaled by the work that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "real-rl.dev",
    version = "v1alpha1",
    kind = "RewardPool",
    plural = "rewardpools",
    singular = "rewardpool",
    shortname = "rwp",
    category = "real",
    namespaced,
    status = "RewardPoolStatus",
    derive = "PartialEq",
    doc = "Fleets of detectors and sandboxes that judge answers, scaled by the work that waits.",
    scale(
        spec_replicas_path = ".spec.sandbox.replicas",
        status_replicas_path = ".status.sandbox.replicas",
        label_selector_path = ".status.sandbox.selector"
    ),
    validation = Rule::new("size(self.metadata.name) <= 48").message(Message::Expression(
        "'metadata.name has %d characters, at most 48 are allowed: Services are named <name>-detector and <name>-sandbox'\
            .format([size(self.metadata.name)])".into()
    )),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(Message::Expression(
        "'metadata.name (\"' + self.metadata.name + '\") must be lower-case letters, digits and -, begin with a letter and end \
            with a letter or digit: it becomes the name of a Service'".into()
    )),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Detectors", type_ = "integer", json_path = ".status.detector.readyReplicas"),
    printcolumn(name = "Sandboxes", type_ = "integer", json_path = ".status.sandbox.readyReplicas"),
    printcolumn(name = "Queue", type_ = "integer", json_path = ".status.queue.depth"),
    printcolumn(name = "Jobs", type_ = "integer", json_path = ".status.consumers"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("self.scaling.mode == 'manual' || !has(self.sandbox.replicas)")
        .message("replicas may be set only with scaling.mode: manual").field_path(".sandbox.replicas"),
    Rule::new("self.scaling.mode == 'manual' || !has(self.detector.replicas)")
        .message("replicas may be set only with scaling.mode: manual").field_path(".detector.replicas"),
]))]
pub struct RewardPoolSpec {
    /// The detectors: program analysis and type checks.
    #[serde(default)]
    pub detector: Detector,
    /// The sandboxes: unit tests.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Limits of the queue before each fleet; beyond them requests are told to come back later.
    #[serde(default)]
    pub queue: QueueLimits,
    /// Who scales the fleets and by what.
    #[serde(default)]
    pub scaling: PoolScaling,
    /// How much of a fleet may be missing during voluntary disruptions.
    #[serde(default)]
    pub disruption: Disruption,
}

/// The detectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Detector {
    /// Container image; the operator's own version where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: Option<String>,
    /// Programs a replica analyses at once.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency_per_replica: u64,
    /// Requests and limits of a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Replicas, with `scaling.mode: manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10_000))]
    pub replicas: Option<u32>,
    /// Bounds of automatic scaling.
    pub scaling: Replicas,
    /// Changes to the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_patch: Option<PodPatch>,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            image: None,
            concurrency_per_replica: 16,
            resources: None,
            replicas: None,
            scaling: Replicas::default(),
            pod_patch: None,
        }
    }
}

/// The sandboxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Sandbox {
    /// Container image; the operator's own version where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), extend("x-kubernetes-validations" = [rules::image()]))]
    pub image: Option<String>,
    /// Tests a replica runs at once.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency_per_replica: u64,
    /// Requests and limits of a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Runtime class of the pods, such as `kata`; an absent class is reported, never ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [rules::object_name()]))]
    pub runtime_class_name: Option<String>,
    /// What must hold before code is run.
    pub isolation: Isolation,
    /// Limits of one test; a task's own limits count where they are lower.
    pub limits: SandboxLimits,
    /// Replicas, with `scaling.mode: manual`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 10_000))]
    pub replicas: Option<u32>,
    /// Bounds of automatic scaling.
    pub scaling: Replicas,
    /// Changes to the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_patch: Option<PodPatch>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            image: None,
            concurrency_per_replica: 4,
            resources: None,
            runtime_class_name: None,
            isolation: Isolation::default(),
            limits: SandboxLimits::default(),
            replicas: None,
            scaling: Replicas::default(),
            pod_patch: None,
        }
    }
}

/// Isolation of tested code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Isolation {
    /// Whether a sandbox that can isolate nothing refuses to run code.
    pub required: bool,
    /// Network of tested code.
    pub network: Network,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { required: true, network: Network::None }
    }
}

/// Network of tested code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// None, not even DNS.
    None,
}

/// Limits of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rules::whole_bytes_of("memory", "self.memory").field_path(".memory"),
]))]
pub struct SandboxLimits {
    /// Wall-clock seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub wall_seconds: u64,
    /// Memory.
    pub memory: Quantity,
    /// Processes and threads alive at once.
    #[schemars(range(min = 1, max = 4096))]
    pub pids: u64,
    /// Captured bytes of standard output, and of standard error.
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub output_bytes: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        Self { wall_seconds: 20, memory: Quantity("1Gi".to_owned()), pids: 96, output_bytes: 1 << 20 }
    }
}

/// Bounds of automatic scaling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("self.minReplicas <= self.maxReplicas")
        .message(Message::Expression("'minReplicas (%d) must not be more than maxReplicas (%d)'\
            .format([self.minReplicas, self.maxReplicas])".into()))
        .field_path(".minReplicas"),
    Rule::new("self.warmReplicas <= self.maxReplicas")
        .message(Message::Expression("'warmReplicas (%d) must not be more than maxReplicas (%d)'\
            .format([self.warmReplicas, self.maxReplicas])".into()))
        .field_path(".warmReplicas"),
]))]
pub struct Replicas {
    /// Fewest replicas; 0 lets an idle fleet go to nothing.
    #[schemars(range(max = 10_000))]
    pub min_replicas: u32,
    /// Most replicas.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_replicas: u32,
    /// Replicas that must be ready before a job that uses the pool starts.
    #[schemars(range(max = 10_000))]
    pub warm_replicas: u32,
}

impl Default for Replicas {
    fn default() -> Self {
        Self { min_replicas: 1, max_replicas: 50, warm_replicas: 1 }
    }
}

/// Limits of the queue before a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct QueueLimits {
    /// Most requests that wait.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_depth: u64,
    /// Longest wait in seconds.
    #[schemars(range(min = 1, max = 86_400))]
    pub max_age_seconds: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { max_depth: 20_000, max_age_seconds: 120 }
    }
}

/// Who scales the fleets and by what: desired = ⌈(waiting + running requests) / `targetQueueDepthPerReplica`⌉.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PoolScaling {
    /// Who scales: the `operator` itself, a `horizontalPodAutoscaler`, `keda`, or nobody (`manual`).
    pub mode: ScalingMode,
    /// Requests, waiting and running, that one replica is meant for.
    #[schemars(range(min = 1, max = 100_000))]
    pub target_queue_depth_per_replica: u64,
    /// Seconds of lower demand before replicas are taken away.
    #[schemars(range(max = 3600))]
    pub scale_down_stabilization_seconds: u64,
    /// Seconds without work or consumers before a fleet goes to zero.
    #[schemars(range(min = 1, max = 604_800))]
    pub idle_seconds: u64,
}

impl Default for PoolScaling {
    fn default() -> Self {
        Self {
            mode: ScalingMode::Operator,
            target_queue_depth_per_replica: 8,
            scale_down_stabilization_seconds: 300,
            idle_seconds: 600,
        }
    }
}

/// Who scales the fleets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ScalingMode {
    /// The operator's own loop.
    Operator,
    /// A `HorizontalPodAutoscaler` on an external metric.
    HorizontalPodAutoscaler,
    /// A KEDA `ScaledObject`.
    Keda,
    /// Nobody: `replicas` of each fleet.
    Manual,
}

/// How much of a fleet may be missing during voluntary disruptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Disruption {
    /// Number or percentage of replicas, such as `25%`.
    #[schemars(extend("minimum" = 0, "maxLength" = 4, "pattern" = "^(100|[1-9]?[0-9])%$"))]
    pub max_unavailable: IntOrString,
}

impl Default for Disruption {
    fn default() -> Self {
        Self { max_unavailable: IntOrString::String("25%".to_owned()) }
    }
}

/// Status of a `RewardPool`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
// It has one writer: who owns which field of it need not be kept, field by field, in every version of the object.
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RewardPoolStatus {
    /// Generation of the spec this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `DetectorAvailable`, `SandboxAvailable`, `IsolationVerified`, `ScalingActive`, and kstatus's `Reconciling` and
    /// `Stalled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Base URL of the sandboxes' Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub endpoint: Option<String>,
    /// The detectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<FleetStatus>,
    /// The sandboxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<FleetStatus>,
    /// The work that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueStatus>,
    /// Jobs and sweeps that use the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<u32>,
}

/// Status of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct FleetStatus {
    /// Replicas that exist.
    pub replicas: u32,
    /// Replicas that are ready.
    pub ready_replicas: u32,
    /// Replicas that are wanted.
    pub desired_replicas: u32,
    /// Label selector of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
}

/// Status of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct QueueStatus {
    /// Requests that wait.
    pub depth: u64,
    /// Age of the oldest in seconds.
    pub oldest_seconds: u64,
    /// Tests and programs answered a second, by all pods together between the operator's last two looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub throughput_per_second: Option<String>,
    /// Requests told to come back later, ever.
    pub rejected_total: u64,
}
