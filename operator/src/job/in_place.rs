//! A trainer that fails is started again in its pod, where the cluster can (KEP-5307, container restart rules): its place on a node,
//! its image, its volumes and what it fetched are there already.
//!
//! Only where there is one pod. A rule is about the containers of one pod, and so is its action `RestartAllContainers` (KEP-5532):
//! nothing tells the other ranks of a gang, which would have to begin anew with it.
//!
//! Once: a kubelet that holds a second start back has seen two failures within ten minutes (`CrashLoopBackOff`). Then another
//! attempt follows, perhaps on another node.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerRestartRule, ContainerRestartRuleOnExitCodes, Pod};
use real_crds::v1alpha1::RealTrainingJob;

use super::attempt::{is_gang, starts_once};
use super::ending::{CHECKPOINTED, Cause, INVALID_CONFIG, container, ended_before};

/// The rules by which a kubelet starts the trainer of an attempt again; none where a failure has to end the attempt.
pub(super) fn rules(job: &RealTrainingJob, attempt: u32) -> Option<Vec<ContainerRestartRule>> {
    let failures = job.status.as_ref().and_then(|status| status.restarts.as_ref()).map_or(0, |known| known.failures);
    if is_gang(job) || starts_once(job, attempt) || failures >= job.spec.restart_policy.backoff_limit {
        return None;
    }
    let exit_codes = ContainerRestartRuleOnExitCodes {
        operator: "NotIn".to_owned(),
        values: Some(vec![0, INVALID_CONFIG, CHECKPOINTED]),
    };
    Some(vec![ContainerRestartRule { action: "Restart".to_owned(), exit_codes: Some(exit_codes) }])
}

/// What became of the trainer in a pod where it was started again, or is about to be.
#[derive(Debug)]
pub(super) struct InPlace {
    /// How often it was.
    pub(super) count: u32,
    /// What its last failure counts as, and a sentence about it.
    pub(super) cause: Cause,
    pub(super) message: String,
    /// Since when it runs again.
    pub(super) since: Option<Timestamp>,
    /// Whether the kubelet holds the next start back: it failed twice within a short time.
    pub(super) held_back: bool,
}

/// The pod among `pods` whose trainer was started again most often.
pub(super) fn in_place(pods: &[&Pod]) -> Option<InPlace> {
    pods.iter().filter_map(|pod| of(pod)).max_by_key(|found| found.count)
}

fn of(pod: &Pod) -> Option<InPlace> {
    let status = container(pod)?;
    let (cause, message) = ended_before(pod, status)?;
    let state = status.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref()).and_then(|waiting| waiting.reason.as_deref());
    Some(InPlace {
        count: u32::try_from(status.restart_count).unwrap_or(0),
        cause,
        message,
        since: state.and_then(|state| state.running.as_ref()?.started_at.as_ref()).map(|time| time.0),
        held_back: waiting == Some("CrashLoopBackOff"),
    })
}
