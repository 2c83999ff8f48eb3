//! How far the pods of an attempt are.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::ending::container;
use super::observed::index;
use crate::hindrance::{phase, stuck, unscheduled};

/// State of the pods of one attempt, the most hindering first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gang {
    /// The Job is suspended by its queue.
    Queued,
    /// The Job has made no pods.
    NoPods,
    /// A pod has no node.
    Unscheduled { reason: &'static str, message: String },
    /// A container cannot be started.
    Stuck { reason: String, message: String },
    /// Pods are on their way.
    Starting,
    /// All pods run.
    Running,
}

/// The state of the gang of `job`, which wants `nodes` pods.
pub(super) fn gang(job: &Job, pods: &[&Pod], nodes: u64) -> Gang {
    if job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) {
        return Gang::Queued;
    }
    let alive: Vec<&&Pod> = pods.iter().filter(|pod| !is_over(pod)).collect();
    if pods.is_empty() {
        return Gang::NoPods;
    }
    let rank = |pod: &Pod, why: String| format!("rank {} ({}): {why}", index(pod).unwrap_or_default(), pod.name_any());
    if let Some((pod, (reason, why))) = alive.iter().find_map(|pod| Some((pod, unscheduled(pod)?))) {
        return Gang::Unscheduled { reason, message: rank(pod, why) };
    }
    if let Some((pod, (reason, why))) = alive.iter().find_map(|pod| Some((pod, stuck(pod)?))) {
        return Gang::Stuck { reason, message: rank(pod, why) };
    }
    // Ranks that are done already still belong to a gang that runs.
    let running = pods.iter().filter(|pod| is_running(pod) || phase(pod) == Some("Succeeded")).count();
    if running as u64 >= nodes { Gang::Running } else { Gang::Starting }
}

/// Whether a pod's containers have ended for good.
pub(crate) fn is_over(pod: &Pod) -> bool {
    matches!(phase(pod), Some("Succeeded" | "Failed"))
}

/// Whether a pod's trainer runs, as far as anybody knows: of one that is being deleted, nobody does.
pub(crate) fn is_running(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && phase(pod) == Some("Running")
        && container(pod).is_some_and(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()))
}

/// Since when the node of a pod that runs is not heard of. The control plane then takes back that the pod is ready, and leaves what
/// the kubelet last said of its containers.
pub(super) fn cut_off(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let is = |type_: &str, status: &str| conditions.iter().find(|one| one.type_ == type_ && one.status == status);
    let since = is("Ready", "False").filter(|_| is_running(pod) && is("ContainersReady", "True").is_some())?;
    since.last_transition_time.as_ref().map(|time| time.0)
}
