//! Children of a sweep besides the Jobs of its cells.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;
use real_crds::v1alpha1::RealEvalSweep;

use super::observed::Children;
use super::plan::Names;
use crate::child::{Child, controller_of};
use crate::in_sync::in_sync;
use crate::labels;

/// Labels of everything that belongs to a sweep.
pub(super) fn labels(sweep: &RealEvalSweep) -> BTreeMap<String, String> {
    [(labels::MANAGED_BY, labels::OPERATOR), (labels::COMPONENT, labels::EVALUATOR), (labels::SWEEP, &sweep.name_any())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Metadata of a child.
pub(super) fn metadata(sweep: &RealEvalSweep, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(sweep.spec.run_namespace.clone()),
        labels: Some(labels(sweep)),
        owner_references: Some(vec![controller_of(sweep)]),
        ..ObjectMeta::default()
    }
}

/// Children that are missing or differ.
pub(super) fn out_of_sync(sweep: &RealEvalSweep, observed: &Children) -> Vec<Child> {
    let mut children = Vec::new();
    let wanted = service_account(sweep);
    let own = sweep.spec.evaluator.pod_patch.as_ref().is_none_or(|patch| patch.service_account_name.is_none());
    if own && !observed.service_account.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.service_account.is_some()));
    }
    let wanted = network_policy(sweep);
    if !observed.network_policy.as_ref().is_some_and(|there| in_sync(&wanted, there)) {
        children.push(Child::new(&wanted, observed.network_policy.is_some()));
    }
    children
}

fn service_account(sweep: &RealEvalSweep) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(sweep, Names(&sweep.name_any()).service_account()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Nobody has to reach a cell.
fn network_policy(sweep: &RealEvalSweep) -> NetworkPolicy {
    let pods = BTreeMap::from([(labels::SWEEP.to_owned(), sweep.name_any())]);
    NetworkPolicy {
        metadata: metadata(sweep, Names(&sweep.name_any()).network_policy()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(pods), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: None,
            egress: None,
        }),
    }
}
