//! Decides what to do about a training job. Pure: the same observation at the same time gives the same plan.
//!
//! The state is told anew from what is there. Only what cannot be seen is remembered in the status: the number of the
//! attempt, how many failed and why, and how long they ran.

pub(crate) mod follow;
mod limits;
mod queue;
mod start;
mod stop;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use real_crds::v1alpha1::{ManagedBy, Phase, RealTrainingJob, RealTrainingJobStatus};
use serde::Serialize;

use super::accept::{self, Rejection};
use super::ending::{Cause, Ending, ending};
use super::gang::{is_over, is_running};
use super::in_place::{InPlace, in_place};
use super::observed::{Observed, index, number};
use super::progress::{self, Said};
use super::queue::Boost;
use super::status::{
    ACCEPTED, Concluded, Draft, POOL_READY, REWARD_SUSPECT, SCHEDULED, WARNED, is_finished, lifecycle,
};
use crate::child::Child;
use crate::conditions::find;
use crate::event::{PlannedEvent, for_event};
use crate::images::Images;
use crate::pool::gate;
use crate::refusal::Refusal;
use crate::requeue::{self, after};

/// The phase, and the reason and message that explain it.
type Verdict = (Phase, String, String);

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
    /// A Job that the API server is asked about, without its being made: before anything waits, or is scaled up, for what it
    /// will never take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Child>,
    /// An attempt to be created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Child>,
    /// Jobs to be deleted.
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
    /// How dear it would be to stop the attempt, for Kueue, where that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boost: Option<Boost>,
    /// Why an attempt ended, where this plan counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<Cause>,
    /// How often the trainer was started again in its pod since it was last told.
    #[serde(skip_serializing_if = "real_crds::is_zero")]
    pub restarted: u32,
}

/// A Job to be deleted, its pods with it.
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

/// Seconds that the watch of pods may be behind that of Jobs.
const LONGEST_LAG: u64 = 30;

/// What to do about `job`.
pub fn plan(job: &RealTrainingJob, observed: &Observed, now: Timestamp, settings: &Settings) -> Plan {
    if job.metadata.deletion_timestamp.is_some() {
        // Owner references let the garbage collector do the rest.
        return Plan::default();
    }
    if job.spec.managed_by.is_some_and(|manager| manager != ManagedBy::Operator) {
        return left_alone(job, now);
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

/// A job of another controller, which writes its status. Only while nobody has, this says whose it is.
fn left_alone(job: &RealTrainingJob, now: Timestamp) -> Plan {
    if job.status.is_some() {
        return Plan::default();
    }
    let previous = RealTrainingJobStatus::default();
    let mut draft = Draft::new(job, &previous, now);
    let message = "spec.managedBy leaves this job to Kueue's MultiKueue: nothing happens here unless it is set up for \
                   RealTrainingJobs, see its documentation";
    draft.condition(ACCEPTED, false, "ManagedElsewhere", message);
    let Concluded { status, event } = draft.conclude(Phase::Pending, "ManagedElsewhere", message);
    Plan { status: Some(status), events: event.into_iter().collect(), ..Plan::default() }
}

struct Planner<'a> {
    job: &'a RealTrainingJob,
    observed: &'a Observed,
    now: Timestamp,
    settings: &'a Settings,
    previous: &'a RealTrainingJobStatus,
    attempt: u32,
    /// What became of the attempt's trainer where it was started again in its pod.
    again: Option<InPlace>,
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
        if previous.attempt != Some(attempt) {
            draft.status.restarts.get_or_insert_default().in_place = 0;
        }
        draft.status.attempt = Some(attempt);
        draft.status.job_name = observed.attempt(attempt).map(ResourceExt::name_any);
        let again = in_place(&observed.pods_of(attempt));
        Self { job, observed, now, settings, previous, attempt, again, draft, plan: Plan::default() }
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
    fn decide(&mut self) -> Verdict {
        let rejection = self.say_accepted();
        self.say_pool();
        self.remove_earlier_attempts();
        self.count_restarts();
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
            Some(current) if current.metadata.deletion_timestamp.is_some() => self.being_deleted(current),
            Some(current) => self.follow(current),
            None => self.start(rejection),
        }
    }

    fn being_deleted(&mut self, current: &Job) -> Verdict {
        self.draft.stop_clock(self.now);
        self.draft.condition(SCHEDULED, false, "Deleting", "");
        let message = format!("{} is being deleted; another attempt follows", current.name_any());
        (Phase::Restarting, "AttemptDeleted".to_owned(), message)
    }

    /// Whether an attempt could run. One that does goes on: it has the configuration that it began with.
    fn say_accepted(&mut self) -> Option<Rejection> {
        let rejection = accept::check(self.job).err().or_else(|| self.refused_for_good());
        match &rejection {
            None => self.draft.condition(ACCEPTED, true, "Accepted", ""),
            Some(rejection) => self.draft.condition(ACCEPTED, false, &rejection.reason, rejection.message.clone()),
        }
        rejection
    }

    /// The API server's word that an attempt of this very spec can never be.
    fn refused_for_good(&self) -> Option<Rejection> {
        let refusal = self.refusal().filter(|refusal| refusal.lasting.is_some())?;
        Some(Rejection { reason: refusal.reason.clone(), message: refusal.message.clone() })
    }

    /// What the API server refused, unless it said so of another spec.
    fn refusal(&self) -> Option<&'a Refusal> {
        let generation = self.job.metadata.generation;
        let stands = |refusal: &&Refusal| refusal.lasting.as_ref().is_none_or(|it| it.generation == generation);
        self.observed.refused.as_ref().filter(stands)
    }

    /// Whether the pool is ready, for an attempt that is about to start and for one that runs.
    fn say_pool(&mut self) {
        if let Some(reference) = &self.job.spec.reward_pool_ref {
            match gate::problem(&reference.name, self.observed.pool.as_ref()) {
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

    fn nodes(&self) -> u32 {
        self.job.spec.trainer.nodes as u32
    }

    /// Pods that still run, of whichever attempt.
    fn pods_left(&self) -> Vec<&'a Pod> {
        self.observed.pods.iter().filter(|pod| !is_over(pod)).collect()
    }

    fn look_again_at(&mut self, time: Timestamp) {
        requeue::by(&mut self.plan.requeue, self.now, time);
    }

    fn tell(&mut self, said: Option<Said>) {
        let Some(said) = said else { return };
        let told = progress::told(self.job, said, self.previous);
        if told != progress::only(self.previous) {
            self.plan.progress = Some(told);
        }
    }

    fn finish(mut self, (phase, reason, mut message): Verdict) -> Plan {
        let (observed, attempt, now) = (self.observed, self.attempt, self.now);
        let said = progress::last_words(observed, attempt, now).or_else(|| progress::reported(observed, attempt));
        // The pods of an attempt may be seen to end after its Job.
        let earlier =
            || progress::last_words(observed, attempt.saturating_sub(1), now).filter(|_| self.current().is_none());
        let said = said.or_else(earlier);
        let warnings = self.say_warnings(said.as_ref());
        self.say_suspicions(said.as_ref());
        let restarted = self.say_restarts();
        self.tell(said);
        self.say_boost(phase);
        if let Some(refusal) = self.refusal().filter(|_| self.current().is_some() && phase != Phase::Failed) {
            message = format!("{message}; refused: {}", refusal.message);
        }
        let Concluded { status, event } = self.draft.conclude(phase, &reason, &message);
        if status != lifecycle(self.previous) {
            self.plan.status = Some(status);
            self.plan.events.extend(warnings);
            self.plan.events.extend(restarted);
            self.plan.events.extend(event);
        }
        self.plan
    }

    /// Whether the monitor of the rewards holds something against the last step; as it was where the trainer says nothing.
    /// There is no such condition before the first suspicion. Its event is the trainer's warning.
    fn say_suspicions(&mut self, said: Option<&Said>) {
        let known = find(&self.previous.conditions, REWARD_SUSPECT);
        match (said, known) {
            (Some(said), _) if !said.progress.suspicions.is_empty() => {
                let message = said.progress.suspicions.join("; ");
                self.draft.condition(REWARD_SUSPECT, true, "PastThreshold", message);
            }
            (Some(_), Some(_)) => self.draft.condition(REWARD_SUSPECT, false, "Unsuspicious", ""),
            (None, Some(known)) => {
                self.draft.condition(REWARD_SUSPECT, known.status == "True", &known.reason, known.message.clone());
            }
            (_, None) => {}
        }
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

fn ready(pods: &[&Pod]) -> u32 {
    pods.iter().filter(|pod| is_running(pod)).count() as u32
}
