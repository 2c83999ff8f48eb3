//! A status under construction.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::v1alpha1::{RealEvalSweep, RealEvalSweepStatus, SweepPhase};

use crate::conditions::{Conditions, is_true, whole_seconds};
use crate::event::{PlannedEvent, for_event};

/// Types of conditions.
pub(super) const ACCEPTED: &str = "Accepted";
pub(super) const RESOLVED: &str = "TargetsResolved";
pub(super) const POOL_READY: &str = "RewardPoolReady";
pub(super) const RUNNING: &str = "Running";
pub(super) const SUSPENDED: &str = "Suspended";
pub(super) const COMPLETE: &str = "Complete";
pub(super) const FAILED: &str = "Failed";
pub(super) const RECONCILING: &str = "Reconciling";
pub(super) const STALLED: &str = "Stalled";

/// The phase, and the reason and message that explain it.
pub(super) type Verdict = (SweepPhase, String, String);

/// What is said about a sweep: its phase, the condition that explains it, and everything that follows from the two.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    previous: &'a RealEvalSweepStatus,
    now: Timestamp,
    /// The status so far; its fields may be changed freely.
    pub(super) status: RealEvalSweepStatus,
    /// Whether it goes no further until someone changes something.
    pub(super) stalled: bool,
    /// Whether someone has to do something about it, though it may pass.
    pub(super) warning: bool,
    conditions: Conditions<'a>,
}

impl<'a> Draft<'a> {
    /// Starts from the observed status: what nothing is said about stays.
    pub(super) fn new(sweep: &RealEvalSweep, previous: &'a RealEvalSweepStatus, now: Timestamp) -> Self {
        let status = RealEvalSweepStatus {
            observed_generation: sweep.metadata.generation,
            start_time: previous.start_time.clone().or(Some(Time(whole_seconds(now)))),
            completion_time: None,
            conditions: Vec::new(),
            ..previous.clone()
        };
        let conditions = Conditions::new(&previous.conditions, sweep.metadata.generation, now);
        Self { previous, now, status, stalled: false, warning: false, conditions }
    }

    /// Sets a condition.
    pub(super) fn condition(&mut self, type_: &str, status: bool, reason: &str, message: impl Into<String>) {
        self.conditions.set(type_, status, reason, message);
    }

    /// The condition's present state begins now, though its status was the same before.
    pub(super) fn begin_anew(&mut self, type_: &'static str) {
        self.conditions.begin_anew(type_);
    }

    /// Concludes. Gives the status, and an event where the phase or its reason changed.
    pub(super) fn conclude(mut self, (phase, reason, message): Verdict) -> (RealEvalSweepStatus, Option<PlannedEvent>) {
        let active = self.status.counts.as_ref().is_some_and(|counts| counts.active > 0);
        self.conditions.set(RUNNING, active, &reason, message.clone());
        for (type_, holds, otherwise) in [
            (SUSPENDED, phase == SweepPhase::Suspended, "NotSuspended"),
            (COMPLETE, phase == SweepPhase::Succeeded, "NotComplete"),
            (FAILED, phase == SweepPhase::Failed, "NotFailed"),
            (RECONCILING, !is_settled(phase) && !self.stalled, "Settled"),
            (STALLED, self.stalled, "NotStalled"),
        ] {
            if holds {
                self.conditions.set(type_, true, &reason, message.clone());
            } else {
                self.conditions.set(type_, false, otherwise, "");
            }
        }
        self.status.phase = Some(phase);
        self.status.reason = Some(reason.clone());
        if matches!(phase, SweepPhase::Succeeded | SweepPhase::Failed) {
            // An edit of a sweep that stays finished is no second end.
            let before = self.previous.completion_time.clone().filter(|_| self.previous.phase == Some(phase));
            self.status.completion_time = before.or(Some(Time(whole_seconds(self.now))));
        }
        self.status.conditions = self.conditions.finish();
        let changed = self.previous.phase != Some(phase) || self.previous.reason.as_ref() != Some(&reason);
        let warning = phase == SweepPhase::Failed || self.stalled || self.warning;
        let event =
            changed.then(|| PlannedEvent { warning, reason, note: for_event(&message), action: format!("{phase:?}") });
        (self.status, event)
    }
}

/// A sweep that runs is still on its way: unlike a training job, nobody waits for it to run.
fn is_settled(phase: SweepPhase) -> bool {
    matches!(phase, SweepPhase::Waiting | SweepPhase::Suspended | SweepPhase::Succeeded | SweepPhase::Failed)
}

/// Whether the sweep has come to its end.
pub(crate) fn is_finished(status: &RealEvalSweepStatus) -> bool {
    is_true(&status.conditions, COMPLETE) || is_true(&status.conditions, FAILED)
}
