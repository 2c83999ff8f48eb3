//! The lifecycle part of a status under construction.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::v1alpha1::{NodeCounts, Phase, RealTrainingJob, RealTrainingJobStatus};

use crate::conditions::{Conditions, is_true, whole_seconds};
use crate::event::{PlannedEvent, for_event};

/// Types of conditions.
pub(super) const ACCEPTED: &str = "Accepted";
pub(super) const POOL_READY: &str = "RewardPoolReady";
pub(super) const SCHEDULED: &str = "Scheduled";
pub(super) const RUNNING: &str = "Running";
pub(super) const SUSPENDED: &str = "Suspended";
pub(super) const COMPLETE: &str = "Complete";
pub(super) const FAILED: &str = "Failed";
pub(super) const IN_PLACE: &str = "RestartedInPlace";
pub(super) const WARNED: &str = "TrainerWarned";
pub(super) const REWARD_SUSPECT: &str = "RewardSuspect";
pub(super) const RECONCILING: &str = "Reconciling";
pub(super) const STALLED: &str = "Stalled";
/// Reason of a job whose attempt has a Job, and not all its pods yet.
pub(super) const ATTEMPT_STARTED: &str = "AttemptStarted";
/// Reason of a job that runs.
pub(super) const ALL_PODS_RUN: &str = "AllPodsRun";
/// Reason of a job that succeeded.
pub(super) const ALL_STEPS_DONE: &str = "AllStepsDone";
/// Reasons of a life in which nothing happens, in its order.
const QUIET: [&str; 3] = [ATTEMPT_STARTED, ALL_PODS_RUN, ALL_STEPS_DONE];

/// What is said about a job: its phase, the condition that explains it, and everything that follows from the two.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    previous: &'a RealTrainingJobStatus,
    now: Timestamp,
    /// Whether it is deleted some time after its end.
    goes: bool,
    /// The status so far; its fields may be changed freely.
    pub(super) status: RealTrainingJobStatus,
    /// Whether it goes no further until someone changes something.
    pub(super) stalled: bool,
    /// Whether someone has to do something about it, though it may pass.
    pub(super) warning: bool,
    conditions: Conditions<'a>,
}

impl<'a> Draft<'a> {
    /// Starts from the observed status: what nothing is said about stays.
    pub(super) fn new(job: &RealTrainingJob, previous: &'a RealTrainingJobStatus, now: Timestamp) -> Self {
        let status = RealTrainingJobStatus {
            observed_generation: job.metadata.generation,
            attempt: Some(previous.attempt.unwrap_or(1)),
            restarts: Some(previous.restarts.clone().unwrap_or_default()),
            start_time: previous.start_time.clone().or(Some(Time(whole_seconds(now)))),
            running_time: previous.running_time.clone(),
            active_seconds: previous.active_seconds,
            completion_time: previous.completion_time.clone(),
            nodes: Some(NodeCounts::new(0, job.spec.trainer.nodes as u32)),
            job_name: previous.job_name.clone(),
            next_attempt_time: previous.next_attempt_time.clone(),
            ..RealTrainingJobStatus::default()
        };
        let conditions = Conditions::new(&previous.conditions, job.metadata.generation, now);
        let goes = job.spec.ttl_seconds_after_finished.is_some();
        Self { previous, now, goes, status, stalled: false, warning: false, conditions }
    }

    /// Sets a condition.
    pub(super) fn condition(&mut self, type_: &str, status: bool, reason: &str, message: impl Into<String>) {
        self.conditions.set(type_, status, reason, message);
    }

    /// The condition's present state begins now, though its status was the same before.
    pub(super) fn begin_anew(&mut self, type_: &'static str) {
        self.conditions.begin_anew(type_);
    }

    /// Seconds of the present attempt are added to those of earlier ones.
    pub(super) fn stop_clock(&mut self, at: Timestamp) {
        if let Some(since) = self.status.running_time.take() {
            let seconds = (at.as_second() - since.0.as_second()).max(0) as u64;
            self.status.active_seconds = Some(self.status.active_seconds.unwrap_or(0).saturating_add(seconds));
        }
    }

    /// Concludes: the phase, and reason and message that explain it.
    pub(super) fn conclude(mut self, phase: Phase, reason: &str, message: &str) -> Concluded {
        let set = |conditions: &mut Conditions<'_>, type_: &str, holds: bool, otherwise: &str| {
            if holds {
                conditions.set(type_, true, reason, message);
            } else {
                conditions.set(type_, false, otherwise, "");
            }
        };
        let conditions = &mut self.conditions;
        match phase {
            Phase::Running => conditions.set(RUNNING, true, reason, message),
            _ => conditions.set(RUNNING, false, reason, message),
        }
        set(conditions, SUSPENDED, phase == Phase::Suspended, "NotSuspended");
        set(conditions, COMPLETE, phase == Phase::Succeeded, "NotComplete");
        set(conditions, FAILED, phase == Phase::Failed, "NotFailed");
        let settled = matches!(phase, Phase::Running | Phase::Suspended | Phase::Succeeded | Phase::Failed);
        set(conditions, RECONCILING, !settled && !self.stalled, "Settled");
        set(conditions, STALLED, self.stalled, "NotStalled");
        self.status.phase = Some(phase);
        self.status.reason = Some(reason.to_owned());
        if matches!(phase, Phase::Succeeded | Phase::Failed) {
            self.status.completion_time.get_or_insert(Time(whole_seconds(self.now)));
            self.status.next_attempt_time = None;
        }
        let routine = self.is_routine(reason);
        self.status.conditions = self.conditions.finish();
        let changed = self.previous.phase != Some(phase) || self.previous.reason.as_deref() != Some(reason);
        let warning = matches!(phase, Phase::Failed | Phase::Restarting) || self.stalled || self.warning;
        let event = (changed && !routine).then(|| PlannedEvent {
            warning,
            reason: reason.to_owned(),
            note: for_event(message),
            action: format!("{phase:?}"),
        });
        Concluded { status: self.status, event }
    }
}

impl Draft<'_> {
    /// Whether there is nothing to tell that its conditions, its Job and its pods do not tell: each event is a write, and most lives
    /// are quiet. Its end is told where the conditions will soon be gone.
    fn is_routine(&self, reason: &str) -> bool {
        let at = |reason: &str| QUIET.iter().position(|quiet| *quiet == reason);
        let follows = match (self.previous.reason.as_deref(), at(reason)) {
            (_, Some(0)) | (None, Some(_)) => true,
            (Some(before), Some(now)) => at(before).is_some_and(|before| before < now),
            (_, None) => false,
        };
        follows && self.status.attempt == Some(1) && !(self.goes && reason == ALL_STEPS_DONE)
    }
}

/// A finished draft.
#[derive(Debug)]
pub(super) struct Concluded {
    /// Lifecycle fields only.
    pub(super) status: RealTrainingJobStatus,
    /// The transition, if there was one.
    pub(super) event: Option<PlannedEvent>,
}

/// Of `status`, everything but the fields that progress is told in.
pub(super) fn lifecycle(status: &RealTrainingJobStatus) -> RealTrainingJobStatus {
    RealTrainingJobStatus {
        progress: None,
        checkpoints: Vec::new(),
        best_checkpoint: None,
        evaluations: Vec::new(),
        ..status.clone()
    }
}

/// `previous` with another lifecycle part, and other fields that progress is told in.
pub(crate) fn merged(
    previous: Option<&RealTrainingJobStatus>,
    lifecycle: Option<&RealTrainingJobStatus>,
    progress: Option<&RealTrainingJobStatus>,
) -> RealTrainingJobStatus {
    let previous = previous.cloned().unwrap_or_default();
    let told = progress.unwrap_or(&previous).clone();
    RealTrainingJobStatus {
        progress: told.progress,
        checkpoints: told.checkpoints,
        best_checkpoint: told.best_checkpoint,
        evaluations: told.evaluations,
        ..lifecycle.cloned().unwrap_or(previous)
    }
}

/// Whether the job has come to its end.
pub(crate) fn is_finished(status: &RealTrainingJobStatus) -> bool {
    is_true(&status.conditions, COMPLETE) || is_true(&status.conditions, FAILED)
}
