//! What keeps the next attempt from starting, or its start.

use real_crds::v1alpha1::Phase;

use super::{Planner, Verdict, after, gate};
use crate::child::Child;
use crate::conditions::{find, whole_seconds};
use crate::job::accept::Rejection;
use crate::job::children::out_of_sync;
use crate::job::ending::ending;
use crate::job::status::{ACCEPTED, RUNNING, SCHEDULED, STALLED};
use crate::job::{attempt, leaving};
use kube::ResourceExt;

/// Seconds in which a job that cannot run as it is may be mended before it fails.
const MENDING: u64 = 300;
/// Seconds after which the API server is asked again about a Job that it refused: a policy of the cluster may have changed.
const ASK_AGAIN_AFTER: u64 = 60;
/// Seconds after which it is looked again for what no watch tells.
const LOOK_AGAIN_AFTER: u64 = 60;

impl Planner<'_> {
    pub(super) fn start(&mut self, rejection: Option<Rejection>) -> Verdict {
        self.draft.stop_clock(self.now);
        let waiting = if self.attempt > 1 { Phase::Restarting } else { Phase::Pending };
        self.draft.condition(SCHEDULED, false, "NotStarted", "");
        // First, so that what is said until then is why there is another attempt.
        if let Some(time) = self.previous.next_attempt_time.as_ref().filter(|time| time.0 > self.now) {
            self.look_again_at(time.0);
            let reason = self.previous.reason.clone().unwrap_or_else(|| "BackingOff".to_owned());
            self.draft.condition(SCHEDULED, false, &reason, "");
            let last = find(&self.previous.conditions, RUNNING).map(|last| last.message.clone());
            return (waiting, reason, last.unwrap_or_default());
        }
        if let Some(rejection) = rejection {
            return self.rejected(waiting, &rejection);
        }
        if let Some((reason, message)) = self.hindrance() {
            if !self.is_tried() {
                self.plan.trial = Some(self.next());
            }
            return (waiting, reason.to_owned(), message);
        }
        self.begin();
        if let Some(refusal) = self.refusal() {
            self.draft.warning = true;
            return (waiting, refusal.reason.clone(), refusal.message.clone());
        }
        self.draft.status.job_name = self.plan.create.as_ref().map(|child| child.name.clone());
        self.draft.status.next_attempt_time = None;
        // Its Job is created suspended.
        if attempt::queue(self.job).is_some() { self.queued() } else { self.starting() }
    }

    /// The Job of the next attempt.
    fn next(&self) -> Child {
        Child::new(&attempt::job(self.job, self.attempt, self.settings, self.observed.restarts_containers), false)
    }

    fn begin(&mut self) {
        self.plan.apply = out_of_sync(self.job, &self.observed.children, self.settings);
        self.plan.create = Some(self.next());
    }

    /// Whether the API server has taken an attempt of this very spec, be it on trial.
    fn is_tried(&self) -> bool {
        let told = find(&self.previous.conditions, ACCEPTED).filter(|accepted| accepted.status == "True");
        self.observed.tried || told.is_some_and(|told| told.observed_generation == self.job.metadata.generation)
    }

    /// A job that can never run as it is: someone may mend it, for a while.
    fn rejected(&mut self, waiting: Phase, rejection: &Rejection) -> Verdict {
        let Rejection { reason, message } = rejection;
        let stalled = find(&self.previous.conditions, STALLED)
            .filter(|stalled| stalled.status == "True" && stalled.observed_generation == self.job.metadata.generation);
        let since = stalled.map_or(self.now, |stalled| stalled.last_transition_time.0);
        if stalled.is_none() {
            self.draft.begin_anew(STALLED);
        }
        let deadline = after(since, MENDING);
        if self.now >= deadline {
            return (Phase::Failed, reason.clone(), format!("{message}; nothing was changed for {MENDING} s"));
        }
        self.draft.stalled = true;
        self.look_again_at(deadline);
        if let Some(lasting) = self.refusal().and_then(|refusal| refusal.lasting.as_ref()) {
            let again = after(lasting.at, ASK_AGAIN_AFTER);
            if self.now < again {
                self.look_again_at(again);
            } else if self.hindrance().is_some() {
                self.plan.trial = Some(self.next());
            } else {
                self.begin();
            }
        }
        let deadline = whole_seconds(deadline);
        (waiting, reason.clone(), format!("{message}; unless it is changed, the job fails at {deadline}"))
    }

    /// What has to pass before an attempt can start, of which none is the job's own fault.
    fn hindrance(&mut self) -> Option<(&'static str, String)> {
        if let Some(queue) = attempt::queue(self.job).filter(|_| self.observed.without_kueue) {
            self.draft.warning = true;
            self.look_again_at(after(self.now, LOOK_AGAIN_AFTER));
            let message = format!(
                "the label {} asks for queue {queue}, and the cluster has no Kueue that could start it: install Kueue, or take the \
                 label away",
                crate::labels::KUEUE_QUEUE
            );
            return Some(("KueueNotInstalled", message));
        }
        if let Some(reference) = &self.job.spec.reward_pool_ref
            && let Some((reason, message)) = gate::problem(&reference.name, self.observed.pool.as_ref())
        {
            self.draft.warning = reason == gate::NOT_FOUND;
            return Some((reason, message));
        }
        if let Some(other) = &self.observed.checkpoint_holder {
            self.draft.warning = true;
            let message = format!(
                "RealTrainingJob {other} writes to {} too, and came first: this job starts once that one is finished or deleted; give \
                 each job a subPath or prefix of its own in spec.checkpoint.storage",
                attempt::place(self.job).unwrap_or_default()
            );
            return Some(("CheckpointInUse", message));
        }
        self.left_of_earlier_attempts().map(|left| ("EarlierPodsRemain", left))
    }

    /// What could still write to the checkpoints.
    fn left_of_earlier_attempts(&mut self) -> Option<String> {
        let pods = self.pods_left();
        let left = if pods.is_empty() {
            let job = self.observed.jobs.iter().find(|job| ending(job, &[]).is_none())?;
            format!("Job {} of an earlier attempt is still there", job.name_any())
        } else {
            let now = self.now;
            for end in pods.iter().filter_map(|pod| leaving::end(pod)).filter(|end| *end > now) {
                self.look_again_at(end);
            }
            format!("an earlier attempt's {}", leaving::list(&pods, self.now))
        };
        Some(format!("{left}; two gangs must not write one checkpoint"))
    }
}
