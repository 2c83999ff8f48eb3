//! The verdict on a sweep, refusals, and what is left to do after the end.

use super::recurring::NOT_YET_DUE;
use super::{
    ACCEPTED, Cell, Child, Hindrance, Plan, Planner, Rejection, STALLED, Standing, SweepPhase, Verdict, count, find,
    is_ended, queue, whole_seconds,
};
use k8s_openapi::api::core::v1::Pod;

use crate::hindrance::hindrance;
use crate::requeue::{after, is_outlived};

/// Seconds in which a sweep that cannot run as it is may be mended before it fails.
const MENDING: u64 = 300;
/// Seconds after which the API server is asked again about a Job that it refused: a policy of the cluster may have changed.
const ASK_AGAIN_AFTER: u64 = 60;

impl Planner<'_> {
    /// The state, from the end to what is still to come.
    pub(super) fn verdict(&mut self, cells: &[(Cell<'_>, Standing)], hindrance: Option<Hindrance>) -> Verdict {
        let waiting = count(cells, |standing| *standing == Standing::Waiting);
        let active = count(cells, |standing| matches!(standing, Standing::Active { .. }));
        let failed = count(cells, |standing| matches!(standing, Standing::Failed(_)));
        let skipped = count(cells, |standing| matches!(standing, Standing::Skipped(_)));
        let done = cells.len() - waiting - active - failed - skipped;
        let queued = count(cells, |standing| *standing == Standing::Active { queued: true });
        let mut parts = vec![format!("{done} of {} cells done", cells.len())];
        for (number, what) in
            [(active - queued, "run"), (queued, "queued"), (waiting, "wait"), (failed, "failed"), (skipped, "skipped")]
        {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        let mut message = parts.join(", ");
        if let Some(last) = cells.iter().find_map(|(_, standing)| match standing {
            Standing::Skipped(recorded) => Some(recorded),
            _ => None,
        }) {
            message = format!("{message} ({})", last.message);
        }
        let most = self.sweep.spec.failure_policy.max_failures as usize;
        let told = |phase, reason: &str, message: String| (phase, reason.to_owned(), message);
        if !cells.is_empty() && waiting == 0 && active == 0 {
            if failed > most {
                return told(SweepPhase::Failed, "TooManyFailures", message);
            }
            if let Some((reason, until)) = self.goes_on() {
                return told(SweepPhase::Waiting, reason, format!("{message}; {until}"));
            }
            if done == 0 {
                return told(SweepPhase::Failed, "NothingEvaluated", message);
            }
            return told(SweepPhase::Succeeded, "AllCellsDone", message);
        }
        if self.sweep.spec.suspend {
            let phase = if active > 0 { SweepPhase::Suspending } else { SweepPhase::Suspended };
            return told(phase, "SuspendedByUser", format!("spec.suspend is true; {message}"));
        }
        if failed > most {
            return told(SweepPhase::Running, "TooManyFailures", message);
        }
        let begun = active + done + failed > 0;
        if let Some((reason, why)) = hindrance {
            let phase = match reason {
                NOT_YET_DUE => SweepPhase::Waiting,
                _ if begun => SweepPhase::Running,
                _ => SweepPhase::Pending,
            };
            let message = if begun { format!("{message}; no more are started: {why}") } else { why };
            return told(phase, reason, message);
        }
        if let Some(refusal) = self.refusal() {
            let (reason, why) = (refusal.reason.clone(), refusal.message.clone());
            self.draft.warning = true;
            let phase = if begun { SweepPhase::Running } else { SweepPhase::Pending };
            return (phase, reason, format!("{message}; refused: {why}"));
        }
        if queued > 0 {
            message = format!("{message}; {}", self.why_queued(cells));
        }
        if queued == active {
            return told(SweepPhase::Running, "CellsQueued", message);
        }
        // As long as one of them gets on, how another waits is no news.
        if let Some((reason, why)) = self.stuck() {
            self.draft.warning = true;
            return (SweepPhase::Running, reason, format!("{message}; {why}"));
        }
        told(SweepPhase::Running, "CellsRun", message)
    }

    /// Why the first of the cells that are queued waits, in Kueue's words where it has said something.
    fn why_queued(&self, cells: &[(Cell<'_>, Standing)]) -> String {
        let queue = queue(self.sweep).map_or_else(String::new, |queue| format!(" in queue {queue}"));
        let queued = cells.iter().filter(|(_, standing)| *standing == Standing::Active { queued: true });
        let mut said = queued.filter_map(|(cell, _)| Some((&cell.name, self.observed.workloads.get(&cell.name)?)));
        let said = said.find_map(|(name, said)| Some((name, said.waits.as_ref().or(said.evicted.as_ref())?)));
        said.map_or_else(
            || format!("queued cells wait{queue} for their turn"),
            |(name, why)| format!("Job {name} waits{queue}: {why}"),
        )
    }

    /// What the pods wait for, where none of them runs.
    fn stuck(&mut self) -> Option<(String, String)> {
        let alive: Vec<&Pod> =
            self.observed.pods.iter().map(|pod| &**pod).filter(|pod| !crate::job::is_over(pod)).collect();
        if alive.iter().any(|pod| crate::job::is_running(pod)) {
            return None;
        }
        let patch = self.sweep.spec.evaluator.pod_patch.as_ref();
        let scheduler = patch.and_then(|patch| patch.scheduler_name.as_deref());
        let found = hindrance(&alive, self.observed.pod_told.as_ref(), scheduler, self.now);
        if let Some(time) = found.look_again {
            self.look_again_at(time);
        }
        found.why
    }

    /// A sweep that can never run as it is: someone may mend it, for a while. What runs goes on.
    pub(super) fn refuse(mut self, rejection: &Rejection, trial: Option<Child>) -> Plan {
        let Rejection { reason, message } = rejection;
        self.draft.condition(ACCEPTED, false, reason, message.clone());
        let stalled = find(&self.previous.conditions, STALLED).filter(|stalled| {
            stalled.status == "True" && stalled.observed_generation == self.sweep.metadata.generation
        });
        let since = stalled.map_or(self.now, |stalled| stalled.last_transition_time.0);
        if stalled.is_none() {
            self.draft.begin_anew(STALLED);
        }
        let deadline = after(since, MENDING);
        if self.now >= deadline {
            let message = format!("{message}; nothing was changed for {MENDING} s");
            return self.finish((SweepPhase::Failed, reason.clone(), message));
        }
        self.draft.stalled = true;
        self.look_again_at(deadline);
        if let Some(at) = self.refusal().and_then(|refusal| refusal.lasting.as_ref()).map(|lasting| lasting.at) {
            let again = after(at, ASK_AGAIN_AFTER);
            if self.now < again {
                self.look_again_at(again);
            } else {
                self.plan.trial = trial;
            }
        }
        let phase = self.previous.phase.filter(|phase| !matches!(phase, SweepPhase::Succeeded | SweepPhase::Failed));
        let deadline = whole_seconds(deadline);
        let message = format!("{message}; unless it is changed, the sweep fails at {deadline}");
        self.finish((phase.unwrap_or(SweepPhase::Pending), reason.clone(), message))
    }

    /// A finished sweep starts nothing. What still runs of it is stopped, and its own time comes.
    pub(super) fn after_the_end(mut self) -> Plan {
        let running: Vec<_> = self.observed.cells.iter().filter(|job| !is_ended(job)).cloned().collect();
        for job in running {
            self.delete(&job, "the sweep is finished");
        }
        let (ended, ttl) = (self.previous.completion_time.as_ref(), self.sweep.spec.ttl_seconds_after_finished);
        self.plan.delete_object = is_outlived(&mut self.plan.requeue, self.now, ended, ttl);
        self.plan
    }
}
