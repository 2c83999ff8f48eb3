//! How an attempt ended, told from its Job, its pods and their last words.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::ResourceExt;
use real_crds::progress::LastWords;
use serde::Serialize;

use super::attempt::CONTAINER;
use super::observed::index;

/// Exit code of a trainer that was asked to stop and wrote a checkpoint.
pub(super) const CHECKPOINTED: i32 = 75;
/// Exit code of a trainer whose configuration cannot run.
pub(super) const INVALID_CONFIG: i32 = 2;
/// Exit codes of a process that ended because of SIGTERM or SIGKILL.
const TERMINATED: i32 = 143;
const KILLED: i32 = 137;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Ending {
    /// All steps are done.
    Complete {
        /// When.
        at: Timestamp,
    },
    /// Anything else.
    Failed {
        /// When.
        at: Timestamp,
        /// What it counts as.
        cause: Cause,
        /// A sentence for people.
        message: String,
    },
}

/// Why an attempt failed; decides what it counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Cause {
    /// Exit code 2: trying again would not help.
    InvalidConfig,
    /// A pod was preempted, evicted, or lost its node.
    Preempted,
    /// Exit code 75: someone asked it to stop, and it wrote a checkpoint.
    Checkpointed,
    /// A rank was killed for memory.
    OutOfMemory,
    /// No step within `progressDeadlineSeconds`.
    Hung,
    /// Not all pods ran within `startDeadlineSeconds`.
    StartDeadlineExceeded,
    /// Any other exit.
    TrainerFailed,
}

impl Cause {
    /// As a condition's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::InvalidConfig => "InvalidConfig",
            Self::Preempted => "Preempted",
            Self::Checkpointed => "Checkpointed",
            Self::OutOfMemory => "OutOfMemory",
            Self::Hung => "Hung",
            Self::StartDeadlineExceeded => "StartDeadlineExceeded",
            Self::TrainerFailed => "TrainerFailed",
        }
    }
}

/// How the attempt of `job` with `pods` ended; `None` while it has not.
pub(super) fn ending(job: &Job, pods: &[&Pod]) -> Option<Ending> {
    let conditions = job.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    let met = |type_: &str| conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True");
    let time = |condition: &k8s_openapi::api::batch::v1::JobCondition| {
        condition
            .last_transition_time
            .as_ref()
            .or(job.metadata.creation_timestamp.as_ref())
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    if let Some(complete) = met("Complete") {
        return Some(Ending::Complete { at: time(complete) });
    }
    let failed = met("Failed")?;
    let (cause, message) = first_failure(pods)
        .map(|failure| failure.describe())
        .or_else(|| from_message(failed.reason.as_deref(), failed.message.as_deref()))
        .unwrap_or_else(|| (Cause::TrainerFailed, told(failed.message.as_deref(), job)));
    Some(Ending::Failed { at: time(failed), cause, message })
}

/// A pod that failed.
struct Failure<'a> {
    pod: &'a Pod,
    rank: u32,
    terminated: Option<&'a ContainerStateTerminated>,
    /// Reason and message of a disruption.
    disrupted: Option<(String, String)>,
}

/// The pod that failed first: the others were stopped because of it.
fn first_failure<'a>(pods: &[&'a Pod]) -> Option<Failure<'a>> {
    pods.iter()
        .filter(|pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed"))
        .map(|pod| Failure {
            pod,
            rank: index(pod).unwrap_or_default(),
            terminated: terminated(pod),
            disrupted: disruption(pod),
        })
        .min_by_key(|failure| {
            let code = failure.terminated.map_or(0, |terminated| terminated.exit_code);
            // Ranks that were told to stop end after the one whose failure is told here, but times have only seconds.
            let stopped = matches!(code, CHECKPOINTED | TERMINATED) && failure.disrupted.is_none();
            let invalid = code == INVALID_CONFIG;
            let at = failure.terminated.and_then(|terminated| terminated.finished_at.as_ref()).map(|time| time.0);
            (!invalid, stopped, at.unwrap_or(Timestamp::MAX), failure.rank)
        })
}

impl Failure<'_> {
    fn describe(&self) -> (Cause, String) {
        let who = format!("rank {} ({})", self.rank, self.pod.name_any());
        let code = self.terminated.map(|terminated| terminated.exit_code);
        if code == Some(INVALID_CONFIG) {
            return (Cause::InvalidConfig, format!("{who} cannot run this configuration{}", self.words()));
        }
        if let Some((reason, message)) = &self.disrupted {
            return (
                Cause::Preempted,
                format!("{who} was disrupted: {reason}{}{message}", if message.is_empty() { "" } else { ": " }),
            );
        }
        let Some(terminated) = self.terminated else {
            let status = self.pod.status.clone().unwrap_or_default();
            let why = [status.reason, status.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
            let cause = if why.contains("NodeLost") { Cause::Preempted } else { Cause::TrainerFailed };
            return (
                cause,
                format!("{who} failed: {}", if why.is_empty() { "the kubelet gave no reason" } else { &why }),
            );
        };
        if terminated.reason.as_deref() == Some("OOMKilled") {
            return (
                Cause::OutOfMemory,
                format!("{who} was killed: out of memory (its limit is in spec.trainer.resourcesPerNode)"),
            );
        }
        let message = match terminated.exit_code {
            CHECKPOINTED => return (Cause::Checkpointed, format!("{who} was asked to stop and wrote a checkpoint")),
            KILLED => format!("{who} was killed (SIGKILL){}", self.words()),
            code => format!("{who} ended with exit code {code}{}", self.words()),
        };
        (Cause::TrainerFailed, message)
    }

    /// What the trainer said last, or the end of its log.
    fn words(&self) -> String {
        let said = self.terminated.and_then(|terminated| terminated.message.as_deref()).unwrap_or_default();
        let said = match serde_json::from_str::<LastWords>(said) {
            Ok(words) => words.message,
            Err(_) => said.lines().last().unwrap_or_default().trim().to_owned(),
        };
        if said.is_empty() { String::new() } else { format!(": {said}") }
    }
}

/// What the Job's condition says; all there is where the pods are gone. Matches `attempt::failure_policy`.
fn from_message(reason: Option<&str>, message: Option<&str>) -> Option<(Cause, String)> {
    let message = message?;
    if reason != Some("PodFailurePolicy") {
        return None;
    }
    let cause = if message.contains("DisruptionTarget") {
        Cause::Preempted
    } else if message.contains(&format!("exit code {INVALID_CONFIG} ")) {
        Cause::InvalidConfig
    } else if message.contains(&format!("exit code {CHECKPOINTED} ")) {
        Cause::Checkpointed
    } else {
        return None;
    };
    Some((cause, message.to_owned()))
}

fn told(message: Option<&str>, job: &Job) -> String {
    format!("{}: {}", job.name_any(), message.unwrap_or("the Job failed without a message"))
}

/// How the trainer's container of a pod ended.
pub(super) fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let statuses = pod.status.as_ref()?.container_statuses.as_deref()?;
    statuses.iter().find(|status| status.name == CONTAINER)?.state.as_ref()?.terminated.as_ref()
}

/// Why a pod was disrupted (preempted, evicted, drained, its node lost).
fn disruption(pod: &Pod) -> Option<(String, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let target =
        conditions.iter().find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
    Some((target.reason.clone().unwrap_or_default(), target.message.clone().unwrap_or_default()))
}
