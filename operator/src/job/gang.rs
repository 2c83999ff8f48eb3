//! How far the pods of an attempt are.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use super::attempt::CONTAINER;
use super::observed::index;

/// What a container waits for that does not pass by itself.
const STUCK: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// Why the scheduler finds no node for a pod.
pub(super) const UNSCHEDULABLE: &str = "Unschedulable";

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

/// What a pod that is on its way waits for, as far as its status says, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnItsWay {
    /// No scheduler has said anything of it.
    Unseen(Timestamp),
    /// It has a node, and none of its containers runs.
    OnItsNode(Timestamp),
}

/// What `pod` waits for; nothing where it runs, is over or leaves.
pub(crate) fn on_its_way(pod: &Pod) -> Option<OnItsWay> {
    if pod.metadata.deletion_timestamp.is_some() || phase(pod).is_some_and(|phase| phase != "Pending") {
        return None;
    }
    let status = pod.status.as_ref();
    let containers = status.into_iter().flat_map(|status| status.init_container_statuses.iter().flatten());
    let has_begun = |status: &ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    };
    if containers.into_iter().any(has_begun) {
        return None;
    }
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    match conditions.iter().find(|condition| condition.type_ == "PodScheduled") {
        None => pod.metadata.creation_timestamp.as_ref().map(|time| OnItsWay::Unseen(time.0)),
        Some(scheduled) if scheduled.status == "True" => {
            scheduled.last_transition_time.as_ref().map(|time| OnItsWay::OnItsNode(time.0))
        }
        Some(_) => None,
    }
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
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

fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_deref()?.iter().find(|status| status.name == CONTAINER)
}

fn unscheduled(pod: &Pod) -> Option<(&'static str, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let scheduled =
        conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let reason = scheduled.reason.as_deref()?;
    let reason = [UNSCHEDULABLE, "SchedulingGated"].into_iter().find(|known| *known == reason)?;
    let why = scheduled.message.as_deref().unwrap_or(reason);
    Some((reason, why.to_owned()))
}

fn stuck(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.filter_map(|status| status.state.as_ref()?.waiting.as_ref()).find_map(|waiting| {
        let reason = waiting.reason.as_deref().filter(|reason| STUCK.contains(reason))?;
        let message = waiting.message.as_deref().unwrap_or_default();
        Some((reason.to_owned(), if message.is_empty() { reason } else { message }.to_owned()))
    })
}

/// What a pod waits for that may not pass by itself: reason and message.
pub(crate) fn obstacle(pod: &Pod) -> Option<(String, String)> {
    let found = unscheduled(pod).map(|(reason, why)| (reason.to_owned(), why)).or_else(|| stuck(pod));
    found.map(|(reason, why)| (reason, format!("{}: {why}", pod.name_any())))
}
