//! How a fleet is reached, and by whom alone.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Service, ServicePort, ServiceSpec},
    networking::v1::{
        NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
};
use k8s_openapi::apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString};
use kube::ResourceExt;
use real_crds::v1alpha1::RewardPool;

use super::{Fleet, Settings, metadata, selector};
use crate::labels;

/// Set by Kubernetes on every namespace; its value is the name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A Service with one address, for clients of any kind, and a headless one for trainers, which spread over the pods that
/// its name resolves to. A Service's address would leave them on the replicas that their kept connections happen to lead
/// to. Only ready pods are published, so one that ends is no longer found before it stops.
pub(super) fn services(pool: &RewardPool, fleet: Fleet) -> [Service; 2] {
    let service = |name: String, cluster_ip: Option<&str>| Service {
        metadata: metadata(pool, name, Some(fleet)),
        spec: Some(ServiceSpec {
            cluster_ip: cluster_ip.map(str::to_owned),
            ports: Some(vec![ServicePort {
                name: Some("http".into()),
                port: labels::HTTP_PORT,
                target_port: Some(IntOrString::String("http".into())),
                protocol: Some("TCP".into()),
                ..ServicePort::default()
            }]),
            selector: Some(fleet.selector(&pool.name_any())),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    [service(fleet.name_in(&pool.name_any()), None), service(fleet.headless_in(&pool.name_any()), Some("None"))]
}

/// Nothing may leave a fleet, not even a question to DNS, and only trainers and evaluators of the namespace and the operator
/// may enter, by one port.
pub(super) fn policy(pool: &RewardPool, fleet: Fleet, settings: &Settings) -> NetworkPolicy {
    let labelled = |key: &str, value: &str| LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        ..LabelSelector::default()
    };
    let clients = |component| NetworkPolicyPeer {
        pod_selector: Some(labelled(labels::COMPONENT, component)),
        ..NetworkPolicyPeer::default()
    };
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(labelled(NAMESPACE_NAME, &settings.namespace)),
        ..NetworkPolicyPeer::default()
    };
    NetworkPolicy {
        metadata: metadata(pool, fleet.name_in(&pool.name_any()), Some(fleet)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(pool, fleet)),
            // Named without a rule: all egress is denied.
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![clients(labels::TRAINER), clients(labels::EVALUATOR), operator]),
                ports: Some(vec![NetworkPolicyPort {
                    port: Some(IntOrString::Int(labels::HTTP_PORT)),
                    protocol: Some("TCP".into()),
                    ..NetworkPolicyPort::default()
                }]),
            }]),
            egress: Some(Vec::new()),
        }),
    }
}
