//! What jobs use, by what is used: pools find who wants answers from them, jobs who else writes where they do, without a look
//! at all jobs.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use real_crds::v1alpha1::{Phase, RealTrainingJob};

use crate::cache::Owner;
use crate::conditions::is_true;
use crate::job::{is_finished, place};
use crate::pool::Consumers;

/// What all jobs use; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    jobs: HashMap<Owner, Use>,
    by_pool: HashMap<Owner, BTreeSet<String>>,
    by_place: HashMap<Owner, BTreeSet<String>>,
    /// Pools that sweeps want answers from, and of those, whether no cell runs yet.
    sweeps: HashMap<Owner, (Owner, Starting)>,
    /// Jobs that a list which is under way has brought so far.
    arriving: Option<HashSet<Owner>>,
}

/// What one job uses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    /// The pool that it refers to, until it is finished.
    pool: Option<String>,
    /// Whether it wants answers now or soon, and of those, whether its pods do not run yet.
    wants: Option<Starting>,
    /// Where it keeps checkpoints, until it is finished.
    place: Option<String>,
    claim: Claim,
}

type Starting = bool;

/// How good a job's right to its place is; the smallest is the best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    idle: bool,
    unbegun: bool,
    created: Option<Timestamp>,
}

/// Whom a change of jobs is news for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Concerned {
    /// Pools that are used otherwise than before.
    pub(crate) pools: BTreeSet<Owner>,
    /// Jobs that share a place with one that changed.
    pub(crate) jobs: BTreeSet<Owner>,
}

impl Uses {
    /// Takes in what the watch of jobs brought.
    pub(crate) fn observe(&self, event: &Event<RealTrainingJob>) -> Concerned {
        let mut inner = self.lock();
        let mut concerned = Concerned::default();
        match event {
            Event::Init => inner.arriving = Some(HashSet::new()),
            Event::Apply(job) => inner.set(owner(job), Some(of(job)), &mut concerned),
            Event::InitApply(job) => {
                inner.arriving.get_or_insert_default().insert(owner(job));
                inner.set(owner(job), Some(of(job)), &mut concerned);
            }
            Event::Delete(job) => inner.set(owner(job), None, &mut concerned),
            Event::InitDone => {
                // Those that went while nobody watched.
                let there = inner.arriving.take().unwrap_or_default();
                let gone: Vec<Owner> = inner.jobs.keys().filter(|job| !there.contains(*job)).cloned().collect();
                for job in gone {
                    inner.set(job, None, &mut concerned);
                }
            }
        }
        concerned
    }

    /// Who wants answers from a pool.
    pub(crate) fn consumers(&self, pool: &Owner) -> Consumers {
        let inner = self.lock();
        let mut consumers = Consumers::default();
        for starting in inner.users(pool).filter_map(|(_, job)| job.wants) {
            consumers.active += 1;
            consumers.starting += u32::from(starting);
        }
        for (_, starting) in inner.sweeps.values().filter(|(wanted, _)| wanted == pool) {
            consumers.active += 1;
            consumers.starting += u32::from(*starting);
        }
        consumers
    }

    /// Takes in what a sweep, by its namespace and name, wants of which pool. Gives the pools that are used otherwise than before.
    pub(crate) fn sweep(&self, sweep: &Owner, wants: Option<(Owner, bool)>) -> BTreeSet<Owner> {
        let mut inner = self.lock();
        let before = match &wants {
            Some(wants) => inner.sweeps.insert(sweep.clone(), wants.clone()),
            None => inner.sweeps.remove(sweep),
        };
        if before == wants {
            return BTreeSet::new();
        }
        before.into_iter().chain(wants).map(|(pool, _)| pool).collect()
    }

    /// Forgets sweeps that are gone. Gives the pools that they used.
    pub(crate) fn keep_sweeps(&self, is_there: impl Fn(&Owner) -> bool) -> BTreeSet<Owner> {
        let mut inner = self.lock();
        inner.sweeps.extract_if(|sweep, _| !is_there(sweep)).map(|(_, (pool, _))| pool).collect()
    }

    /// Jobs that refer to a pool and are not finished.
    pub(crate) fn referring(&self, pool: &Owner) -> Vec<String> {
        self.lock().users(pool).map(|(name, _)| name.clone()).collect()
    }

    /// The job that has a better right than `job` to the place where `job` keeps its checkpoints.
    pub(crate) fn holder(&self, job: &Owner) -> Option<String> {
        let inner = self.lock();
        let own = inner.jobs.get(job)?;
        let key = (job.0.clone(), own.place.clone()?);
        let others = inner.by_place.get(&key)?.iter().filter(|name| **name != job.1);
        let rivals = others.filter_map(|name| Some((inner.jobs.get(&(job.0.clone(), name.clone()))?, name)));
        let (best, name) = rivals.min_by(|a, b| a.0.claim.cmp(&b.0.claim).then_with(|| a.1.cmp(b.1)))?;
        (best.claim.cmp(&own.claim).then_with(|| name.cmp(&job.1)) == Ordering::Less).then(|| name.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change leaves it whole, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn users(&self, pool: &Owner) -> impl Iterator<Item = (&String, &Use)> {
        let names = self.by_pool.get(pool).into_iter().flatten();
        names.filter_map(move |name| Some((name, self.jobs.get(&(pool.0.clone(), name.clone()))?)))
    }

    fn set(&mut self, job: Owner, now: Option<Use>, concerned: &mut Concerned) {
        let before = self.jobs.get(&job).cloned();
        if before == now {
            return;
        }
        let (namespace, name) = &job;
        let at = |key: &String| (namespace.clone(), key.clone());
        if let Some(old) = &before {
            leave(&mut self.by_pool, old.pool.as_ref().map(at), name);
            leave(&mut self.by_place, old.place.as_ref().map(at), name);
        }
        if let Some(new) = &now {
            join(&mut self.by_pool, new.pool.as_ref().map(at), name);
            join(&mut self.by_place, new.place.as_ref().map(at), name);
        }
        let demand = |job: &Option<Use>| job.as_ref().map(|job| (job.pool.clone(), job.wants));
        if demand(&before) != demand(&now) {
            concerned.pools.extend(before.iter().chain(&now).filter_map(|job| job.pool.as_ref().map(at)));
        }
        for place in before.iter().chain(&now).filter_map(|job| job.place.as_ref().map(at)) {
            let others = self.by_place.get(&place).into_iter().flatten().filter(|other| *other != name);
            concerned.jobs.extend(others.map(|other| (namespace.clone(), other.clone())));
        }
        match now {
            Some(now) => self.jobs.insert(job, now),
            None => self.jobs.remove(&job),
        };
    }
}

fn join(index: &mut HashMap<Owner, BTreeSet<String>>, key: Option<Owner>, name: &str) {
    if let Some(key) = key {
        index.entry(key).or_default().insert(name.to_owned());
    }
}

fn leave(index: &mut HashMap<Owner, BTreeSet<String>>, key: Option<Owner>, name: &str) {
    if let Some(key) = key
        && let Some(names) = index.get_mut(&key)
    {
        names.remove(name);
        if names.is_empty() {
            index.remove(&key);
        }
    }
}

fn owner(job: &RealTrainingJob) -> Owner {
    (job.namespace().unwrap_or_default(), job.name_any())
}

fn of(job: &RealTrainingJob) -> Use {
    let status = job.status.clone().unwrap_or_default();
    let leaving = job.metadata.deletion_timestamp.is_some();
    let over = leaving || is_finished(&status);
    let begun = status.job_name.is_some();
    // One that the API server has not taken on trial yet, or refuses, must not make a pool grow.
    let wanting =
        !over && !is_true(&status.conditions, "Suspended") && (begun || is_true(&status.conditions, "Accepted"));
    Use {
        pool: job.spec.reward_pool_ref.as_ref().map(|reference| reference.name.clone()).filter(|_| !over),
        wants: wanting.then_some(status.phase != Some(Phase::Running)),
        place: place(job).filter(|_| !over),
        claim: Claim {
            idle: !begun,
            unbegun: status.attempt.unwrap_or(1) <= 1,
            created: job.metadata.creation_timestamp.as_ref().map(|time| time.0),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A job of namespace `ml`, created at some second.
    fn job(name: &str, second: u32, status: &Value) -> RealTrainingJob {
        serde_json::from_value(json!({
            "apiVersion": "real-rl.dev/v1alpha1", "kind": "RealTrainingJob",
            "metadata": {"name": name, "namespace": "ml", "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {
                "model": {"storageUri": "m"}, "datasets": {"train": [{"name": "a", "storageUri": "a"}]},
                "algorithm": {"sft": {"steps": 1}}, "rewardPoolRef": {"name": "judges"},
                "checkpoint": {"everySteps": 1, "retain": 1, "resumeFrom": "latest",
                    "storage": {"persistentVolumeClaim": {"claimName": "c", "subPath": "runs"}}},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn condition(type_: &str) -> Value {
        json!([{"type": type_, "status": "True", "reason": "Told", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    }

    fn at(name: &str) -> Owner {
        ("ml".to_owned(), name.to_owned())
    }

    #[test]
    fn only_a_job_that_the_server_would_take_uses_a_pool() {
        let uses = Uses::default();
        let pool = at("judges");
        uses.observe(&Event::Apply(job("a", 1, &json!({}))));
        assert_eq!(uses.consumers(&pool).active, 0);
        let told = uses.observe(&Event::Apply(job("a", 1, &json!({"conditions": condition("Accepted")}))));
        assert!(told.pools.contains(&pool));
        assert_eq!(uses.consumers(&pool), Consumers { active: 1, starting: 1 });
        uses.observe(&Event::Apply(job("a", 1, &json!({"jobName": "a-1", "phase": "Running"}))));
        assert_eq!(uses.consumers(&pool), Consumers { active: 1, starting: 0 });
        uses.observe(&Event::Apply(job("a", 1, &json!({"jobName": "a-1", "conditions": condition("Complete")}))));
        assert_eq!(uses.consumers(&pool).active, 0);
        assert!(uses.referring(&pool).is_empty(), "what a pool is like is no news for a job that is over");
    }

    #[test]
    fn the_place_is_of_whoever_runs_then_of_whoever_began_then_of_the_elder() {
        let uses = Uses::default();
        uses.observe(&Event::Apply(job("elder", 1, &json!({}))));
        uses.observe(&Event::Apply(job("younger", 2, &json!({}))));
        assert_eq!((uses.holder(&at("elder")), uses.holder(&at("younger"))), (None, Some("elder".to_owned())));
        uses.observe(&Event::Apply(job("younger", 2, &json!({"attempt": 2}))));
        assert_eq!((uses.holder(&at("elder")), uses.holder(&at("younger"))), (Some("younger".to_owned()), None));
        uses.observe(&Event::Apply(job("elder", 1, &json!({"attempt": 1, "jobName": "elder-1"}))));
        assert_eq!((uses.holder(&at("elder")), uses.holder(&at("younger"))), (None, Some("elder".to_owned())));
        // Its end is news for the other.
        let told = uses.observe(&Event::Apply(job("elder", 1, &json!({"conditions": condition("Complete")}))));
        assert!(told.jobs.contains(&at("younger")));
        assert_eq!(uses.holder(&at("younger")), None);
    }

    #[test]
    fn a_sweep_uses_its_pool_as_a_job_does_until_it_is_gone() {
        let uses = Uses::default();
        let (sweep, pool) = (at("sweep"), at("judges"));
        assert_eq!(uses.sweep(&sweep, Some((pool.clone(), true))), [pool.clone()].into());
        assert_eq!(uses.consumers(&pool), Consumers { active: 1, starting: 1 });
        assert!(uses.sweep(&sweep, Some((pool.clone(), true))).is_empty(), "nothing new");
        assert_eq!(uses.sweep(&sweep, Some((at("others"), false))), [pool.clone(), at("others")].into());
        assert_eq!(uses.consumers(&pool).active, 0);
        assert_eq!(uses.keep_sweeps(|_| false), [at("others")].into());
        assert_eq!(uses.consumers(&at("others")).active, 0);
    }

    #[test]
    fn a_job_that_went_while_nobody_watched_is_forgotten() {
        let uses = Uses::default();
        uses.observe(&Event::Apply(job("gone", 1, &json!({"jobName": "gone-1"}))));
        uses.observe(&Event::Init);
        uses.observe(&Event::InitApply(job("stays", 2, &json!({}))));
        let told = uses.observe(&Event::InitDone);
        assert_eq!((told.pools, told.jobs), ([at("judges")].into(), [at("stays")].into()));
        assert_eq!(uses.referring(&at("judges")), ["stays"]);
        assert_eq!(uses.lock().jobs.len(), 1);
        uses.observe(&Event::Delete(job("stays", 2, &json!({}))));
        let inner = uses.lock();
        assert!(inner.jobs.is_empty() && inner.by_pool.is_empty() && inner.by_place.is_empty());
    }
}
