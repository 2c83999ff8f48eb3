//! Prometheus metrics. Every label is an enum or one of a fixed set of texts, but for names of reward pools, of sweeps and of running
//! jobs, which leave with them.

mod labels;
mod timer;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use real_crds::v1alpha1::{CellCounts, Phase, SweepPhase};

pub use labels::{Cause, Code, Controller, Reason, ReplicaState, Role, Verb};
pub use timer::ReconcileTimer;

use crate::lease::Guard;
use labels::{
    ApiCall, ByCause, ByController, ByPhase, Cells, Fleet, Job, Outcome, PHASES, Pool, ReconcileError, ReconcileResult,
    SWEEP_PHASES, Waiting, cells,
};

/// Media type of [`Metrics::render`].
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds of a reconcile: from a look at the caches to a dozen slow requests.
const RECONCILE_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Seconds until all pods of a job run: images, quota and nodes that have to be made take from seconds to hours.
const TIME_TO_RUNNING_BUCKETS: [f64; 12] =
    [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 14_400.0];

#[derive(Clone)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// The operator's metrics; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

struct Families {
    registry: Registry,
    reconciles: Family<ReconcileResult, Counter>,
    durations: Family<ByController, Histogram, Buckets>,
    errors: Family<ReconcileError, Counter>,
    jobs: Family<ByPhase, Gauge>,
    time_to_running: Histogram,
    restarts: Family<ByCause, Counter>,
    /// Jobs by phase, of each scope that is watched.
    phases: Mutex<HashMap<String, HashMap<Phase, i64>>>,
    progress_age: Family<Job, Gauge<f64, AtomicU64>>,
    /// Jobs that have an age, of each scope.
    aging: Mutex<HashMap<String, HashSet<Job>>>,
    sweeps: Family<ByPhase, Gauge>,
    sweep_cells: Family<Cells, Gauge>,
    /// Sweeps that have cells.
    swept: Mutex<HashSet<String>>,
    queue_depth: Family<Pool, Gauge>,
    demand: Family<Waiting, Gauge>,
    replicas: Family<Fleet, Gauge>,
    api_requests: Family<ApiCall, Counter>,
    leader: Gauge,
    guard: OnceLock<Guard>,
}

impl Metrics {
    /// All families, registered.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("real");
        let families = Families {
            registry: Registry::default(),
            reconciles: Family::default(),
            durations: Family::new_with_constructor(Buckets(&RECONCILE_BUCKETS)),
            errors: Family::default(),
            jobs: Family::default(),
            time_to_running: Histogram::new(TIME_TO_RUNNING_BUCKETS),
            restarts: Family::default(),
            phases: Mutex::default(),
            progress_age: Family::default(),
            aging: Mutex::default(),
            sweeps: Family::default(),
            sweep_cells: Family::default(),
            swept: Mutex::default(),
            queue_depth: Family::default(),
            demand: Family::default(),
            replicas: Family::default(),
            api_requests: Family::default(),
            leader: Gauge::default(),
            guard: OnceLock::new(),
        };
        registry.register("reconcile", "Reconciles, by result", families.reconciles.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Time a reconcile took",
            Unit::Seconds,
            families.durations.clone(),
        );
        registry.register("reconcile_errors", "Reconciles that failed, by reason", families.errors.clone());
        registry.register("jobs", "Training jobs, by phase", families.jobs.clone());
        registry.register_with_unit(
            "job_time_to_running",
            "Time from the creation of a training job until all its pods ran",
            Unit::Seconds,
            families.time_to_running.clone(),
        );
        registry.register(
            "job_restarts",
            "Starts of training jobs after the first, by cause",
            families.restarts.clone(),
        );
        registry.register_with_unit(
            "job_progress_age",
            "Time since a running training job last made a step, an evaluation or a checkpoint",
            Unit::Seconds,
            families.progress_age.clone(),
        );
        registry.register("sweeps", "Evaluation sweeps, by phase", families.sweeps.clone());
        registry.register("sweep_cells", "Cells of evaluation sweeps, by state", families.sweep_cells.clone());
        registry.register("rewardpool_queue_depth", "Requests that wait for a pool", families.queue_depth.clone());
        registry.register(
            "rewardpool_demand",
            "Requests that wait for a pool's fleet or are worked on",
            families.demand.clone(),
        );
        registry.register("rewardpool_replicas", "Replicas of a pool's fleets, by state", families.replicas.clone());
        registry.register(
            "api_requests",
            "Requests to the API server, each try of one counted",
            families.api_requests.clone(),
        );
        registry.register("leader", "Whether this replica may write now", families.leader.clone());
        registry.register("build", "Version of the operator", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self(Arc::new(Families { registry, ..families }))
    }

    /// Times a reconcile until the timer is finished or dropped.
    pub fn reconcile(&self, controller: Controller) -> ReconcileTimer {
        ReconcileTimer::new(self.clone(), controller)
    }

    /// The training jobs there are in a scope (all namespaces, or one of those that are watched), by their phases; a job
    /// without one yet is pending.
    pub fn set_jobs(&self, scope: &str, phases: impl IntoIterator<Item = Phase>) {
        let mut counts: HashMap<Phase, i64> = HashMap::new();
        for phase in phases {
            *counts.entry(phase).or_default() += 1;
        }
        let mut scopes = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner);
        scopes.insert(scope.to_owned(), counts);
        // A phase without jobs is 0, not what it was.
        for phase in PHASES {
            let labels = ByPhase { phase: labels::phase(phase) };
            let count = scopes.values().filter_map(|counts| counts.get(&phase)).sum();
            self.0.jobs.get_or_create(&labels).set(count);
        }
    }

    /// A training job runs, for the first time, `after` it was created.
    pub fn job_runs(&self, after: Duration) {
        self.0.time_to_running.observe(after.as_secs_f64());
    }

    /// A training job starts again.
    pub fn job_restarts(&self, cause: Cause) {
        self.0.restarts.get_or_create(&ByCause { cause }).inc();
    }

    /// How long ago each running job of a scope got on, by namespace and name. Those that are not named any more are gone.
    pub fn set_progress_ages(&self, scope: &str, ages: impl IntoIterator<Item = (String, String, Duration)>) {
        let mut there = HashSet::new();
        for (namespace, job, age) in ages {
            let labels = Job { namespace, job };
            self.0.progress_age.get_or_create(&labels).set(age.as_secs_f64());
            there.insert(labels);
        }
        let mut scopes = self.0.aging.lock().unwrap_or_else(PoisonError::into_inner);
        let before = scopes.insert(scope.to_owned(), there.clone()).unwrap_or_default();
        for gone in before.difference(&there) {
            self.0.progress_age.remove(gone);
        }
    }

    /// The sweeps there are, by name, with their phases and cells. Those that are not named any more are gone.
    pub fn set_sweeps(&self, sweeps: impl IntoIterator<Item = (String, SweepPhase, CellCounts)>) {
        let mut phases: HashMap<SweepPhase, i64> = HashMap::new();
        let mut there = HashSet::new();
        for (sweep, phase, counts) in sweeps {
            *phases.entry(phase).or_default() += 1;
            for (state, count) in cells(&counts) {
                self.0.sweep_cells.get_or_create(&Cells { sweep: sweep.clone(), state }).set(count.into());
            }
            there.insert(sweep);
        }
        for phase in SWEEP_PHASES {
            let labels = ByPhase { phase: labels::sweep_phase(phase) };
            self.0.sweeps.get_or_create(&labels).set(phases.get(&phase).copied().unwrap_or(0));
        }
        let mut swept = self.0.swept.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in swept.difference(&there) {
            for (state, _) in cells(&CellCounts::default()) {
                self.0.sweep_cells.remove(&Cells { sweep: gone.clone(), state });
            }
        }
        *swept = there;
    }

    /// Requests that wait for a pool.
    pub fn set_queue_depth(&self, namespace: &str, pool: &str, depth: u64) {
        let labels = Pool { namespace: namespace.to_owned(), pool: pool.to_owned() };
        self.0.queue_depth.get_or_create(&labels).set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Requests that wait for one of a pool's fleets or are worked on: what autoscalers of others scale by.
    pub fn set_demand(&self, namespace: &str, pool: &str, fleet: Role, requests: u64) {
        let labels = Waiting { namespace: namespace.to_owned(), pool: pool.to_owned(), fleet };
        self.0.demand.get_or_create(&labels).set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// Replicas of one of a pool's fleets.
    pub fn set_replicas(&self, namespace: &str, pool: &str, role: Role, state: ReplicaState, replicas: u32) {
        let labels = Fleet { namespace: namespace.to_owned(), pool: pool.to_owned(), role, state };
        self.0.replicas.get_or_create(&labels).set(replicas.into());
    }

    /// Forgets a pool that is gone.
    pub fn remove_pool(&self, namespace: &str, pool: &str) {
        let (namespace, pool) = (namespace.to_owned(), pool.to_owned());
        self.0.queue_depth.remove(&Pool { namespace: namespace.clone(), pool: pool.clone() });
        for role in Role::ALL {
            let (namespace, pool) = (namespace.clone(), pool.clone());
            self.0.demand.remove(&Waiting { namespace, pool, fleet: role });
        }
        for role in Role::ALL {
            for state in ReplicaState::ALL {
                self.0.replicas.remove(&Fleet { namespace: namespace.clone(), pool: pool.clone(), role, state });
            }
        }
    }

    /// A request to the API server was answered. `kind` is one of the fixed set of [`crate::api_calls`].
    pub(crate) fn api_request(&self, verb: Verb, kind: &'static str, code: Code) {
        self.0.api_requests.get_or_create(&ApiCall { verb, kind, code }).inc();
    }

    /// Takes `real_leader` from this guard whenever metrics are rendered. Only the first guard counts.
    pub fn follow(&self, guard: &Guard) {
        let _ = self.0.guard.set(guard.clone());
    }

    /// All metrics as [`OPENMETRICS`].
    pub fn render(&self) -> String {
        let leads = self.0.guard.get().is_some_and(|guard| guard.check().is_ok());
        self.0.leader.set(leads.into());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }

    fn reconciled(&self, controller: Controller, outcome: Outcome, took: Duration) {
        let result = match outcome {
            Outcome::Success => "success",
            Outcome::Outdated => "outdated",
            Outcome::Error(_) => "error",
            Outcome::Cancelled => "cancelled",
        };
        self.0.reconciles.get_or_create(&ReconcileResult { controller, result }).inc();
        self.0.durations.get_or_create(&ByController { controller }).observe(took.as_secs_f64());
        if let Outcome::Error(reason) = outcome {
            self.0.errors.get_or_create(&ReconcileError { controller, reason }).inc();
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `text` that begin with `family`.
    fn samples(text: &str, family: &str) -> Vec<String> {
        text.lines().filter(|line| line.starts_with(family)).map(str::to_owned).collect()
    }

    #[test]
    fn every_family_has_its_name_labels_and_type() {
        let metrics = Metrics::new();
        metrics.reconcile(Controller::Job).finish(Ok(()));
        metrics.reconcile(Controller::Pool).finish(Err(Reason::Conflict));
        metrics.set_jobs("ml", [Phase::Running, Phase::Running, Phase::Failed]);
        metrics.job_runs(Duration::from_secs(42));
        metrics.job_restarts(Cause::Preemption);
        metrics.set_progress_ages("ml", [("ml".to_owned(), "run".to_owned(), Duration::from_millis(1500))]);
        metrics.set_queue_depth("ml", "judges", 7);
        metrics.set_replicas("ml", "judges", Role::Sandbox, ReplicaState::Ready, 3);
        metrics.api_request(Verb::Patch, "realtrainingjobs/status", Code::Status(200));
        metrics.api_request(Verb::Get, "other", Code::Error);
        metrics.follow(&Guard::always());
        let text = metrics.render();
        let expected = [
            "# TYPE real_reconcile counter",
            "real_reconcile_total{controller=\"job\",result=\"success\"} 1",
            "real_reconcile_total{controller=\"pool\",result=\"error\"} 1",
            "# TYPE real_reconcile_duration_seconds histogram",
            "real_reconcile_duration_seconds_count{controller=\"job\"} 1",
            "real_reconcile_errors_total{controller=\"pool\",reason=\"conflict\"} 1",
            "# TYPE real_jobs gauge",
            "real_jobs{phase=\"Running\"} 2",
            "real_jobs{phase=\"Failed\"} 1",
            "real_jobs{phase=\"Queued\"} 0",
            "# TYPE real_job_time_to_running_seconds histogram",
            "real_job_time_to_running_seconds_sum 42.0",
            "real_job_restarts_total{cause=\"preemption\"} 1",
            "# TYPE real_job_progress_age_seconds gauge",
            "real_job_progress_age_seconds{namespace=\"ml\",job=\"run\"} 1.5",
            "real_rewardpool_queue_depth{namespace=\"ml\",pool=\"judges\"} 7",
            "real_rewardpool_replicas{namespace=\"ml\",pool=\"judges\",role=\"sandbox\",state=\"ready\"} 3",
            "real_api_requests_total{verb=\"patch\",kind=\"realtrainingjobs/status\",code=\"200\"} 1",
            "real_api_requests_total{verb=\"get\",kind=\"other\",code=\"error\"} 1",
            "real_leader 1",
            concat!("real_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ];
        for line in expected {
            assert!(text.lines().any(|found| found == line), "no line {line} in:\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_phase_that_no_job_is_in_any_more_is_zero() {
        let metrics = Metrics::new();
        metrics.set_jobs("ml", [Phase::Pending]);
        metrics.set_jobs("ml", [Phase::Running]);
        let text = metrics.render();
        assert_eq!(samples(&text, "real_jobs{").len(), PHASES.len());
        assert_eq!(samples(&text, "real_jobs{phase=\"Pending\"}"), ["real_jobs{phase=\"Pending\"} 0"]);
    }

    #[test]
    fn jobs_of_all_scopes_count_together_and_one_that_is_gone_has_no_age() {
        let metrics = Metrics::new();
        let age = |name: &str| ("a".to_owned(), name.to_owned(), Duration::from_secs(1));
        metrics.set_jobs("a", [Phase::Running, Phase::Running]);
        metrics.set_jobs("b", [Phase::Running]);
        metrics.set_progress_ages("a", [age("one"), age("two")]);
        metrics.set_progress_ages("b", []);
        metrics.set_progress_ages("a", [age("two")]);
        let text = metrics.render();
        assert_eq!(samples(&text, "real_jobs{phase=\"Running\"}"), ["real_jobs{phase=\"Running\"} 3"]);
        assert_eq!(
            samples(&text, "real_job_progress_age_seconds{"),
            ["real_job_progress_age_seconds{namespace=\"a\",job=\"two\"} 1.0"]
        );
    }

    #[test]
    fn a_sweep_that_is_gone_leaves_no_cells() {
        let metrics = Metrics::new();
        let sweep = |name: &str| {
            let counts = CellCounts { total: 4, active: 1, succeeded: 3, ..CellCounts::default() };
            (name.to_owned(), SweepPhase::Running, counts)
        };
        metrics.set_sweeps([sweep("weekly"), sweep("other")]);
        let text = metrics.render();
        assert_eq!(samples(&text, "real_sweeps{phase=\"Running\"}"), ["real_sweeps{phase=\"Running\"} 2"]);
        assert!(text.contains("real_sweep_cells{sweep=\"weekly\",state=\"succeeded\"} 3"), "{text}");
        metrics.set_sweeps([sweep("other")]);
        let text = metrics.render();
        assert!(!text.contains("weekly"), "{text}");
        assert_eq!(samples(&text, "real_sweep_cells{").len(), 5);
    }

    #[test]
    fn a_pool_that_is_gone_leaves_no_labels() {
        let metrics = Metrics::new();
        for pool in ["judges", "others"] {
            metrics.set_queue_depth("ml", pool, 1);
            for role in Role::ALL {
                for state in ReplicaState::ALL {
                    metrics.set_replicas("ml", pool, role, state, 2);
                }
            }
        }
        metrics.remove_pool("ml", "judges");
        let text = metrics.render();
        assert!(!text.contains("judges"), "{text}");
        assert_eq!(samples(&text, "real_rewardpool_").len(), 7, "the other pool stays");
    }

    #[test]
    fn a_reconcile_that_is_dropped_counts_as_cancelled() {
        let metrics = Metrics::new();
        drop(metrics.reconcile(Controller::Sweep));
        let text = metrics.render();
        assert_eq!(
            samples(&text, "real_reconcile_total{"),
            ["real_reconcile_total{controller=\"sweep\",result=\"cancelled\"} 1"]
        );
        assert_eq!(samples(&text, "real_reconcile_duration_seconds_count{controller=\"sweep\"} 1").len(), 1);
    }

    #[test]
    fn a_replica_without_a_guard_does_not_lead() {
        assert_eq!(samples(&Metrics::new().render(), "real_leader "), ["real_leader 0"]);
    }
}
