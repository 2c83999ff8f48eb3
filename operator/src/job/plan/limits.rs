//! How an attempt, and with it perhaps the job, comes to its end: complete, failed once too often, out of time.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use real_crds::v1alpha1::{NodeCounts, Phase};

use super::{Planner, Verdict, after};
use crate::conditions::{find, whole_seconds};
use crate::event::{PlannedEvent, for_event};
use crate::job::ending::Cause;
use crate::job::progress;
use crate::job::status::{ALL_STEPS_DONE, IN_PLACE, SCHEDULED};

/// Wait before the attempt after the first failure; doubles with each further one.
const FIRST_BACKOFF: u64 = 10;
const LONGEST_BACKOFF: u64 = 360;
/// Wait after an attempt that ended for no fault of its own.
const SHORT_WAIT: u64 = 5;

impl Planner<'_> {
    pub(super) fn complete(&mut self, at: Timestamp) -> Verdict {
        self.draft.stop_clock(at);
        self.draft.condition(SCHEDULED, true, "Scheduled", "");
        self.draft.status.completion_time = Some(Time(whole_seconds(at)));
        let steps = progress::last_words(self.observed, self.attempt, at).map(|said| said.progress.step);
        let steps = steps.map_or("all".to_owned(), |steps| steps.to_string());
        (Phase::Succeeded, ALL_STEPS_DONE.to_owned(), format!("{steps} steps done in attempt {}", self.attempt))
    }

    /// Counts an attempt that failed; another follows unless that would be one too many or of no use.
    pub(super) fn failed(&mut self, at: Timestamp, cause: Cause, message: &str) -> Verdict {
        self.plan.counted = Some(cause);
        self.draft.stop_clock(at);
        self.draft.condition(SCHEDULED, false, cause.reason(), "");
        self.draft.status.nodes = Some(NodeCounts::new(0, self.nodes()));
        let attempt = self.attempt;
        let policy = &self.job.spec.restart_policy;
        let mut restarts = self.draft.status.restarts.clone().unwrap_or_default();
        let mut wait = SHORT_WAIT;
        let limit = match cause {
            Cause::InvalidConfig | Cause::Diverged => Some((cause.reason(), String::new())),
            Cause::Checkpointed => None,
            Cause::Preempted => {
                restarts.preemptions = restarts.preemptions.saturating_add(1);
                let (count, most) = (restarts.preemptions, policy.max_preemptions);
                (count > most).then(|| {
                    let limit = format!(
                        "{}, spec.restartPolicy.maxPreemptions allows {most}; the last: ",
                        real_terminal::count(count, "preemption")
                    );
                    ("MaxPreemptionsExceeded", limit)
                })
            }
            _ => {
                restarts.failures = restarts.failures.saturating_add(1);
                let (count, most) = (restarts.failures, policy.backoff_limit);
                wait = FIRST_BACKOFF.saturating_mul(1 << (count - 1).min(16)).min(LONGEST_BACKOFF);
                (count > most).then(|| {
                    let limit = format!(
                        "{}, spec.restartPolicy.backoffLimit allows {most}; the last: ",
                        real_terminal::count(count, "failure")
                    );
                    ("BackoffLimitExceeded", limit)
                })
            }
        };
        // Those of the next attempt.
        restarts.in_place = 0;
        self.draft.status.restarts = Some(restarts);
        if let Some((reason, limit)) = limit {
            return (Phase::Failed, reason.to_owned(), format!("{limit}attempt {attempt}: {message}"));
        }
        let next = at.checked_add(SignedDuration::from_secs(wait as i64)).unwrap_or(at);
        self.draft.status.attempt = Some(attempt.saturating_add(1));
        self.draft.status.job_name = None;
        self.draft.status.next_attempt_time = Some(Time(whole_seconds(next)));
        self.look_again_at(next);
        (Phase::Restarting, cause.reason().to_owned(), format!("attempt {attempt}: {message}"))
    }

    /// Counts how often the trainer was started again in its pod, up to the limit.
    pub(super) fn count_restarts(&mut self) {
        let Some(seen) = &self.again else { return };
        let restarts = self.draft.status.restarts.get_or_insert_default();
        let left = self.job.spec.restart_policy.backoff_limit.saturating_sub(restarts.failures);
        let new = seen.count.saturating_sub(restarts.in_place).min(left);
        restarts.in_place += new;
        restarts.failures += new;
        self.plan.restarted = new;
    }

    /// The last restart in its pod of an attempt that goes on as a condition, and the event of one that is new.
    pub(super) fn say_restarts(&mut self) -> Option<PlannedEvent> {
        let restarts = self.draft.status.restarts.as_ref().filter(|restarts| restarts.in_place > 0)?;
        let Some(seen) = &self.again else {
            let known = find(&self.previous.conditions, IN_PLACE)?;
            self.draft.condition(IN_PLACE, true, &known.reason, known.message.clone());
            return None;
        };
        let message = format!(
            "attempt {}: the trainer was started again in its pod, {} so far ({} of the job, spec.restartPolicy.backoffLimit \
             allows {}); the last: {}",
            self.attempt,
            real_terminal::count(restarts.in_place, "time"),
            real_terminal::count(restarts.failures, "failure"),
            self.job.spec.restart_policy.backoff_limit,
            seen.message
        );
        self.draft.condition(IN_PLACE, true, seen.cause.reason(), message.clone());
        (self.plan.restarted > 0).then(|| PlannedEvent {
            warning: true,
            reason: seen.cause.reason().to_owned(),
            note: for_event(&message),
            action: "Restarting".to_owned(),
        })
    }

    /// Whether starting the trainer again in its pod has come to an end: it has failed once too often, or twice within a short
    /// time, and another attempt may get another node.
    pub(super) fn restarts_in_vain(&mut self) -> Option<Verdict> {
        let seen = self.again.as_ref()?;
        let counted = self.draft.status.restarts.as_ref().map_or(0, |restarts| restarts.in_place);
        let (cause, message) = match seen.held_back {
            true => (seen.cause, format!("{}, soon after it was started again in its pod", seen.message)),
            false if seen.count > counted => (seen.cause, seen.message.clone()),
            false => return None,
        };
        Some(self.give_up(cause, &message))
    }

    /// Ends an attempt that goes on without getting anywhere. Its Job is deleted as one of an earlier attempt, after the
    /// count is on record.
    pub(super) fn give_up(&mut self, cause: Cause, message: &str) -> Verdict {
        let ended = self.failed(self.now, cause, message);
        if ended.0 == Phase::Failed
            && let Some(current) = self.current()
        {
            self.delete(current, "the training job failed");
        }
        ended
    }

    pub(super) fn active_deadline(&mut self) -> Option<Verdict> {
        let most = self.job.spec.active_deadline_seconds?;
        let before = self.previous.active_seconds.unwrap_or(0);
        let since = self.previous.running_time.as_ref().map(|time| time.0);
        let now = since.map_or(0, |since| (self.now.as_second() - since.as_second()).max(0) as u64);
        let ran = before.saturating_add(now);
        if ran < most {
            if let Some(since) = since {
                self.look_again_at(after(since, most.saturating_sub(before)));
            }
            return None;
        }
        self.draft.stop_clock(self.now);
        self.draft.condition(SCHEDULED, false, "DeadlineExceeded", "");
        if let Some(current) = self.current() {
            self.delete(current, "spec.activeDeadlineSeconds is over");
        }
        let message = format!("ran for {ran} s, spec.activeDeadlineSeconds allows {most}");
        Some((Phase::Failed, "DeadlineExceeded".to_owned(), message))
    }
}
