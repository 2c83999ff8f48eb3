//! What was seen of a pool's surroundings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::Resource;
use kube::api::{DynamicObject, ObjectMeta};
use serde::Serialize;
use serde_json::json;

use super::child::{Kind, Seen};
use super::tally::Counts;
use super::{Fleet, ScalingMemory};
use crate::child::is_owned_by;
use crate::hindrance::PodEvent;
use crate::refusal::Refusal;

/// What was seen.
///
/// The lists hold what the pool controls, and what else has the name of one of its children: only then is a child of
/// somebody else found instead of overwritten.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Deployments.
    pub deployments: Vec<Deployment>,
    /// Services.
    pub services: Vec<Service>,
    /// Disruption budgets.
    pub pdbs: Vec<PodDisruptionBudget>,
    /// Network policies.
    pub network_policies: Vec<NetworkPolicy>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Pods of both fleets.
    pub pods: Vec<Arc<Pod>>,
    /// What was last said of those that have a node and have got no further for long, one of a fleet.
    pub told: Vec<PodEvent>,
    /// Autoscalers.
    pub hpas: Vec<HorizontalPodAutoscaler>,
    /// KEDA's scaled objects.
    pub scaled_objects: Vec<DynamicObject>,
    /// Whether the cluster has [`super::runtime_class`]; `None` where that is not known, or no class is asked for.
    pub runtime_class_exists: Option<bool>,
    /// Whether the cluster has KEDA.
    pub keda_available: bool,
    /// Who uses the pool.
    pub consumers: Consumers,
    /// What the fleets have to do.
    pub demand: Demand,
    /// [`super::Plan::memory`] of the plan before.
    pub memory: ScalingMemory,
    /// The last write, where the API server refused it.
    pub refused: Option<Refusal>,
}

/// Who uses a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumers {
    /// Jobs and sweeps that refer to the pool and are neither finished nor suspended.
    pub active: u32,
    /// Those among them that wait for the pool before they start their pods.
    pub starting: u32,
}

/// What the fleets have to do, as their pods say; `None` where none was asked or none answered yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The detectors.
    pub detector: Option<FleetLoad>,
    /// The sandboxes.
    pub sandbox: Option<FleetLoad>,
    /// When they were asked.
    pub at: Option<Timestamp>,
    /// What each pod that answered has counted, by uid.
    pub counts: BTreeMap<String, Counts>,
}

impl Demand {
    /// That of one fleet.
    pub fn of(&self, fleet: Fleet) -> Option<&FleetLoad> {
        match fleet {
            Fleet::Detector => self.detector.as_ref(),
            Fleet::Sandbox => self.sandbox.as_ref(),
        }
    }

    /// Isolation tiers of the sandboxes that answered, if any did.
    pub fn tiers(&self) -> Option<&BTreeSet<String>> {
        self.sandbox.as_ref().map(|load| &load.tiers).filter(|tiers| !tiers.is_empty())
    }
}

/// What a fleet has to do: sums over the pods that answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetLoad {
    /// Requests that wait.
    pub queued: u64,
    /// Requests that are worked on.
    pub in_flight: u64,
    /// Age of the oldest that waits, in seconds; the greatest of all pods.
    pub oldest_seconds: u64,
    /// Pods that answered.
    pub replies: u32,
    /// Pods that were asked.
    pub asked: u32,
    /// Isolation tiers that sandboxes reported, as in their `/v1/status`.
    pub tiers: BTreeSet<String>,
}

impl Observed {
    /// The fleet's Deployment, where the pool with this uid controls it.
    pub fn deployment(&self, name: &str, pool_uid: &str) -> Option<&Deployment> {
        let mut found = self.deployments.iter().filter(|object| object.metadata.name.as_deref() == Some(name));
        found.find(|object| is_owned_by(&object.metadata, pool_uid))
    }

    /// Whether there is an object of this kind and name that the pool with this uid controls.
    pub(crate) fn has(&self, kind: Kind, name: &str, pool_uid: &str) -> bool {
        fn any<K: Resource>(objects: &[K], name: &str, uid: &str) -> bool {
            let mut of_name = objects.iter().map(Resource::meta).filter(|meta| meta.name.as_deref() == Some(name));
            of_name.any(|meta| is_owned_by(meta, uid))
        }
        match kind {
            Kind::ServiceAccount => any(&self.service_accounts, name, pool_uid),
            Kind::NetworkPolicy => any(&self.network_policies, name, pool_uid),
            Kind::Service => any(&self.services, name, pool_uid),
            Kind::PodDisruptionBudget => any(&self.pdbs, name, pool_uid),
            Kind::Deployment => any(&self.deployments, name, pool_uid),
            Kind::HorizontalPodAutoscaler => any(&self.hpas, name, pool_uid),
            Kind::ScaledObject => any(&self.scaled_objects, name, pool_uid),
        }
    }

    /// Everything that was seen, in the order of kinds.
    pub(super) fn children(&self) -> Vec<Seen<'_>> {
        let mut seen = Vec::new();
        for object in &self.service_accounts {
            seen.push(of(Kind::ServiceAccount, &object.metadata, object));
        }
        for object in &self.network_policies {
            seen.push(of(Kind::NetworkPolicy, &object.metadata, object));
        }
        for object in &self.services {
            seen.push(of(Kind::Service, &object.metadata, object));
        }
        for object in &self.pdbs {
            seen.push(of(Kind::PodDisruptionBudget, &object.metadata, object));
        }
        for object in &self.deployments {
            seen.push(of(Kind::Deployment, &object.metadata, object));
        }
        for object in &self.hpas {
            seen.push(of(Kind::HorizontalPodAutoscaler, &object.metadata, object));
        }
        for object in &self.scaled_objects {
            let mut one = of(Kind::ScaledObject, &object.metadata, object);
            // Items of a list come without their type.
            one.json["apiVersion"] = json!("keda.sh/v1alpha1");
            one.json["kind"] = json!("ScaledObject");
            seen.push(one);
        }
        seen
    }
}

fn of<'a>(kind: Kind, metadata: &'a ObjectMeta, object: &impl Serialize) -> Seen<'a> {
    let json = serde_json::to_value(object).expect("an API object is plain data");
    Seen { kind, metadata, json }
}
