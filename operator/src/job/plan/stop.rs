//! Suspension, and what is left to do after the end.

use kube::ResourceExt;
use real_crds::v1alpha1::{Phase, RealTrainingJobStatus};

use super::{Plan, Planner, Verdict};
use crate::job::ending::ending;
use crate::job::status::{SCHEDULED, lifecycle};
use crate::job::{leaving, progress};
use crate::requeue::is_outlived;

impl Planner<'_> {
    /// No pods, no matter how far the job is. SIGTERM makes the trainer write a checkpoint.
    pub(super) fn suspend(&mut self) -> Verdict {
        self.draft.stop_clock(self.now);
        self.draft.condition(SCHEDULED, false, "Suspended", "");
        self.draft.status.next_attempt_time = None;
        if let Some(current) = self.current().filter(|current| current.metadata.deletion_timestamp.is_none()) {
            self.delete(current, "spec.suspend is true");
        }
        let left = self.pods_left();
        if self.current().is_some() || !left.is_empty() {
            let now = self.now;
            for end in left.iter().filter_map(|pod| leaving::end(pod)).filter(|end| *end > now) {
                self.look_again_at(end);
            }
            let message = match self.current() {
                _ if leaving::first(&left, self.now).is_some_and(|(_, overdue)| overdue) => {
                    leaving::list(&left, self.now)
                }
                // Not how far each is: that would be a write for each.
                _ if !left.is_empty() => format!(
                    "{} may take up to {} s to write a checkpoint",
                    leaving::names(&left),
                    self.job.spec.trainer.termination_grace_period_seconds
                ),
                Some(current) => format!("Job {} is being deleted", current.name_any()),
                None => String::new(),
            };
            return (Phase::Suspending, "Suspending".to_owned(), message);
        }
        (Phase::Suspended, "SuspendedByUser".to_owned(), "spec.suspend is true; no pods are left".to_owned())
    }

    /// A finished job is never started again. What still runs of it is stopped, what its last words were is told, its spec has
    /// been seen, and its own time comes.
    pub(super) fn after_the_end(mut self) -> Plan {
        for job in &self.observed.jobs {
            if ending(job, &[]).is_none() && job.metadata.deletion_timestamp.is_none() {
                self.delete(job, "the training job is finished");
            }
        }
        let attempt = self.previous.attempt.unwrap_or(1);
        self.tell(progress::last_words(self.observed, attempt, self.now));
        if self.previous.observed_generation != self.job.metadata.generation {
            let observed_generation = self.job.metadata.generation;
            let mut status = RealTrainingJobStatus { observed_generation, ..lifecycle(self.previous) };
            for condition in &mut status.conditions {
                condition.observed_generation = observed_generation;
            }
            self.plan.status = Some(status);
        }
        let (ended, ttl) = (self.previous.completion_time.as_ref(), self.job.spec.ttl_seconds_after_finished);
        self.plan.delete_object = is_outlived(&mut self.plan.requeue, self.now, ended, ttl);
        self.plan
    }
}
