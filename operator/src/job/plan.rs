//! Decides what to do about a training job. Pure: the same observation at the same time gives the same plan.
//!
//! The state is told anew from what is there. Only what cannot be seen is remembered in the status: the number of the
//! attempt, how many failed and why, and how long they ran.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::v1alpha1::{ManagedBy, NodeCounts, Phase, RealTrainingJob, RealTrainingJobStatus, RewardPool};
use serde::Serialize;

use super::accept::{self, Rejection};
use super::attempt;
use super::children::out_of_sync;
use super::ending::{Cause, Ending, ending, failing};
use super::gang::{Gang, UNSCHEDULABLE, gang, is_over, is_running};
use super::observed::{Observed, index, number};
use super::progress::{self, Said};
use super::status::{
    ACCEPTED, Concluded, Draft, POOL_READY, RUNNING, SCHEDULED, WARNED, for_event, is_finished, lifecycle,
};
use crate::child::Child;
use crate::conditions::{find, is_true, whole_seconds};
use crate::event::PlannedEvent;
use crate::images::Images;
use crate::labels::HTTP_PORT;

/// What plans depend on besides the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Images where a job names none.
    pub images: Images,
    /// Namespace of the operator, which may reach the trainers.
    pub namespace: String,
}

/// What is to be done, in this order: children, the attempt's Job, deletions, the status, events.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Children that are missing or differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<Child>,
    /// An attempt to be created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Child>,
    /// Jobs to be deleted, their pods with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<Deletion>,
    /// Lifecycle part of the status, where it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RealTrainingJobStatus>,
    /// Progress part of the status, where it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<RealTrainingJobStatus>,
    /// Whether the object itself is deleted: its time after the end is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete_object: bool,
    /// Events to publish.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<PlannedEvent>,
    /// When to look again, even if nothing happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue: Option<Duration>,
    /// Where rank 0 can be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// Why an attempt ended, where this plan counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Cause>,
}

/// A Job to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Its name.
    pub name: String,
    /// Its uid: another of the same name stays.
    #[serde(skip)]
    pub uid: Option<String>,
    /// Why.
    pub why: &'static str,
}

/// Where rank 0 of an attempt answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Poll {
    /// Number of the attempt.
    pub attempt: u32,
    /// `http://IP:PORT/v1/progress`.
    pub url: String,
}

/// Wait before the attempt after the first failure; doubles with each further one.
const FIRST_BACKOFF: u64 = 10;
const LONGEST_BACKOFF: u64 = 360;
/// Wait after an attempt that ended for no fault of its own.
const SHORT_WAIT: u64 = 5;
/// Seconds that the watch of pods may be behind that of Jobs.
const LONGEST_LAG: u64 = 30;
/// Until a Job has made its pods, nobody has to worry.
const NO_PODS_AFTER: u64 = 30;
const POOL_NOT_FOUND: &str = "RewardPoolNotFound";

/// What to do about `job`.
pub fn plan(job: &RealTrainingJob, observed: &Observed, now: Timestamp, settings: &Settings) -> Plan {
    let elsewhere = job.spec.managed_by.is_some_and(|manager| manager != ManagedBy::Operator);
    if job.metadata.deletion_timestamp.is_some() || elsewhere {
        // Owner references let the garbage collector do the rest.
        return Plan::default();
    }
    let previous = job.status.clone().unwrap_or_default();
    let mut planner = Planner::new(job, observed, now, settings, &previous);
    if is_finished(&previous) {
        return planner.after_the_end();
    }
    if planner.last_words_are_on_their_way() {
        planner.look_again_at(now);
        return planner.plan;
    }
    let concluded = planner.decide();
    planner.finish(concluded)
}

struct Planner<'a> {
    job: &'a RealTrainingJob,
    observed: &'a Observed,
    now: Timestamp,
    settings: &'a Settings,
    previous: &'a RealTrainingJobStatus,
    attempt: u32,
    draft: Draft<'a>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(
        job: &'a RealTrainingJob,
        observed: &'a Observed,
        now: Timestamp,
        settings: &'a Settings,
        previous: &'a RealTrainingJobStatus,
    ) -> Self {
        let highest = observed.jobs.iter().map(number).max().unwrap_or(0);
        // A status that was lost must not start the count again.
        let mut attempt = previous.attempt.unwrap_or(1).max(highest).max(1);
        // There was a Job and it is gone: suspended, or deleted by someone. What comes next is another attempt.
        if previous.job_name.is_some() && highest < attempt {
            attempt = attempt.saturating_add(1);
        }
        let mut draft = Draft::new(job, previous, now);
        draft.status.attempt = Some(attempt);
        draft.status.job_name = observed.attempt(attempt).map(ResourceExt::name_any);
        Self { job, observed, now, settings, previous, attempt, draft, plan: Plan::default() }
    }

    fn current(&self) -> Option<&'a Job> {
        self.observed.attempt(self.attempt)
    }

    /// Whether the Job is seen to be complete and its first pod, which has the last step to tell, is not yet: their watches are
    /// not in step.
    fn last_words_are_on_their_way(&self) -> bool {
        let pods = self.observed.pods_of(self.attempt);
        let Some(Ending::Complete { at }) = self.current().and_then(|current| ending(current, &pods)) else {
            return false;
        };
        self.now < after(at, LONGEST_LAG) && pods.iter().any(|pod| index(pod) == Some(0) && !is_over(pod))
    }

    /// The state, from what ends everything to what is still to come.
    fn decide(&mut self) -> (Phase, String, String) {
        let rejection = self.say_accepted();
        self.say_pool();
        self.remove_earlier_attempts();
        let deleting = self.current().is_some_and(|current| current.metadata.deletion_timestamp.is_some());
        match self.current().and_then(|current| ending(current, &self.observed.pods_of(self.attempt))) {
            Some(Ending::Complete { at }) => return self.complete(at),
            // Pods that are stopped because their Job is deleted have not failed.
            Some(Ending::Failed { at, cause, message }) if !deleting => return self.failed(at, cause, &message),
            _ => {}
        }
        if let Some(over) = self.active_deadline() {
            return over;
        }
        if self.job.spec.suspend {
            return self.suspend();
        }
        match self.current() {
            Some(current) if current.metadata.deletion_timestamp.is_some() => {
                self.draft.stop_clock(self.now);
                self.draft.condition(SCHEDULED, false, "Deleting", "");
                let message = format!("{} is being deleted; another attempt follows", current.name_any());
                (Phase::Restarting, "AttemptDeleted".to_owned(), message)
            }
            Some(current) => self.follow(current),
            None => self.start(rejection),
        }
    }

    /// Whether an attempt could run. One that does goes on: it has the configuration that it began with.
    fn say_accepted(&mut self) -> Option<Rejection> {
        let rejection = accept::check(self.job).err();
        match &rejection {
            None => self.draft.condition(ACCEPTED, true, "Accepted", ""),
            Some(rejection) => self.draft.condition(ACCEPTED, false, rejection.reason, rejection.message.clone()),
        }
        rejection
    }

    /// Whether the pool is ready, for an attempt that is about to start and for one that runs.
    fn say_pool(&mut self) {
        if let Some(reference) = &self.job.spec.reward_pool_ref {
            match pool_problem(&reference.name, self.observed.pool.as_ref()) {
                None => self.draft.condition(POOL_READY, true, "Ready", ""),
                Some((reason, message)) => self.draft.condition(POOL_READY, false, reason, message),
            }
        }
    }

    /// Jobs of earlier attempts: what still runs must not, and of those that are over only the last is kept, for its logs.
    fn remove_earlier_attempts(&mut self) {
        for earlier in &self.observed.jobs {
            let attempt = number(earlier);
            if attempt >= self.attempt || earlier.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let over = ending(earlier, &[]).is_some();
            if !over {
                self.delete(earlier, "its attempt was given up");
            } else if attempt + 1 < self.attempt {
                self.delete(earlier, "only the last attempt's Job is kept");
            }
        }
    }

    fn delete(&mut self, job: &Job, why: &'static str) {
        self.plan.delete.push(Deletion { name: job.name_any(), uid: job.uid(), why });
    }

    fn complete(&mut self, at: Timestamp) -> (Phase, String, String) {
        self.draft.stop_clock(at);
        self.draft.condition(SCHEDULED, true, "Scheduled", "");
        self.draft.status.completion_time = Some(Time(whole_seconds(at)));
        let steps = progress::last_words(self.observed, self.attempt, at).map(|said| said.progress.step);
        let steps = steps.map_or("all".to_owned(), |steps| steps.to_string());
        (Phase::Succeeded, "AllStepsDone".to_owned(), format!("{steps} steps done in attempt {}", self.attempt))
    }

    /// Counts an attempt that failed; another follows unless that would be one too many or of no use.
    fn failed(&mut self, at: Timestamp, cause: Cause, message: &str) -> (Phase, String, String) {
        self.plan.counted = Some(cause);
        self.draft.stop_clock(at);
        self.draft.condition(SCHEDULED, false, cause.reason(), "");
        self.draft.status.nodes = Some(NodeCounts { desired: self.nodes(), ready: 0 });
        let attempt = self.attempt;
        let policy = &self.job.spec.restart_policy;
        let mut restarts = self.previous.restarts.clone().unwrap_or_default();
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
                        many(count, "preemption")
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
                        many(count, "failure")
                    );
                    ("BackoffLimitExceeded", limit)
                })
            }
        };
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

    /// Ends an attempt that goes on without getting anywhere. Its Job is deleted as one of an earlier attempt, after the
    /// count is on record.
    fn give_up(&mut self, cause: Cause, message: &str) -> (Phase, String, String) {
        let ended = self.failed(self.now, cause, message);
        if ended.0 == Phase::Failed
            && let Some(current) = self.current()
        {
            self.delete(current, "the training job failed");
        }
        ended
    }

    fn active_deadline(&mut self) -> Option<(Phase, String, String)> {
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

    /// No pods, no matter how far the job is. SIGTERM makes the trainer write a checkpoint.
    fn suspend(&mut self) -> (Phase, String, String) {
        self.draft.stop_clock(self.now);
        self.draft.condition(SCHEDULED, false, "Suspended", "");
        self.draft.status.next_attempt_time = None;
        if let Some(current) = self.current().filter(|current| current.metadata.deletion_timestamp.is_none()) {
            self.delete(current, "spec.suspend is true");
        }
        let left = self.pods_left();
        if self.current().is_some() || left > 0 {
            let message = match left {
                0 => "the last attempt's Job is being deleted".to_owned(),
                _ => format!("{} may take up to {} s to write a checkpoint", many(left, "pod"), self.grace()),
            };
            return (Phase::Suspending, "Suspending".to_owned(), message);
        }
        (Phase::Suspended, "SuspendedByUser".to_owned(), "spec.suspend is true; no pods are left".to_owned())
    }

    fn grace(&self) -> u64 {
        self.job.spec.trainer.termination_grace_period_seconds
    }

    fn nodes(&self) -> u32 {
        self.job.spec.trainer.nodes as u32
    }

    /// Pods that still run, of whichever attempt.
    fn pods_left(&self) -> u64 {
        self.observed.pods.iter().filter(|pod| !is_over(pod)).count() as u64
    }

    /// What keeps the next attempt from starting, or its start.
    fn start(&mut self, rejection: Option<Rejection>) -> (Phase, String, String) {
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
        if let Some(Rejection { reason, message }) = rejection {
            self.draft.stalled = true;
            return (waiting, reason.to_owned(), message);
        }
        if let Some(reference) = &self.job.spec.reward_pool_ref
            && let Some((reason, message)) = pool_problem(&reference.name, self.observed.pool.as_ref())
        {
            self.draft.warning = reason == POOL_NOT_FOUND;
            return (waiting, reason.to_owned(), message);
        }
        if let Some(left) = self.left_of_earlier_attempts() {
            let message = format!("{left} still there; two gangs must not write one checkpoint");
            return (waiting, "EarlierPodsRemain".to_owned(), message);
        }
        self.plan.apply = out_of_sync(self.job, &self.observed.children, true, &self.settings.namespace);
        let child = Child::new(&attempt::job(self.job, self.attempt, self.settings), false);
        if let Some(refusal) = &self.observed.refused {
            self.draft.warning = true;
            self.plan.create = Some(child);
            return (waiting, refusal.reason.clone(), refusal.message.clone());
        }
        self.draft.status.job_name = Some(child.name.clone());
        self.draft.status.next_attempt_time = None;
        self.plan.create = Some(child);
        // Its Job is created suspended.
        if attempt::queue(self.job).is_some() { self.queued() } else { self.starting() }
    }

    /// What could still write to the checkpoints.
    fn left_of_earlier_attempts(&self) -> Option<String> {
        match self.pods_left() {
            0 => {
                let job = self.observed.jobs.iter().find(|job| ending(job, &[]).is_none())?;
                Some(format!("{} is", job.name_any()))
            }
            1 => Some("1 pod of an earlier attempt is".to_owned()),
            pods => Some(format!("{pods} pods of an earlier attempt are")),
        }
    }

    fn starting(&mut self) -> (Phase, String, String) {
        self.draft.condition(SCHEDULED, false, "Starting", "");
        let nodes = self.job.spec.trainer.nodes;
        let message = format!("attempt {}: waiting for {} to run", self.attempt, many(nodes, "pod"));
        (Phase::Starting, "AttemptStarted".to_owned(), message)
    }

    fn queued(&mut self) -> (Phase, String, String) {
        self.draft.condition(SCHEDULED, false, "Queued", "");
        let queue = attempt::queue(self.job).map_or_else(String::new, |queue| format!(" in queue {queue}"));
        (Phase::Queued, "WaitsForQuota".to_owned(), format!("attempt {}: waits{queue} for its turn", self.attempt))
    }

    /// An attempt that is there and has not ended.
    fn follow(&mut self, current: &Job) -> (Phase, String, String) {
        self.plan.apply = out_of_sync(self.job, &self.observed.children, false, &self.settings.namespace);
        self.draft.status.next_attempt_time = None;
        let pods = self.observed.pods_of(self.attempt);
        let started = current.status.as_ref().and_then(|status| status.start_time.as_ref());
        let started = started.or(current.metadata.creation_timestamp.as_ref()).map_or(self.now, |time| time.0);
        if let Some(message) = failing(current, &pods) {
            self.draft.condition(SCHEDULED, true, "Scheduled", "");
            self.draft.status.nodes = Some(NodeCounts { desired: self.nodes(), ready: ready(&pods) });
            let message = format!("attempt {}: {message}; the other ranks are being stopped", self.attempt);
            return (Phase::Restarting, "RankFailed".to_owned(), message);
        }
        let state = gang(current, &pods, self.job.spec.trainer.nodes);
        // A gang that ran once and lost a rank is about to be failed by its Job.
        let ran = self.previous.running_time.is_some();
        if !matches!(state, Gang::Queued | Gang::Running)
            && !ran
            && let Some(most) = self.job.spec.start_deadline_seconds
        {
            let deadline = after(started, most);
            if self.now >= deadline {
                let message =
                    format!("not all pods ran within {most} s (spec.startDeadlineSeconds): {}", hindrance(&state));
                return self.give_up(Cause::StartDeadlineExceeded, &message);
            }
            self.look_again_at(deadline);
        }
        // Small steps of a start that goes well are not worth a write each.
        let grown = after(started, NO_PODS_AFTER);
        let young = self.now < grown;
        if !young {
            self.draft.status.nodes = Some(NodeCounts { desired: self.nodes(), ready: ready(&pods) });
        } else if !matches!(state, Gang::Queued | Gang::Running) {
            self.look_again_at(grown);
        }
        match state {
            Gang::Queued => {
                // Its queue took its quota away.
                self.draft.stop_clock(self.now);
                self.queued()
            }
            Gang::NoPods if young => self.starting(),
            Gang::NoPods => {
                self.draft.warning = true;
                let name = current.name_any();
                self.draft.condition(SCHEDULED, false, "NoPods", "");
                let message = format!(
                    "{name} has made no pods for {NO_PODS_AFTER} s: a quota or an admission policy may refuse them, see \
                     `kubectl describe job {name}`"
                );
                (Phase::Starting, "NoPods".to_owned(), message)
            }
            Gang::Unscheduled { reason, message } => {
                self.draft.warning = reason == UNSCHEDULABLE;
                self.draft.condition(SCHEDULED, false, reason, message.clone());
                (Phase::Starting, reason.to_owned(), message)
            }
            Gang::Stuck { reason, message } => {
                self.draft.warning = true;
                self.draft.condition(SCHEDULED, true, "Scheduled", "");
                (Phase::Starting, reason, message)
            }
            Gang::Starting if ran => self.running(),
            Gang::Starting => self.starting(),
            Gang::Running => self.running(),
        }
    }

    fn running(&mut self) -> (Phase, String, String) {
        let nodes = self.nodes();
        let since = self.draft.status.running_time.get_or_insert(Time(whole_seconds(self.now))).0;
        self.draft.condition(SCHEDULED, true, "Scheduled", "");
        self.draft.status.nodes = Some(NodeCounts { desired: nodes, ready: nodes });
        if let Some(most) = self.job.spec.progress_deadline_seconds {
            let report = self.observed.report.as_ref();
            let last = report
                .filter(|report| report.progress.attempt == u64::from(self.attempt))
                .map_or(since, |report| report.step_since.max(since));
            let deadline = after(last, most);
            if self.now >= deadline {
                let message = format!("no step for {most} s (spec.progressDeadlineSeconds)");
                return self.give_up(Cause::Hung, &message);
            }
            self.look_again_at(deadline);
        }
        let pods = self.observed.pods_of(self.attempt);
        let first = pods.iter().find(|pod| index(pod) == Some(0) && is_running(pod));
        let address = first.and_then(|pod| pod.status.as_ref()?.pod_ip.clone());
        self.plan.poll = address.map(|address| Poll {
            attempt: self.attempt,
            url: if address.contains(':') {
                format!("http://[{address}]:{HTTP_PORT}/v1/progress")
            } else {
                format!("http://{address}:{HTTP_PORT}/v1/progress")
            },
        });
        let pool = self.job.spec.reward_pool_ref.as_ref();
        if let Some((_, problem)) = pool.and_then(|pool| pool_problem(&pool.name, self.observed.pool.as_ref())) {
            let message = format!("attempt {}: {nodes} of {nodes} pods run, but {problem}", self.attempt);
            self.draft.warning = true;
            return (Phase::Running, "RunningWithoutRewards".to_owned(), message);
        }
        (Phase::Running, "AllPodsRun".to_owned(), format!("attempt {}: {nodes} of {nodes} pods run", self.attempt))
    }

    /// A finished job is never started again. What still runs of it is stopped, what its last words were is told, its spec has
    /// been seen, and its own time comes.
    fn after_the_end(mut self) -> Plan {
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
        if let Some(ttl) = self.job.spec.ttl_seconds_after_finished {
            let ended = self.previous.completion_time.as_ref().map_or(self.now, |time| time.0);
            let deadline = after(ended, ttl);
            if self.now >= deadline {
                self.plan.delete_object = true;
            } else {
                self.look_again_at(deadline);
            }
        }
        self.plan
    }

    fn look_again_at(&mut self, time: Timestamp) {
        // A second more: the API server's times are cut to seconds.
        let wait = Duration::try_from(time.duration_since(self.now)).unwrap_or_default() + Duration::from_secs(1);
        self.plan.requeue = Some(self.plan.requeue.map_or(wait, |other| other.min(wait)));
    }

    fn tell(&mut self, said: Option<Said>) {
        let Some(said) = said else { return };
        let told = progress::told(self.job, said, self.previous);
        if told != progress::only(self.previous) {
            self.plan.progress = Some(told);
        }
    }

    fn finish(mut self, (phase, reason, mut message): (Phase, String, String)) -> Plan {
        let (observed, attempt, now) = (self.observed, self.attempt, self.now);
        let said = progress::last_words(observed, attempt, now).or_else(|| progress::reported(observed, attempt));
        // The pods of an attempt may be seen to end after its Job.
        let earlier =
            || progress::last_words(observed, attempt.saturating_sub(1), now).filter(|_| self.current().is_none());
        let said = said.or_else(earlier);
        let warnings = self.say_warnings(said.as_ref());
        self.tell(said);
        if let Some(refusal) = observed.refused.as_ref().filter(|_| self.current().is_some()) {
            message = format!("{message}; refused: {}", refusal.message);
        }
        let Concluded { status, event } = self.draft.conclude(phase, &reason, &message);
        if status != lifecycle(self.previous) {
            self.plan.status = Some(status);
            self.plan.events.extend(warnings);
            self.plan.events.extend(event);
        }
        self.plan
    }

    /// The newest warning of the trainer as a condition, and an event for each that is new.
    fn say_warnings(&mut self, said: Option<&Said>) -> Vec<PlannedEvent> {
        let known = find(&self.previous.conditions, WARNED);
        let news = said.map(|said| progress::new_warnings(said, known)).unwrap_or_default();
        let shown = news.last().cloned().or_else(|| known.map(|known| (known.reason.clone(), known.message.clone())));
        if let Some((reason, message)) = shown {
            self.draft.condition(WARNED, true, &reason, message);
        }
        let event = |(reason, note): (String, String)| PlannedEvent {
            warning: true,
            reason,
            note: for_event(&note),
            action: "Training".to_owned(),
        };
        news.into_iter().map(event).collect()
    }
}

/// Why the pool cannot judge answers now.
fn pool_problem(name: &str, pool: Option<&RewardPool>) -> Option<(&'static str, String)> {
    let Some(pool) = pool.filter(|pool| pool.metadata.deletion_timestamp.is_none()) else {
        return Some((POOL_NOT_FOUND, format!("RewardPool {name} does not exist in this namespace")));
    };
    let status = pool.status.clone().unwrap_or_default();
    if !is_true(&status.conditions, "Ready") {
        let why = find(&status.conditions, "Ready").map(|ready| ready.message.clone()).filter(|why| !why.is_empty());
        let why = why.unwrap_or_else(|| "it has not said why".to_owned());
        return Some(("RewardPoolNotReady", format!("RewardPool {name} is not ready: {why}")));
    }
    let warm = |fleet: &str, scaling: &real_crds::v1alpha1::Replicas, ready: Option<u32>| {
        let (ready, least) = (ready.unwrap_or(0), scaling.warm_replicas.max(1));
        (ready < least)
            .then(|| ("RewardPoolNotWarm", format!("RewardPool {name} has {ready} of {least} {fleet} ready")))
    };
    warm("detectors", &pool.spec.detector.scaling, status.detector.map(|fleet| fleet.ready_replicas))
        .or_else(|| warm("sandboxes", &pool.spec.sandbox.scaling, status.sandbox.map(|fleet| fleet.ready_replicas)))
}

fn hindrance(state: &Gang) -> String {
    match state {
        Gang::NoPods => "the Job has made no pods".to_owned(),
        Gang::Unscheduled { message, .. } | Gang::Stuck { message, .. } => message.clone(),
        Gang::Queued | Gang::Starting | Gang::Running => "containers are still starting".to_owned(),
    }
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds as i64)).unwrap_or(Timestamp::MAX)
}

/// `1 pod`, `2 pods`.
fn many(count: impl Into<u64>, what: &str) -> String {
    match count.into() {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn ready(pods: &[&Pod]) -> u32 {
    pods.iter().filter(|pod| is_running(pod)).count() as u32
}
