//! How an attempt ended, told from its Job, its pods and their last words.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
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
    /// Exit code 2 as well: losses or gradients stopped being finite, and would again.
    Diverged,
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
            Self::Diverged => "Diverged",
            Self::Preempted => "Preempted",
            Self::Checkpointed => "Checkpointed",
            Self::OutOfMemory => "OutOfMemory",
            Self::Hung => "Hung",
            Self::StartDeadlineExceeded => "StartDeadlineExceeded",
            Self::TrainerFailed => "TrainerFailed",
        }
    }

    /// Whether this, said by the Job, counts more than `seen`, told from a pod that may have been `stopped` because of another.
    fn outranks(self, seen: Self, stopped: bool) -> bool {
        match self {
            Self::InvalidConfig => seen != Self::Diverged,
            Self::Preempted => !matches!(seen, Self::InvalidConfig | Self::Diverged),
            _ => stopped,
        }
    }
}

/// How the attempt of `job` with `pods` ended; `None` while it has not.
pub(super) fn ending(job: &Job, pods: &[&Pod]) -> Option<Ending> {
    let time = |condition: &JobCondition| {
        condition
            .last_transition_time
            .as_ref()
            .or(job.metadata.creation_timestamp.as_ref())
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    };
    if let Some(complete) = met(job, "Complete") {
        return Some(Ending::Complete { at: time(complete) });
    }
    let failed = met(job, "Failed")?;
    let (cause, message) = failure(job, pods, failed);
    Some(Ending::Failed { at: time(failed), cause, message })
}

/// Why the attempt of `job` is about to fail: the pods that are left are being stopped.
pub(super) fn failing(job: &Job, pods: &[&Pod]) -> Option<String> {
    met(job, "FailureTarget").map(|target| failure(job, pods, target).1)
}

fn met<'a>(job: &'a Job, type_: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// What failed, by the pods and by what the Job says of them.
fn failure(job: &Job, pods: &[&Pod], condition: &JobCondition) -> (Cause, String) {
    let said = from_message(condition.reason.as_deref(), condition.message.as_deref());
    let Some(first) = first_failure(pods) else {
        return said.unwrap_or_else(|| (Cause::TrainerFailed, told(condition.message.as_deref(), job)));
    };
    let seen = first.describe();
    if first.stopped()
        && seen.0 == Cause::TrainerFailed
        && job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
    {
        return (Cause::Preempted, format!("{} lost its quota; {}", job.name_any(), seen.1));
    }
    match said {
        // The Job has seen every pod; here one may be missing, gone by now or not known yet.
        Some(said) if said.0 != seen.0 && said.0.outranks(seen.0, first.stopped()) => said,
        _ => seen,
    }
}

/// A pod that failed.
struct Failure<'a> {
    pod: &'a Pod,
    rank: u32,
    terminated: Option<&'a ContainerStateTerminated>,
    disrupted: Option<Disruption<'a>>,
}

/// The pod that failed first: the others failed or were stopped because of it.
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
            let invalid = failure.code() == Some(INVALID_CONFIG);
            // Ranks that were told to stop end after the one whose failure is told here, but times have only seconds.
            (!invalid, failure.stopped(), failure.since().unwrap_or(Timestamp::MAX), failure.rank)
        })
}

impl Failure<'_> {
    fn code(&self) -> Option<i32> {
        self.terminated.map(|terminated| terminated.exit_code)
    }

    /// Whether it ended because it was told to, and not by a disruption.
    fn stopped(&self) -> bool {
        self.disrupted.is_none() && matches!(self.code(), Some(CHECKPOINTED | TERMINATED))
    }

    /// When it began to fail: a disrupted rank takes its time to end, and its peers fail meanwhile.
    fn since(&self) -> Option<Timestamp> {
        let disrupted = self.disrupted.as_ref().and_then(|disruption| disruption.since);
        disrupted.or_else(|| Some(self.terminated?.finished_at.as_ref()?.0))
    }

    fn describe(&self) -> (Cause, String) {
        let who = format!("rank {} ({})", self.rank, self.pod.name_any());
        if self.code() == Some(INVALID_CONFIG) {
            if self.last_words().is_some_and(|words| words.reason.as_deref() == Some(Cause::Diverged.reason())) {
                return (Cause::Diverged, format!("{who}{}", self.words()));
            }
            return (Cause::InvalidConfig, format!("{who} cannot run this configuration{}", self.words()));
        }
        if let Some(Disruption { reason, message, .. }) = &self.disrupted {
            let colon = if message.is_empty() { "" } else { ": " };
            return (Cause::Preempted, format!("{who} was disrupted: {reason}{colon}{message}"));
        }
        // Said by the kubelet, where it was the kubelet that ended the pod.
        let status = self.pod.status.as_ref();
        let why =
            [status.and_then(|status| status.reason.as_deref()), status.and_then(|status| status.message.as_deref())];
        let why = why.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        let Some(terminated) = self.terminated else {
            let cause = if why.contains("NodeLost") { Cause::Preempted } else { Cause::TrainerFailed };
            let why = if why.is_empty() { "the kubelet gave no reason" } else { &why };
            return (cause, format!("{who} failed: {why}"));
        };
        if terminated.reason.as_deref() == Some("OOMKilled") {
            return (
                Cause::OutOfMemory,
                format!(
                    "{who} was killed: out of memory (its limit is in spec.trainer.resourcesPerNode, which can be changed while \
                     spec.suspend is true)"
                ),
            );
        }
        let message = match terminated.exit_code {
            CHECKPOINTED => return (Cause::Checkpointed, format!("{who} was asked to stop and wrote a checkpoint")),
            KILLED if !why.is_empty() => format!("{who} was killed: {why}"),
            KILLED => format!("{who} was killed (SIGKILL){}", self.words()),
            code => format!("{who} ended with exit code {code}{}", self.words()),
        };
        (Cause::TrainerFailed, message)
    }

    fn last_words(&self) -> Option<LastWords> {
        serde_json::from_str(self.terminated?.message.as_deref()?).ok()
    }

    /// What the trainer said last, or the end of its log.
    fn words(&self) -> String {
        let said = self.terminated.and_then(|terminated| terminated.message.as_deref()).unwrap_or_default();
        let said = match self.last_words() {
            Some(words) => words.message,
            None => said.lines().last().unwrap_or_default().trim().to_owned(),
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

/// The trainer's container of a pod.
pub(super) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_deref()?.iter().find(|status| status.name == CONTAINER)
}

/// How the trainer's container of a pod ended.
pub(crate) fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    container(pod)?.state.as_ref()?.terminated.as_ref()
}

/// How the trainer of a pod ended before it was started again there, as the status of its container has it.
pub(super) fn ended_before(pod: &Pod, status: &ContainerStatus) -> Option<(Cause, String)> {
    let terminated = status.last_state.as_ref()?.terminated.as_ref()?;
    let rank = index(pod).unwrap_or_default();
    Some(Failure { pod, rank, terminated: Some(terminated), disrupted: None }.describe())
}

/// What took a pod away.
struct Disruption<'a> {
    reason: &'a str,
    message: &'a str,
    since: Option<Timestamp>,
}

/// Why a pod was disrupted (preempted, evicted, drained, its node lost).
fn disruption(pod: &Pod) -> Option<Disruption<'_>> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    let target =
        conditions.iter().find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")?;
    Some(Disruption {
        reason: target.reason.as_deref().unwrap_or_default(),
        message: target.message.as_deref().unwrap_or_default(),
        since: target.last_transition_time.as_ref().map(|time| time.0),
    })
}
