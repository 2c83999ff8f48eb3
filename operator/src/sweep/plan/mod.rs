//! Decides what to do about a sweep. Pure: the same observation at the same time gives the same plan.
//!
//! The state of a cell is in its Job. Only what cannot be seen is remembered in the status: which checkpoints were there when the
//! first cell started.

mod end;
mod recurring;
mod starts;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::v1alpha1::{RealEvalSweep, RealEvalSweepStatus, SweepPhase, SweepTarget};
use serde::Serialize;

use super::accept::{self, Rejection};
use super::cell_job::{self, queue};
use super::cells::{Cell, cells};
use super::children::out_of_sync;
use super::index;
use super::observed::Observed;
use super::outcome::{Found, Recorded, State, is_ended, look};
use super::schedule::Due;
use super::settings::combinations;
use super::status::{ACCEPTED, Draft, POOL_READY, RESOLVED, STALLED, Verdict, is_finished};
use super::table::{self, Standing};
use super::targets::{self, ALLOWED, MOST_TARGETS, OPT_IN};
use crate::child::Child;
use crate::conditions::{find, whole_seconds};
use crate::event::{PlannedEvent, for_event};
use crate::images::Images;
use crate::pool::gate;
use crate::refusal::Refusal;
use crate::requeue;

/// Names of one sweep's children. A sweep's name has at most 48 characters, so that all of these fit into a DNS label.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a>(pub(crate) &'a str);

impl Names<'_> {
    /// Service account without rights.
    pub(crate) fn service_account(&self) -> String {
        format!("{}-evaluator", self.0)
    }

    /// Network policy.
    pub(crate) fn network_policy(&self) -> String {
        format!("{}-evaluator", self.0)
    }
}

/// What plans depend on besides the cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Images where a sweep names none.
    pub images: Images,
}

/// What is to be done, in this order: children, Jobs of cells, results, deletions, the status, events.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Children that are missing or differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apply: Vec<Child>,
    /// The Job of a cell that the API server is asked about, without its being made: before anything waits, or is scaled up, for
    /// what it will never take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Child>,
    /// Jobs of cells to be created.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create: Vec<Child>,
    /// What is to be kept of pods that ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub record: Vec<Record>,
    /// Jobs to be deleted, their pods with them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<Deletion>,
    /// The status, where it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RealEvalSweepStatus>,
    /// Whether the object itself is deleted: its time after the end is over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete_object: bool,
    /// Events to publish.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<PlannedEvent>,
    /// When to look again, even if nothing happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeue: Option<Duration>,
}

/// What is to be written onto the Job of a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Name of the Job.
    pub name: String,
    /// Its uid: another of the same name gets no result.
    #[serde(skip)]
    pub uid: Option<String>,
    /// Value of the annotation [`super::RESULT`].
    pub result: String,
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

/// Seconds after which it is looked again for what no watch tells this controller: pools, namespaces, jobs.
const LOOK_AGAIN_AFTER: u64 = 5;

/// What to do about `sweep`.
pub fn plan(sweep: &RealEvalSweep, observed: &Observed, now: Timestamp, settings: &Settings) -> Plan {
    if sweep.metadata.deletion_timestamp.is_some() {
        // Owner references let the garbage collector do the rest.
        return Plan::default();
    }
    let previous = sweep.status.clone().unwrap_or_default();
    let planner = Planner {
        sweep,
        observed,
        now,
        settings,
        previous: &previous,
        draft: Draft::new(sweep, &previous, now),
        plan: Plan::default(),
    };
    // A spec that was changed since may have cells that are still to be evaluated, or allow more failures.
    if is_finished(&previous) && previous.observed_generation == sweep.metadata.generation {
        return planner.after_the_end();
    }
    planner.decide()
}

struct Planner<'a> {
    sweep: &'a RealEvalSweep,
    observed: &'a Observed,
    now: Timestamp,
    settings: &'a Settings,
    previous: &'a RealEvalSweepStatus,
    draft: Draft<'a>,
    plan: Plan,
}

/// What has to pass before another cell can start: its reason and message.
type Hindrance = (&'static str, String);

impl Planner<'_> {
    fn decide(mut self) -> Plan {
        let combinations = match accept::check(self.sweep).and_then(|()| combinations(&self.sweep.spec.matrix)) {
            Ok(combinations) => combinations,
            Err(rejection) => return self.refuse(&rejection, None),
        };
        let due = self.due();
        let (targets, frozen, notes) = self.targets(due);
        if targets.len() > MOST_TARGETS {
            let message = format!("{} targets match, at most {MOST_TARGETS} are allowed", targets.len());
            return self.refuse(&Rejection { reason: "TooManyTargets".to_owned(), message }, None);
        }
        let cells = match cells(self.sweep, &targets, &combinations) {
            Ok(cells) => cells,
            Err(rejection) => return self.refuse(&rejection, None),
        };
        let mut cells = self.look_at(cells);
        self.give_up_the_rest(&mut cells);
        self.remove_what_is_not_asked_for(&cells);
        let hindrance = match self.not_yet(due) {
            Some((reason, message)) => {
                self.draft.condition(RESOLVED, false, reason, message.clone());
                Some((reason, message))
            }
            None => self.hindrance(&targets, &notes),
        };
        if let Some(rejection) = self.refused_for_good() {
            let trial = self.first_waiting(&cells);
            table::show(&cells, &mut self.draft.status);
            return self.refuse(&rejection, trial);
        }
        self.draft.condition(ACCEPTED, true, "Accepted", "");
        let open = !self.sweep.spec.suspend && hindrance.is_none();
        if open {
            self.start_some(&mut cells);
        } else if hindrance.is_some() && !self.is_tried() {
            self.plan.trial = self.first_waiting(&cells);
        }
        // Also where a Job was created and what was to be remembered of it could not be written.
        let begun = cells.iter().any(|(_, standing)| !matches!(standing, Standing::Waiting | Standing::Skipped(_)));
        if frozen || begun || !self.plan.create.is_empty() {
            self.draft.status.targets.clone_from(&targets);
            self.draft.status.targets_for = Some(targets::chosen_by(self.sweep));
        } else {
            self.draft.status.targets.clear();
            self.draft.status.targets_for = None;
        }
        let kept = !self.draft.status.targets.is_empty() || targets.is_empty();
        self.note_the_schedule(due, kept);
        if self.sweep.spec.follow {
            self.look_again_in(2 * LOOK_AGAIN_AFTER);
        }
        table::show(&cells, &mut self.draft.status);
        let verdict = self.verdict(&cells, hindrance);
        self.keep_an_index(&cells, &verdict);
        self.finish(verdict)
    }

    /// What is evaluated: as it was when the first cell started, or else as it is now. Whether it is the former, and what was
    /// left out.
    ///
    /// A sweep that follows has what it had and what is new; one with a schedule chooses at its times.
    fn targets(&self, due: Due) -> (Vec<SweepTarget>, bool, Vec<String>) {
        let chosen = self.previous.targets_for.as_deref() == Some(targets::chosen_by(self.sweep).as_str());
        let had = if chosen { &self.previous.targets[..] } else { &[] };
        if matches!(due, Due::Later(_)) && had.is_empty() {
            return (Vec::new(), false, Vec::new());
        }
        if !had.is_empty() && !self.sweep.spec.follow && !matches!(due, Due::Now(_)) {
            return (had.to_vec(), true, Vec::new());
        }
        let mut resolved = targets::resolve(self.sweep, self.observed);
        if let Due::Now(time) = due {
            for target in resolved.targets.iter_mut().filter(|target| target.checkpoint.is_none()) {
                target.time = Some(Time(time));
            }
        }
        if self.sweep.spec.follow {
            return (targets::followed(had, resolved.targets), !had.is_empty(), resolved.notes);
        }
        (resolved.targets, false, resolved.notes)
    }

    /// Where each cell is. What pods said last is kept.
    fn look_at<'c>(&mut self, cells: Vec<Cell<'c>>) -> Vec<(Cell<'c>, Standing)> {
        let jobs: HashMap<&str, &Arc<Job>> =
            self.observed.cells.iter().filter_map(|job| Some((job.metadata.name.as_deref()?, job))).collect();
        let mut pods: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
        for pod in &self.observed.pods {
            let owners = pod.metadata.owner_references.iter().flatten();
            if let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) {
                pods.entry(owner.uid.as_str()).or_default().push(pod);
            }
        }
        let mut all = Vec::with_capacity(cells.len());
        for cell in cells {
            let Some(job) = jobs.get(cell.name.as_str()) else {
                let standing = self.not_started(&cell);
                all.push((cell, standing));
                continue;
            };
            let own = job.metadata.uid.as_deref().and_then(|uid| pods.get(uid)).map_or(&[][..], Vec::as_slice);
            let Found { state, unrecorded, again } = look(job, own, self.now);
            if let Some(again) = again {
                self.look_again_at(again);
            }
            let standing = match state {
                State::Queued => Standing::Active { queued: true },
                State::Active | State::Leaving => Standing::Active { queued: false },
                State::Succeeded(recorded) => Standing::Done(recorded),
                State::Failed(recorded) => self.failed(&cell, recorded, unrecorded),
            };
            if unrecorded && let Standing::Done(found) | Standing::Failed(found) | Standing::Skipped(found) = &standing
            {
                let result = serde_json::to_string(found).expect("plain data");
                self.plan.record.push(Record { name: cell.name.clone(), uid: job.uid(), result });
            }
            all.push((cell, standing));
        }
        all
    }

    /// A cell without a Job that the watch has shown.
    fn not_started(&self, cell: &Cell<'_>) -> Standing {
        if self.observed.started.contains(&cell.name) {
            return Standing::Active { queued: false };
        }
        let skipped = targets::unreachable(cell.target, &self.sweep.spec.run_namespace)
            .or_else(|| targets::removed(cell.target, self.observed));
        match skipped {
            Some((reason, message)) => Standing::Skipped(because(reason, message)),
            None => Standing::Waiting,
        }
    }

    /// A cell that failed. It is told once; where its checkpoint was taken away meanwhile, that is no failure.
    fn failed(&mut self, cell: &Cell<'_>, recorded: Recorded, unrecorded: bool) -> Standing {
        if recorded.reason == REMOVED {
            return Standing::Skipped(recorded);
        }
        if unrecorded {
            if let Some((_, message)) = targets::removed(cell.target, self.observed) {
                return Standing::Skipped(because(REMOVED, format!("{message}, while it was evaluated")));
            }
            let note = format!("{} on {}: {}", cell.name, cell.target.name, recorded.message);
            self.plan.events.push(PlannedEvent {
                warning: true,
                reason: recorded.reason.clone(),
                note: for_event(&note),
                action: "Evaluating".to_owned(),
            });
        }
        Standing::Failed(recorded)
    }

    /// With too many failures, what has not begun is skipped.
    fn give_up_the_rest(&self, cells: &mut [(Cell<'_>, Standing)]) {
        let failed = count(cells, |standing| matches!(standing, Standing::Failed(_)));
        let most = self.sweep.spec.failure_policy.max_failures as usize;
        if failed <= most {
            return;
        }
        let why = format!(
            "{} failed, more than spec.failurePolicy.maxFailures ({most})",
            real_terminal::count(failed, "cell")
        );
        for (_, standing) in cells.iter_mut().filter(|(_, standing)| *standing == Standing::Waiting) {
            *standing = Standing::Skipped(because("TooManyFailures", why.clone()));
        }
    }

    /// Jobs of cells that the spec does not ask for any more. What is over stays: it costs nothing and somebody may want it.
    fn remove_what_is_not_asked_for(&mut self, cells: &[(Cell<'_>, Standing)]) {
        let asked: std::collections::HashSet<&str> = cells.iter().map(|(cell, _)| cell.name.as_str()).collect();
        for job in &self.observed.cells {
            let name = job.name_any();
            if !asked.contains(name.as_str()) && !is_ended(job) {
                self.delete(job, "the spec does not ask for this cell any more");
            }
        }
    }

    fn delete(&mut self, job: &Job, why: &'static str) {
        if job.metadata.deletion_timestamp.is_none() {
            self.plan.delete.push(Deletion { name: job.name_any(), uid: job.uid(), why });
        }
    }

    /// What has to pass before another cell can start, of which none is the sweep's own fault.
    fn hindrance(&mut self, targets: &[SweepTarget], notes: &[String]) -> Option<Hindrance> {
        let notes = notes.join("; ");
        if targets.is_empty() {
            let message = if notes.is_empty() { "no job matches spec.targets".to_owned() } else { notes.clone() };
            self.draft.condition(RESOLVED, false, "NoTargets", message);
        } else {
            // Of a choice that was made before, what was left out then is still worth knowing.
            let before = find(&self.previous.conditions, RESOLVED).filter(|it| it.status == "True");
            let kept = before.filter(|_| self.previous.targets == *targets).map(|it| it.message.clone());
            let message = kept.filter(|_| notes.is_empty()).unwrap_or(notes.clone());
            self.draft.condition(RESOLVED, true, "Resolved", message);
        }
        let pool = self.sweep.spec.reward_pool_ref.as_ref().and_then(|reference| {
            let problem = gate::problem(&reference.name, self.observed.pool.as_ref());
            match &problem {
                None => self.draft.condition(POOL_READY, true, "Ready", ""),
                Some((reason, message)) => self.draft.condition(POOL_READY, false, reason, message.clone()),
            }
            problem
        });
        let found = self.closed().or_else(|| self.without_kueue());
        self.draft.warning |= found.is_some();
        let found = found.or_else(|| {
            let message = if notes.is_empty() { "no job matches spec.targets".to_owned() } else { notes };
            targets.is_empty().then_some(("NoTargets", message))
        });
        let found = found.or_else(|| {
            self.draft.warning |= pool.as_ref().is_some_and(|(reason, _)| *reason == gate::NOT_FOUND);
            pool
        });
        if found.is_some() {
            self.look_again_in(LOOK_AGAIN_AFTER);
        }
        found
    }

    /// Whether the namespace of the cells is not open to sweeps.
    fn closed(&self) -> Option<Hindrance> {
        let name = &self.sweep.spec.run_namespace;
        match self.observed.namespaces.iter().find(|namespace| namespace.name == *name) {
            None => Some(("NamespaceNotFound", format!("spec.runNamespace is {name}, and there is no such namespace"))),
            Some(namespace) if !targets::allows(namespace) => Some((
                "NamespaceNotAllowed",
                format!(
                    "spec.runNamespace is {name}, which does not let sweeps in: kubectl label namespace {name} {OPT_IN}={ALLOWED}"
                ),
            )),
            Some(_) => None,
        }
    }

    fn without_kueue(&self) -> Option<Hindrance> {
        let queue = queue(self.sweep).filter(|_| self.observed.without_kueue)?;
        let message = format!(
            "the label {} asks for queue {queue}, and the cluster has no Kueue that could start it: install Kueue, or take the \
             label away",
            crate::labels::KUEUE_QUEUE
        );
        Some(("KueueNotInstalled", message))
    }

    /// Writes the index of the results, where they are kept, each time that everything there is so far has been evaluated.
    fn keep_an_index(&mut self, cells: &[(Cell<'_>, Standing)], (phase, ..): &Verdict) {
        if self.sweep.spec.results.is_none() {
            (self.draft.status.results_uri, self.draft.status.results_config_map) = (None, None);
            return;
        }
        self.draft.status.results_uri = index::folder(self.sweep);
        let rests = matches!(phase, SweepPhase::Succeeded | SweepPhase::Failed | SweepPhase::Waiting);
        let told = self.previous.phase == Some(*phase) && self.previous.counts == self.draft.status.counts;
        if rests && !cells.is_empty() && !(told && self.previous.results_config_map.is_some()) {
            self.plan.apply.push(Child::new(&index::index(self.sweep, cells), false));
            self.draft.status.results_config_map = Some(index::place(self.sweep));
        }
    }

    /// What the API server refused, unless it said so of another spec.
    fn refusal(&self) -> Option<&Refusal> {
        let generation = self.sweep.metadata.generation;
        let stands = |refusal: &&Refusal| refusal.lasting.as_ref().is_none_or(|it| it.generation == generation);
        self.observed.refused.as_ref().filter(stands)
    }

    /// The API server's word that a cell of this very spec can never be.
    fn refused_for_good(&self) -> Option<Rejection> {
        let refusal = self.refusal().filter(|refusal| refusal.lasting.is_some())?;
        Some(Rejection { reason: refusal.reason.clone(), message: refusal.message.clone() })
    }

    /// Whether the API server has taken a cell of this very spec, be it on trial.
    fn is_tried(&self) -> bool {
        let told = find(&self.previous.conditions, ACCEPTED).filter(|accepted| accepted.status == "True");
        self.observed.tried || told.is_some_and(|told| told.observed_generation == self.sweep.metadata.generation)
    }

    fn look_again_in(&mut self, seconds: u64) {
        requeue::within(&mut self.plan.requeue, Duration::from_secs(seconds));
    }

    fn look_again_at(&mut self, time: Timestamp) {
        requeue::by(&mut self.plan.requeue, self.now, time);
    }

    fn finish(mut self, verdict: Verdict) -> Plan {
        let (status, event) = self.draft.conclude(verdict);
        if status != *self.previous {
            self.plan.status = Some(status);
            self.plan.events.extend(event);
        }
        self.plan
    }
}

/// A cell was skipped, though it had begun: its checkpoint went.
const REMOVED: &str = "CheckpointRemoved";

fn because(reason: &str, message: String) -> Recorded {
    Recorded { tally: None, reason: reason.to_owned(), message }
}

fn count(cells: &[(Cell<'_>, Standing)], holds: impl Fn(&Standing) -> bool) -> usize {
    cells.iter().filter(|(_, standing)| holds(standing)).count()
}
