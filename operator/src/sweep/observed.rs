//! What a plan is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};

use crate::hindrance::PodEvent;
use crate::job::Workload;
use crate::refusal::Refusal;

/// What the cluster holds of a sweep, and what concerns it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// All namespaces.
    pub namespaces: Vec<NamespaceSeen>,
    /// All training jobs of the namespaces that are watched.
    pub jobs: Vec<Arc<RealTrainingJob>>,
    /// Jobs of this sweep's cells.
    pub cells: Vec<Arc<Job>>,
    /// Pods of those Jobs.
    pub pods: Vec<Arc<Pod>>,
    /// What was last said of one of them that has a node and has got no further for long.
    pub pod_told: Option<PodEvent>,
    /// What Kueue says of those Jobs that it holds back, by name.
    pub workloads: BTreeMap<String, Workload>,
    /// Cells whose Jobs were created and which no watch has shown yet.
    pub started: BTreeSet<String>,
    /// The pool that the sweep refers to.
    pub pool: Option<RewardPool>,
    /// The other children.
    pub children: Children,
    /// The last write that the API server refused, until one succeeds.
    pub refused: Option<Refusal>,
    /// Whether the API server was asked just now about a cell's Job, and would take it.
    pub tried: bool,
    /// Whether the sweep waits for a queue of Kueue in a cluster that has no Kueue.
    pub without_kueue: bool,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether this operator watches it.
    pub watched: bool,
}

/// Children besides the Jobs, where they are there and controlled by this object.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// Service account.
    pub service_account: Option<ServiceAccount>,
    /// Network policy.
    pub network_policy: Option<NetworkPolicy>,
}
