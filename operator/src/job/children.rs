//! Children of a training job besides its attempts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use real_crds::v1alpha1::RealTrainingJob;

use super::attempt::is_gang;
use super::{Children, Names, Settings};
use crate::child::{Child, controller_of};
use crate::in_sync::in_sync;
use crate::labels::{self, HTTP_PORT, RENDEZVOUS_PORT};

/// Labels of everything that belongs to a job.
pub(super) fn labels(job: &RealTrainingJob) -> BTreeMap<String, String> {
    [(labels::MANAGED_BY, labels::OPERATOR), (labels::COMPONENT, labels::TRAINER), (labels::JOB, &job.name_any())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Metadata of a child.
pub(super) fn metadata(job: &RealTrainingJob, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: job.namespace(),
        labels: Some(labels(job)),
        owner_references: Some(vec![controller_of(job)]),
        ..ObjectMeta::default()
    }
}

/// Children that are missing or differ.
pub(super) fn out_of_sync(job: &RealTrainingJob, observed: &Children, settings: &Settings) -> Vec<Child> {
    let name = job.name_any();
    let names = Names(&name);
    let mut children = Vec::new();
    let wanted = service(job, &names);
    // A pod alone looks nobody up.
    if is_gang(job) && !observed.service.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.service.is_some()));
    }
    let wanted = network_policy(job, &names, &settings.namespace);
    if !observed.network_policy.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.network_policy.is_some()));
    }
    children
}

fn service(job: &RealTrainingJob, names: &Names<'_>) -> Service {
    let port = |name: &str, port| ServicePort { name: Some(name.to_owned()), port, ..ServicePort::default() };
    Service {
        metadata: metadata(job, names.service()),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // Ranks look each other up before any of them is ready.
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(job)),
            ports: Some(vec![port("rendezvous", RENDEZVOUS_PORT), port("http", HTTP_PORT)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn selector(job: &RealTrainingJob) -> BTreeMap<String, String> {
    BTreeMap::from([(labels::JOB.to_owned(), job.name_any())])
}

/// Ranks reach each other; the operator reaches the progress; nobody else reaches anything.
fn network_policy(job: &RealTrainingJob, names: &Names<'_>, operator_namespace: &str) -> NetworkPolicy {
    let matching =
        |labels: BTreeMap<String, String>| LabelSelector { match_labels: Some(labels), ..LabelSelector::default() };
    NetworkPolicy {
        metadata: metadata(job, names.network_policy()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(matching(selector(job))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    from: Some(vec![NetworkPolicyPeer {
                        pod_selector: Some(matching(selector(job))),
                        ..NetworkPolicyPeer::default()
                    }]),
                    ports: None,
                },
                NetworkPolicyIngressRule {
                    from: Some(vec![NetworkPolicyPeer {
                        namespace_selector: Some(matching(BTreeMap::from([(
                            "kubernetes.io/metadata.name".to_owned(),
                            operator_namespace.to_owned(),
                        )]))),
                        ..NetworkPolicyPeer::default()
                    }]),
                    ports: Some(vec![NetworkPolicyPort {
                        port: Some(IntOrString::Int(HTTP_PORT)),
                        protocol: Some("TCP".to_owned()),
                        end_port: None,
                    }]),
                },
            ]),
            egress: None,
        }),
    }
}
