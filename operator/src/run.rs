//! The whole operator: clients, election, watches and controllers, from start to a graceful end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use futures::{Stream, StreamExt as _};
use kube::ResourceExt;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::api_calls::{client, leader_client};
use crate::conditions::find;
use crate::context::{Context, Shared};
use crate::controllers::workloads::Workloads;
use crate::controllers::{Common, Own, Reconciler as _, Scope, job, pool, sweep};
use crate::http::Health;
use crate::images::Images;
use crate::lease::{Elector, Guard, Identity, Timing};
use crate::metrics::Metrics;
use crate::turnstile::Turnstile;
use crate::uses::Uses;
use crate::watches::beginning;
use crate::{http, labels};

/// Reconciles that are under way at the end have this long.
const GRACE: Duration = Duration::from_secs(10);
/// The process is restarted where nothing moved for so long.
const STANDSTILL: Duration = Duration::from_secs(30);
const CACHES: &str = "jobs, pools, sweeps and what belongs to them";

/// How the operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Namespaces whose jobs and pools are reconciled; all where empty.
    pub watch_namespaces: Vec<String>,
    /// Whether only the holder of the Lease acts.
    pub leader_elect: bool,
    /// Name of the Lease, in `namespace`.
    pub lease_name: String,
    /// Times of the election.
    pub timing: Timing,
    /// The operator's own namespace.
    pub namespace: String,
    /// This replica.
    pub identity: Identity,
    /// Objects of a kind that are reconciled at once.
    pub concurrency: u16,
    /// Images where an object names none.
    pub images: Images,
    /// Between two questions to a running trainer.
    pub progress_interval: Duration,
    /// Base URL of the operator's Service, for KEDA.
    pub url: String,
    /// Base URL of a Prometheus that scrapes the operator, for KEDA.
    pub prometheus: Option<String>,
    /// Print plans in place of acting.
    pub dry_run: bool,
}

/// An operator; clones share it.
#[derive(Clone)]
pub struct Operator {
    metrics: Metrics,
    health: Health,
    demands: pool::Demands,
    /// Those who can ask the pods of a pool, one a scope.
    pools: Arc<Mutex<Vec<Arc<pool::Pools>>>>,
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

impl Operator {
    /// One that does nothing yet.
    pub fn new() -> Self {
        let health = Health::new(STANDSTILL, [CACHES]);
        Self { metrics: Metrics::new(), health, demands: Arc::new(Shared::new()), pools: Arc::default() }
    }

    /// Its metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether it lives and is ready.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// `/metrics`, `/healthz`, `/readyz`, and `/v1/pools/NAMESPACE/POOL/FLEET` for KEDA.
    pub fn router(&self) -> Router {
        let demand = Router::new().route("/v1/pools/{namespace}/{pool}/{fleet}", get(demand));
        http::router(self.metrics.clone(), self.health.clone()).merge(demand.with_state(self.clone()))
    }

    /// Runs until `shutdown`, or until the lead is lost: then the process has to end.
    pub async fn run(&self, config: kube::Config, options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
        let reader = client(config.clone(), &self.metrics)?;
        // Watches and controllers end with this set, however this function ends.
        let mut tasks = JoinSet::new();
        let release = CancellationToken::new();
        let mut election = JoinSet::new();
        let guard = if options.leader_elect && !options.dry_run {
            let elector =
                Elector::new(reader, &options.namespace, &options.lease_name, options.identity.clone(), options.timing);
            let guard = elector.guard();
            election.spawn(elector.run(release.clone().cancelled_owned()));
            guard
        } else {
            Guard::always()
        };
        self.metrics.follow(&guard);
        let writer = leader_client(config, &self.metrics, &guard)?;
        let scopes = match options.watch_namespaces.as_slice() {
            [] => vec![Scope::Cluster],
            some => some.iter().cloned().map(Scope::Namespace).collect(),
        };
        let lists = beginning(&writer, &scopes[0]).await;
        let reporter = Reporter { controller: labels::OPERATOR.into(), instance: Some(options.identity.to_string()) };
        let context = Arc::new(Context {
            lists,
            recorder: Recorder::new(writer.clone(), reporter),
            client: writer,
            guard,
            metrics: self.metrics.clone(),
            dry_run: options.dry_run,
            groups: Shared::new(),
            restarts_containers: OnceCell::new(),
        });
        let (health, mut synced) = (self.health.clone(), JoinSet::new());
        tasks.spawn(async move {
            health.keep_beating().await;
        });
        let mut controllers = JoinSet::new();
        let sweep_triggers = sweep::triggers();
        let mut watched = Vec::new();
        for scope in scopes {
            info!(%scope, "watching");
            let (jobs, pools, read) =
                self.start(&mut tasks, &mut controllers, &scope, (&context, &sweep_triggers.0), &options, &shutdown)?;
            watched.push(read);
            synced.spawn(async move {
                jobs.synced().await;
                pools.synced().await;
            });
        }
        let settings = crate::sweep::Settings { images: options.images.clone() };
        let turnstile = Turnstile::new(options.concurrency.into());
        let parts = (Common::new(context, turnstile), settings, watched);
        let sweeps = sweep::start(&mut tasks, &mut controllers, parts, sweep_triggers, &shutdown);
        synced.spawn(async move { sweeps.synced().await });
        let health = self.health.clone();
        tasks.spawn(async move {
            synced.join_all().await;
            health.synced(CACHES);
            std::future::pending::<()>().await;
        });
        tokio::select! {
            // Controllers end with it too.
            biased;
            () = shutdown.cancelled() => {}
            Some(end) = election.join_next() => {
                end??;
                anyhow::bail!("the election ended though nobody asked it to");
            }
            // Without one of these the rest would look alive and do nothing.
            Some(end) = controllers.join_next() => {
                end?;
                anyhow::bail!("a controller ended though nobody asked it to");
            }
            Some(end) = tasks.join_next() => {
                end?;
                anyhow::bail!("a watch ended though nobody asked it to");
            }
        }
        // Nothing may be written any more once the lease is handed on.
        let ended = tokio::time::timeout(GRACE, async { while controllers.join_next().await.is_some() {} }).await;
        drop(controllers);
        tasks.shutdown().await;
        release.cancel();
        while let Some(end) = election.join_next().await {
            end??;
        }
        info!(in_time = ended.is_ok(), "stopped");
        Ok(())
    }

    fn start(
        &self,
        tasks: &mut JoinSet<()>,
        controllers: &mut JoinSet<()>,
        scope: &Scope,
        (context, sweep_triggers): (&Arc<Context>, &sweep::Triggers),
        options: &Options,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<(Arc<job::Jobs>, Arc<pool::Pools>, sweep::Watched)> {
        let (job_triggers, pool_triggers) = (job::triggers(), pool::triggers());
        let (jobs, jobs_writer) = reflector::store();
        let (pools, pools_writer) = reflector::store();
        let (own_jobs, jobs_listed) = Own::new(jobs.clone());
        let (own_pools, pools_listed) = Own::new(pools.clone());
        let (uses, turnstile) = (Uses::default(), Turnstile::new(options.concurrency.into()));
        let workloads = Workloads::new();
        let read = sweep::Watched {
            scope: scope.clone(),
            jobs: own_jobs.clone(),
            pools: own_pools.clone(),
            uses: uses.clone(),
            pool_triggers: pool_triggers.0.clone(),
            workloads: workloads.clone(),
        };
        let concerned = (pool_triggers.0.clone(), job_triggers.0.clone());
        let changed_jobs = jobs_stream(context, scope, (jobs_writer, jobs_listed), uses.clone(), concerned);
        let changed_pools =
            pools_stream(context, scope, (pools_writer, pools_listed), uses.clone(), job_triggers.0.clone());
        let parts = job::Parts {
            common: Common::new(context.clone(), turnstile.clone()),
            settings: crate::job::Settings { images: options.images.clone(), namespace: options.namespace.clone() },
            jobs,
            pools: own_pools,
            uses: uses.clone(),
            progress_interval: options.progress_interval,
            workloads,
            sweep_triggers: sweep_triggers.clone(),
        };
        let jobs_controller = job::start(tasks, controllers, scope, parts, changed_jobs, job_triggers, shutdown)?;
        let parts = pool::Parts {
            common: Common::new(context.clone(), turnstile),
            settings: crate::pool::Settings {
                images: options.images.clone(),
                namespace: options.namespace.clone(),
                url: options.url.clone(),
                prometheus: options.prometheus.clone(),
            },
            pools,
            jobs: own_jobs,
            uses,
            demands: self.demands.clone(),
        };
        let pools_controller = pool::start(tasks, controllers, scope, parts, changed_pools, pool_triggers, shutdown)?;
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pools_controller.clone());
        Ok((jobs_controller, pools_controller, read))
    }
}

/// Any replica answers: the leader from its last look, another by asking the pods.
async fn demand(
    State(operator): State<Operator>,
    Path((namespace, pool, fleet)): Path<(String, String, String)>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let wanted = |key: &(String, String, &str)| (&key.0, &key.1, key.2) == (&namespace, &pool, fleet.as_str());
    let mut known = operator.demands.lock().iter().find(|(key, _)| wanted(key)).map(|(_, demand)| *demand);
    let owner = (namespace.clone(), pool.clone());
    let askers = operator.pools.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for asker in askers {
        if known.is_none() {
            known = asker.demand(&owner, &fleet).await;
        }
    }
    known.map(|demand| Json(json!({ "demand": demand }))).ok_or_else(|| {
        let fleet = format!("the demand of {fleet} of pool {namespace}/{pool}");
        (StatusCode::NOT_FOUND, format!("{fleet} is not known: there is no such pool, or it is not watched\n"))
    })
}

/// Jobs that changed. Pools hear of what changes for them, and so do jobs that share a place with one that changed.
fn jobs_stream(
    context: &Context,
    scope: &Scope,
    (writer, listed): (Writer<RealTrainingJob>, watch::Sender<bool>),
    uses: Uses,
    (pools, jobs): (pool::Triggers, job::Triggers),
) -> impl Stream<Item = Result<RealTrainingJob, watcher::Error>> + Send + 'static {
    let told = move |event: &Event<RealTrainingJob>| {
        let concerned = uses.observe(event);
        if matches!(event, Event::InitDone) {
            listed.send_replace(true);
        }
        // The receivers end with the controllers, and this with them.
        for (namespace, name) in concerned.pools {
            let _ = pools.send(ObjectRef::new(&name).within(&namespace));
        }
        for (namespace, name) in concerned.jobs {
            let _ = jobs.send(ObjectRef::new(&name).within(&namespace));
        }
    };
    watcher(scope.api::<RealTrainingJob>(&context.client), context.lists.clone())
        .default_backoff()
        .modify(|job| job.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| event.iter().for_each(&told))
        .touched_objects()
}

/// Pools that changed. Jobs hear of what decides about their start.
fn pools_stream(
    context: &Context,
    scope: &Scope,
    (writer, listed): (Writer<RewardPool>, watch::Sender<bool>),
    uses: Uses,
    triggers: job::Triggers,
) -> impl Stream<Item = Result<RewardPool, watcher::Error>> + Send + 'static {
    type Readiness = (Option<(String, String)>, Option<u32>, Option<u32>, bool);
    let mut known: HashMap<ObjectRef<RewardPool>, Readiness> = HashMap::new();
    let mut told = move |event: &Event<RewardPool>| {
        if matches!(event, Event::InitDone) {
            listed.send_replace(true);
        }
        if matches!(event, Event::Init) {
            // Those that went while nobody watched must not stay; the others are told anew.
            known.clear();
        }
        let (Event::Apply(pool) | Event::InitApply(pool) | Event::Delete(pool)) = event else { return };
        let status = pool.status.clone().unwrap_or_default();
        let readiness = (
            find(&status.conditions, "Ready").map(|ready| (ready.status.clone(), ready.message.clone())),
            status.detector.map(|fleet| fleet.ready_replicas),
            status.sandbox.map(|fleet| fleet.ready_replicas),
            pool.metadata.deletion_timestamp.is_some(),
        );
        let key = ObjectRef::from_obj(pool);
        let gone = matches!(event, Event::Delete(_));
        let before = if gone { known.remove(&key) } else { known.insert(key, readiness.clone()) };
        if !gone && before == Some(readiness) {
            return;
        }
        let namespace = pool.namespace().unwrap_or_default();
        for job in uses.referring(&(namespace.clone(), pool.name_any())) {
            // The receiver ends with the controller, and this with it.
            let _ = triggers.send(ObjectRef::new(&job).within(&namespace));
        }
    };
    watcher(scope.api::<RewardPool>(&context.client), context.lists.clone())
        .default_backoff()
        .modify(|pool| pool.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| event.iter().for_each(&mut told))
        .touched_objects()
}
