//! A job in a queue: why it waits, and what it has to lose.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use real_crds::v1alpha1::Phase;

use super::{Planner, Verdict};
use crate::job::queue::{Boost, boost};
use crate::job::status::SCHEDULED;
use crate::job::{Names, attempt, leaving};

impl Planner<'_> {
    pub(super) fn queued(&mut self) -> Verdict {
        self.draft.condition(SCHEDULED, false, "Queued", "");
        let queue = attempt::queue(self.job).map_or_else(String::new, |queue| format!(" in queue {queue}"));
        let name = Names(&self.job.name_any()).attempt(self.attempt);
        let why = self.observed.workload.as_ref().and_then(|workload| workload.waits.as_deref());
        let why = why.map_or_else(|| " for its turn".to_owned(), |why| format!(": {why}"));
        let message = format!("attempt {}: Job {name} waits{queue}{why}", self.attempt);
        (Phase::Queued, "WaitsForQuota".to_owned(), message)
    }

    /// The attempt's Job is suspended: its turn has not come, or its queue has taken the quota back.
    pub(super) fn held_back(&mut self, current: &Job) -> Verdict {
        // A first start is told to begin afresh, or from a certain step. Told so again, it would lose what it did.
        let ran = self.draft.status.running_time.is_some() || self.draft.status.active_seconds.is_some();
        self.draft.stop_clock(self.now);
        let left = self.pods_left();
        if left.is_empty() {
            if ran && attempt::starts_once(self.job, self.attempt) {
                self.delete(current, "its queue stopped it, and what follows goes on from its checkpoint");
                return self.being_deleted(current);
            }
            return self.queued();
        }
        self.draft.condition(SCHEDULED, false, "Queued", "");
        let now = self.now;
        for end in left.iter().filter_map(|pod| leaving::end(pod)).filter(|end| *end > now) {
            self.look_again_at(end);
        }
        let why = self.observed.workload.as_ref().and_then(|workload| workload.evicted.as_deref());
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        let message = format!(
            "attempt {}: the queue has taken the quota back{why}; {} may take up to {} s to write a checkpoint",
            self.attempt,
            leaving::names(&left),
            self.job.spec.trainer.termination_grace_period_seconds
        );
        (Phase::Queued, "QuotaTakenBack".to_owned(), message)
    }

    /// What would be lost if Kueue stopped the attempt now, as a boost of its priority.
    pub(super) fn say_boost(&mut self, phase: Phase) {
        let Some(workload) = &self.observed.workload else { return };
        let Some(known) = workload.boosted() else { return };
        let running = self.draft.status.running_time.as_ref().filter(|_| phase == Phase::Running);
        let (value, grows) = running.map_or((0, None), |running| {
            let checkpoints = &self.plan.progress.as_ref().unwrap_or(self.previous).checkpoints;
            let last = checkpoints.iter().filter_map(|checkpoint| checkpoint.time.as_ref()).map(|time| time.0).max();
            boost(last.map_or(running.0, |last| last.max(running.0)), self.now)
        });
        if let Some(grows) = grows {
            self.look_again_at(grows);
        }
        if value != known {
            self.plan.boost = Some(Boost { workload: workload.name.clone(), value });
        }
    }
}
