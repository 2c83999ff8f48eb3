//! The two fleets of a pool.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use real_crds::Endpoints;
use real_crds::v1alpha1::{PodPatch, Replicas, Resources, RewardPoolRef, RewardPoolSpec};
use serde::Serialize;

use crate::labels;

/// One of the fleets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fleet {
    /// Program analysis.
    Detector,
    /// Unit tests.
    Sandbox,
}

impl Fleet {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Detector, Self::Sandbox];

    /// Value of the component label, and the word in names and messages.
    pub fn component(self) -> &'static str {
        match self {
            Self::Detector => labels::DETECTOR,
            Self::Sandbox => labels::SANDBOX,
        }
    }

    /// Name of the fleet's Deployment, Service, `NetworkPolicy`, `PodDisruptionBudget` and autoscaler.
    pub fn name_in(self, pool: &str) -> String {
        format!("{pool}-{}", self.component())
    }

    /// Name of the headless Service, which resolves to the address of each pod that is ready.
    pub fn headless_in(self, pool: &str) -> String {
        format!("{}-pods", self.name_in(pool))
    }

    /// Labels that the fleet's pods and nothing else has.
    pub fn selector(self, pool: &str) -> BTreeMap<String, String> {
        [(labels::POOL, pool), (labels::COMPONENT, self.component())]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// Whether a pod of the pool is this fleet's.
    pub fn owns(self, pod: &Pod) -> bool {
        pod.labels().get(labels::COMPONENT).is_some_and(|component| component == self.component())
    }

    /// [`Self::selector`] as `/scale` and `kubectl get pods -l` take it.
    pub fn selector_text(self, pool: &str) -> String {
        let pairs: Vec<_> = self.selector(pool).iter().map(|(key, value)| format!("{key}={value}")).collect();
        pairs.join(",")
    }

    /// Bounds of automatic scaling.
    pub fn bounds(self, spec: &RewardPoolSpec) -> &Replicas {
        match self {
            Self::Detector => &spec.detector.scaling,
            Self::Sandbox => &spec.sandbox.scaling,
        }
    }

    /// Replicas that a manually scaled fleet has.
    pub fn manual(self, spec: &RewardPoolSpec) -> u32 {
        let given = match self {
            Self::Detector => spec.detector.replicas,
            Self::Sandbox => spec.sandbox.replicas,
        };
        given.unwrap_or(self.bounds(spec).min_replicas)
    }

    /// Requests that a replica works on at once.
    pub fn concurrency(self, spec: &RewardPoolSpec) -> u64 {
        match self {
            Self::Detector => spec.detector.concurrency_per_replica,
            Self::Sandbox => spec.sandbox.concurrency_per_replica,
        }
    }

    /// Changes to the pods.
    pub fn patch(self, spec: &RewardPoolSpec) -> Option<&PodPatch> {
        match self {
            Self::Detector => spec.detector.pod_patch.as_ref(),
            Self::Sandbox => spec.sandbox.pod_patch.as_ref(),
        }
    }

    /// Requests and limits of a replica.
    pub fn resources(self, spec: &RewardPoolSpec) -> Option<&Resources> {
        match self {
            Self::Detector => spec.detector.resources.as_ref(),
            Self::Sandbox => spec.sandbox.resources.as_ref(),
        }
    }

    /// Image, where the pool names one.
    pub fn image(self, spec: &RewardPoolSpec) -> Option<&str> {
        match self {
            Self::Detector => spec.detector.image.as_deref(),
            Self::Sandbox => spec.sandbox.image.as_deref(),
        }
    }
}

/// The headless Services of a pool: clients spread over the replicas that are there, also those that come later.
pub(crate) fn endpoints(namespace: &str, pool: Option<&RewardPoolRef>) -> Endpoints {
    let Some(pool) = pool else { return Endpoints::default() };
    let url =
        |fleet: Fleet| vec![format!("http://{}.{namespace}.svc:{}", fleet.headless_in(&pool.name), labels::HTTP_PORT)];
    Endpoints { detectors: url(Fleet::Detector), sandboxes: url(Fleet::Sandbox) }
}
