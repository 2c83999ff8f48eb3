//! The objects that a pool is made of.

pub mod autoscaler;
mod network;
mod workload;

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use real_crds::v1alpha1::{RewardPool, ScalingMode};

use super::{Child, Fleet, Settings};
use crate::labels;

/// Annotation of a Deployment: who sets its `replicas`, [`BY_OPERATOR`] or [`BY_AUTOSCALER`].
pub const REPLICAS_BY: &str = "real-rl.dev/replicas-by";
/// The operator, in modes `operator` and `manual`.
pub const BY_OPERATOR: &str = "operator";
/// A `HorizontalPodAutoscaler`, of ours or of KEDA's.
pub const BY_AUTOSCALER: &str = "autoscaler";

/// What decides about the children besides the pool's spec.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// What is the same for all pools.
    pub settings: &'a Settings,
    /// Replicas of the detectors and of the sandboxes, where the operator sets them.
    pub replicas: [u32; 2],
    /// Whether a job or sweep uses the pool.
    pub in_use: bool,
    /// Whether the cluster has KEDA.
    pub keda_available: bool,
    /// Whether sandboxes may be made: not under a runtime class that does not exist.
    pub sandboxes: bool,
}

/// All children that there should be, in the order in which they are to be applied: a fleet's pods never start before
/// the policy that shuts them off.
pub fn wanted(pool: &RewardPool, circumstances: &Circumstances) -> Vec<Child> {
    let mut children = vec![Child::ServiceAccount(service_account(pool))];
    let runs = |fleet| fleet == Fleet::Detector || circumstances.sandboxes;
    for fleet in Fleet::ALL {
        children.push(Child::NetworkPolicy(network::policy(pool, fleet, circumstances.settings)));
        children.extend(network::services(pool, fleet).map(|service| Child::Service(Box::new(service))));
        children.push(Child::PodDisruptionBudget(disruption_budget(pool, fleet)));
    }
    for (fleet, replicas) in Fleet::ALL.into_iter().zip(circumstances.replicas).filter(|(fleet, _)| runs(*fleet)) {
        let replicas = by_operator(pool).then_some(replicas);
        children.push(Child::Deployment(Box::new(workload::deployment(pool, fleet, replicas, circumstances.settings))));
    }
    for fleet in Fleet::ALL.into_iter().filter(|fleet| runs(*fleet)) {
        match pool.spec.scaling.mode {
            ScalingMode::HorizontalPodAutoscaler => {
                let autoscaler = autoscaler::horizontal(pool, fleet, circumstances.in_use);
                children.push(Child::HorizontalPodAutoscaler(Box::new(autoscaler)));
            }
            ScalingMode::Keda if circumstances.keda_available => {
                let object = autoscaler::scaled_object(pool, fleet, circumstances.in_use, circumstances.settings);
                children.push(Child::ScaledObject(Box::new(object)));
            }
            ScalingMode::Keda | ScalingMode::Operator | ScalingMode::Manual => {}
        }
    }
    children
}

/// Whether the operator sets `replicas` of the Deployments. There is never a second writer.
pub fn by_operator(pool: &RewardPool) -> bool {
    matches!(pool.spec.scaling.mode, ScalingMode::Operator | ScalingMode::Manual)
}

/// Name of the account of all pods of a pool.
pub fn service_account_name(pool: &RewardPool) -> String {
    format!("{}-pool", pool.name_any())
}

/// No right is ever bound to it, and no token is mounted.
fn service_account(pool: &RewardPool) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(pool, service_account_name(pool), None),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

fn disruption_budget(pool: &RewardPool, fleet: Fleet) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(pool, fleet.name_in(&pool.name_any()), Some(fleet)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(pool.spec.disruption.max_unavailable.clone()),
            selector: Some(selector(pool, fleet)),
            // A pod that is not ready serves nobody; it must not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

fn selector(pool: &RewardPool, fleet: Fleet) -> LabelSelector {
    LabelSelector { match_labels: Some(fleet.selector(&pool.name_any())), ..LabelSelector::default() }
}

fn labels_of(pool: &RewardPool, fleet: Option<Fleet>) -> BTreeMap<String, String> {
    let mut labels = fleet.map(|fleet| fleet.selector(&pool.name_any())).unwrap_or_default();
    labels.insert(labels::POOL.to_owned(), pool.name_any());
    labels.insert(labels::MANAGED_BY.to_owned(), labels::OPERATOR.to_owned());
    labels
}

fn metadata(pool: &RewardPool, name: String, fleet: Option<Fleet>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: pool.namespace(),
        labels: Some(labels_of(pool, fleet)),
        owner_references: Some(vec![OwnerReference {
            api_version: RewardPool::api_version(&()).into_owned(),
            kind: RewardPool::kind(&()).into_owned(),
            name: pool.name_any(),
            uid: pool.uid().unwrap_or_default(),
            controller: Some(true),
            // Where admission guards it, that would need a right on the pool's finalizers.
            block_owner_deletion: None,
        }]),
        ..ObjectMeta::default()
    }
}
