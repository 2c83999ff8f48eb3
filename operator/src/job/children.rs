//! Children of a training job besides its attempts.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use real_crds::render;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::json;

use super::attempt::config_name;
use super::{Children, Names, Settings};
use crate::child::{Child, controller_of};
use crate::in_sync::in_sync;
use crate::labels::{self, HTTP_PORT, RENDEZVOUS_PORT};
use crate::pool::endpoints;
use crate::source::in_the_pod;

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

/// Which configuration has to be there.
pub(super) enum Config<'a> {
    /// That of an attempt that is about to start, made from the spec as it is now. It is written whatever seems to be there:
    /// what a `ConfigMap` of that name holds is not known.
    Fresh(u32),
    /// The one that this attempt's pods mount. It stays as it is, and is made again only where it is gone.
    Kept(&'a Job),
}

/// Children that are missing or differ.
pub(super) fn out_of_sync(
    job: &RealTrainingJob,
    observed: &Children,
    which: &Config<'_>,
    settings: &Settings,
) -> Vec<Child> {
    let name = job.name_any();
    let names = Names(&name);
    let mut children = Vec::new();
    let wanted = service_account(job, &names);
    let own_account = job.spec.trainer.pod_patch.as_ref().is_none_or(|patch| patch.service_account_name.is_none());
    if own_account && !observed.service_account.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.service_account.is_some()));
    }
    let wanted = service(job, &names);
    if !observed.service.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.service.is_some()));
    }
    let wanted = network_policy(job, &names, &settings.namespace);
    if !observed.network_policy.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.network_policy.is_some()));
    }
    let known = |name: &String| observed.configs.iter().any(|there| there.name.as_ref() == Some(name));
    match which {
        Config::Fresh(attempt) => {
            let name = names.config(*attempt);
            let exists = known(&name);
            children.push(Child::new(&config(job, name), exists).immutable());
        }
        Config::Kept(attempt) => {
            let name = config_name(attempt);
            if !known(&name) {
                children.push(Child::new(&config(job, name), false).immutable());
            }
        }
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

fn service_account(job: &RealTrainingJob, names: &Names<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(job, names.service_account()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
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

/// `trainer.json` as the trainer reads it, and `spec.yaml` with every default filled in.
fn config(job: &RealTrainingJob, name: String) -> ConfigMap {
    let mut config = render(job, &endpoints(&job.namespace().unwrap_or_default(), job.spec.reward_pool_ref.as_ref()));
    config.model.uri = in_the_pod(&config.model.uri);
    for set in config.train.iter_mut().chain(&mut config.evaluation.suites) {
        set.uri = in_the_pod(&set.uri);
    }
    let resolved = json!({
        "apiVersion": real_crds::v1alpha1::API_VERSION,
        "kind": "RealTrainingJob",
        "metadata": { "name": job.name_any(), "namespace": job.namespace() },
        "spec": job.spec,
    });
    let data = BTreeMap::from([
        ("trainer.json".to_owned(), serde_json::to_string_pretty(&config).expect("plain data")),
        ("spec.yaml".to_owned(), serde_saphyr::to_string(&resolved).expect("plain data")),
    ]);
    // What ranks of one attempt read must be one text, and what ran must be seen afterwards.
    ConfigMap { metadata: metadata(job, name), data: Some(data), immutable: Some(true), ..ConfigMap::default() }
}
