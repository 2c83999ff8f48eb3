//! The controller of `RealEvalSweep`s: one for all namespaces that are watched, since a sweep is in none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ApiResource, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{Event, watcher};
use kube::{Api, Resource, ResourceExt};
use real_crds::v1alpha1::{RealEvalSweep, RealEvalSweepStatus, RealTrainingJob, RewardPool, SweepPhase};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::turn::{Planned, Turn, look};
use super::workloads::Workloads;
use super::{Common, Own, Reconciler, Scope, pool, received, selector};
use crate::act::{Failure, Target, write_status};
use crate::cache::{Cache, Owner};
use crate::child::{Child, is_owned_by};
use crate::conditions::is_true;
use crate::context::Shared;
use crate::labels::{EVALUATOR, KUEUE, KUEUE_QUEUE, SWEEP};
use crate::metrics;
use crate::refusal::{Refusal, of_a_cell};
use crate::sweep::{Children, Names, NamespaceSeen, Observed, Plan, RESULT, Settings, is_finished, is_queued, plan};
use crate::uses::Uses;
use crate::watches::{News, follow, trim_pod, whole};

/// Between two looks at what no event tells: metrics, sweeps that are gone.
const TICK: Duration = Duration::from_secs(5);
/// A Job that was created and that no watch has shown after so long is gone again.
const LOST: Duration = Duration::from_mins(2);

/// What one scope has that sweeps read.
pub(crate) struct Watched {
    pub(crate) scope: Scope,
    pub(crate) jobs: Own<RealTrainingJob>,
    pub(crate) pools: Own<RewardPool>,
    pub(crate) uses: Uses,
    pub(crate) pool_triggers: pool::Triggers,
    pub(crate) workloads: Workloads,
}

/// Everything a reconcile needs.
pub(crate) struct Sweeps {
    common: Common,
    settings: Settings,
    store: Store<RealEvalSweep>,
    namespaces: Own<PartialObjectMeta<Namespace>>,
    watched: Vec<Watched>,
    cells: Cache<Job>,
    pods: Cache<Pod>,
    accounts: Cache<ServiceAccount>,
    policies: Cache<NetworkPolicy>,
    /// Jobs that were created and that no watch has shown yet, by sweep.
    started: Shared<String, HashMap<String, Instant>>,
}

/// A way to make the controller look at a sweep.
pub(crate) type Triggers = UnboundedSender<ObjectRef<RealEvalSweep>>;

/// Makes the channel that [`start`] listens to.
pub(crate) fn triggers() -> (Triggers, UnboundedReceiver<ObjectRef<RealEvalSweep>>) {
    unbounded_channel()
}

/// Starts watches in `tasks`, the controller in `controllers`.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    controllers: &mut JoinSet<()>,
    (common, settings, watched): (Common, Settings, Vec<Watched>),
    (triggers, triggered): (Triggers, UnboundedReceiver<ObjectRef<RealEvalSweep>>),
    shutdown: &CancellationToken,
) -> Arc<Sweeps> {
    let (context, client) = (common.context.clone(), common.context.client.clone());
    let (store, writer) = reflector::store();
    let (namespaces, namespace_writer) = reflector::store();
    let (namespaces, listed) = Own::new(namespaces);
    let scopes: Vec<Scope> = watched.iter().map(|one| one.scope.clone()).collect();
    let all = Arc::new(Sweeps {
        common,
        settings,
        store: store.clone(),
        namespaces,
        watched,
        cells: Cache::new(SWEEP),
        pods: Cache::new(SWEEP),
        accounts: Cache::new(SWEEP),
        policies: Cache::new(SWEEP),
        started: Shared::new(),
    });
    let which = || context.lists.clone().labels(&selector(&[EVALUATOR]));
    for scope in scopes {
        let cells = (trim_cell as fn(&mut Job), News::All);
        tasks.spawn(follow(scope.api(&client), which(), cells, all.cells.clone(), triggers.clone()));
        tasks.spawn(follow(scope.api(&client), which(), (trim_pod, News::All), all.pods.clone(), triggers.clone()));
        let accounts = (whole::<ServiceAccount> as fn(&mut _), News::ButCreation);
        tasks.spawn(follow(scope.api(&client), which(), accounts, all.accounts.clone(), triggers.clone()));
        let policies = (whole::<NetworkPolicy> as fn(&mut _), News::ButCreation);
        tasks.spawn(follow(scope.api(&client), which(), policies, all.policies.clone(), triggers.clone()));
    }
    let names = watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), context.lists.clone())
        .default_backoff()
        .modify(|namespace| {
            namespace.managed_fields_mut().clear();
            namespace.annotations_mut().clear();
        })
        .reflect(namespace_writer);
    tasks.spawn(async move {
        let mut names = std::pin::pin!(names);
        while let Some(event) = names.next().await {
            match event {
                Ok(Event::InitDone) => drop(listed.send_replace(true)),
                Ok(_) => {}
                Err(error) => warn!(%error, kind = "Namespace", "a watch broke and starts again"),
            }
        }
    });
    let changed = watcher(Api::<RealEvalSweep>::all(client), context.lists.clone())
        .default_backoff()
        .modify(|sweep| sweep.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    // What belongs to a sweep is in a namespace, and the sweep is not.
    let triggered = received(triggered).map(|sweep: ObjectRef<RealEvalSweep>| ObjectRef::new(&sweep.name));
    tasks.spawn(all.clone().keep_house());
    controllers.spawn(super::run(all.clone(), store, changed, triggered, shutdown.clone()));
    all
}

/// Of a Job, what decides about a cell; its annotations are short.
fn trim_cell(job: &mut Job) {
    job.annotations_mut().retain(|key, _| key == RESULT);
    if let Some(spec) = &mut job.spec {
        spec.template = k8s_openapi::api::core::v1::PodTemplateSpec::default();
    }
}

impl Reconciler<RealEvalSweep> for Sweeps {
    const NAME: metrics::Controller = metrics::Controller::Sweep;

    fn common(&self) -> &Common {
        &self.common
    }

    async fn synced(&self) {
        self.namespaces.synced().await;
        self.cells.synced().await;
        self.pods.synced().await;
        self.accounts.synced().await;
        self.policies.synced().await;
        for watched in &self.watched {
            watched.jobs.synced().await;
            watched.pools.synced().await;
            watched.workloads.synced().await;
        }
    }

    fn is_new(sweep: &RealEvalSweep) -> bool {
        sweep.status.is_none()
    }

    async fn reconcile(&self, sweep: &RealEvalSweep) -> Result<Option<Duration>, Failure> {
        let Some(watched) = self.of(&sweep.spec.run_namespace) else {
            // Another operator's, or nobody's.
            return Ok(None);
        };
        let uid = sweep.uid().unwrap_or_default();
        let observed = self.observe(sweep, &uid, watched).await?;
        let mut turn = Look { sweeps: self, sweep, observed, uid: &uid, watched };
        look(&self.common, (sweep, &sweep.spec.run_namespace), &mut turn).await
    }
}

/// A look at a sweep.
struct Look<'a> {
    sweeps: &'a Sweeps,
    sweep: &'a RealEvalSweep,
    observed: Observed,
    uid: &'a str,
    watched: &'a Watched,
}

impl Planned for Plan {
    fn trial(&self) -> Option<&Child> {
        self.trial.as_ref()
    }

    fn makes(&self) -> bool {
        !self.create.is_empty() || !self.apply.is_empty()
    }

    fn requeue(&self) -> Option<Duration> {
        self.requeue
    }
}

impl Turn for Look<'_> {
    type Plan = Plan;

    fn plan(&mut self, refusal: Option<&Refusal>) -> Plan {
        self.observed.refused = refusal.cloned();
        self.observed.started = self.sweeps.started(self.uid);
        plan(self.sweep, &self.observed, Timestamp::now(), &self.sweeps.settings)
    }

    fn taken(&mut self) {
        self.observed.tried = true;
    }

    fn relieved(&mut self, before: Plan) -> Plan {
        // What was recorded and what there is to tell of it is not told twice.
        Plan { events: before.events, ..self.plan(None) }
    }

    fn words(&self, message: String) -> String {
        of_a_cell(&message)
    }

    async fn make(&self, plan: &Plan) -> Result<(), Failure> {
        self.sweeps.make(self.sweep, self.uid, plan).await
    }

    async fn tell(&self, plan: &Plan) -> Result<(), Failure> {
        self.sweeps.tell(self.sweep, plan, self.watched).await
    }
}

impl Sweeps {
    /// The scope that a namespace belongs to.
    fn of(&self, namespace: &str) -> Option<&Watched> {
        self.watched.iter().find(|watched| match &watched.scope {
            Scope::Cluster => true,
            Scope::Namespace(name) => name == namespace,
        })
    }

    async fn observe(&self, sweep: &RealEvalSweep, uid: &str, watched: &Watched) -> Result<Observed, Failure> {
        let run = &sweep.spec.run_namespace;
        let owner: Owner = (run.clone(), sweep.name_any());
        let mut cells = self.cells.owned(&owner);
        cells.retain(|job| is_owned_by(&job.metadata, uid));
        let uids: HashSet<String> = cells.iter().filter_map(|job| job.uid()).collect();
        let mut pods = self.pods.owned(&owner);
        pods.retain(|pod| {
            let mut owners = pod.metadata.owner_references.iter().flatten();
            owners.any(|owner| uids.contains(&owner.uid))
        });
        self.forget_seen(uid, cells.iter().map(|job| job.name_any()));
        let pool = sweep.spec.reward_pool_ref.as_ref().and_then(|reference| {
            watched.pools.store.get(&ObjectRef::new(&reference.name).within(run)).map(|pool| (*pool).clone())
        });
        let queued = cells.iter().filter(|job| is_queued(job)).map(|job| job.name_any());
        let workloads = queued.filter_map(|name| Some((name.clone(), watched.workloads.of(run, &name)?))).collect();
        let (name, namespaces) = (owner.1.clone(), self.namespaces.store.state());
        let names = Names(&name);
        let namespaces = namespaces.iter().map(|namespace| NamespaceSeen {
            watched: self.of(&namespace.name_any()).is_some(),
            name: namespace.name_any(),
            labels: namespace.labels().clone(),
        });
        let pod_told = self.common.told.of(&self.common.context, pods.iter().map(|pod| &**pod)).await?;
        Ok(Observed {
            namespaces: namespaces.collect(),
            jobs: self.watched.iter().flat_map(|watched| watched.jobs.store.state()).collect(),
            cells,
            pods,
            pod_told,
            workloads,
            started: self.started(uid),
            pool,
            children: Children {
                service_account: super::own(&self.accounts, &owner, &names.service_account(), uid),
                network_policy: super::own(&self.policies, &owner, &names.network_policy(), uid),
            },
            refused: None,
            tried: false,
            without_kueue: sweep.labels().contains_key(KUEUE_QUEUE) && !self.common.context.serves(KUEUE).await?,
        })
    }

    /// Jobs that were created and that no watch has shown yet.
    fn started(&self, uid: &str) -> BTreeSet<String> {
        self.started.get(&uid.to_owned()).map(|jobs| jobs.into_keys().collect()).unwrap_or_default()
    }

    fn forget_seen(&self, uid: &str, seen: impl Iterator<Item = String>) {
        let mut started = self.started.lock();
        if let Some(jobs) = started.get_mut(uid) {
            for name in seen {
                jobs.remove(&name);
            }
            jobs.retain(|_, since| since.elapsed() < LOST);
            if jobs.is_empty() {
                started.remove(uid);
            }
        }
    }

    /// Children, Jobs of cells, results, deletions.
    async fn make(&self, sweep: &RealEvalSweep, uid: &str, plan: &Plan) -> Result<(), Failure> {
        let namespace = sweep.spec.run_namespace.as_str();
        let client = &self.common.context.client;
        for child in &plan.apply {
            let target = Target { resource: &child.resource, namespace, name: &child.name };
            target.make(client, &child.body, child.exists, uid).await?;
            info!(kind = child.resource.kind, child = child.name, "written");
        }
        let jobs = ApiResource::erase::<Job>(&());
        // First what is over: pods may go.
        for record in &plan.record {
            let target = Target { resource: &jobs, namespace, name: &record.name };
            target.annotate(client, record.uid.as_deref(), (RESULT, &record.result)).await?;
        }
        for deletion in &plan.delete {
            let target = Target { resource: &jobs, namespace, name: &deletion.name };
            // It stays, marked, until its pods have ended.
            target.delete(client, deletion.uid.as_deref(), true).await?;
            info!(name = deletion.name, why = deletion.why, "deleted");
        }
        for cell in &plan.create {
            let target = Target { resource: &cell.resource, namespace, name: &cell.name };
            if target.create(client, &cell.body, uid).await? {
                info!(cell = cell.name, "cell started");
            }
            self.started.lock().entry(uid.to_owned()).or_default().insert(cell.name.clone(), Instant::now());
        }
        Ok(())
    }

    /// Status, events; and the end of the object itself.
    async fn tell(&self, sweep: &RealEvalSweep, plan: &Plan, watched: &Watched) -> Result<(), Failure> {
        let api: Api<RealEvalSweep> = Api::all(self.common.context.client.clone());
        Self::use_pool(sweep, plan.status.as_ref().or(sweep.status.as_ref()), watched);
        if let Some(status) = &plan.status {
            let version = write_status(&api, sweep, sweep.status.as_ref(), status).await?;
            self.common.written.note(&sweep.uid().unwrap_or_default(), version.as_deref());
            let phase = status.phase.map(|phase| format!("{phase:?}"));
            info!(phase, reason = status.reason, "status");
        }
        self.common.context.publish(&plan.events, &sweep.object_ref(&())).await;
        if plan.delete_object {
            let resource = ApiResource::erase::<RealEvalSweep>(&());
            let target = Target { resource: &resource, namespace: "", name: &sweep.name_any() };
            target.delete(&self.common.context.client, sweep.uid().as_deref(), false).await?;
            info!("deleted: ttlSecondsAfterFinished is over");
        }
        Ok(())
    }

    /// Lets the pool know whether the sweep wants answers of it. One that the API server has not taken on trial yet, or refuses,
    /// must not make a pool grow.
    fn use_pool(sweep: &RealEvalSweep, status: Option<&RealEvalSweepStatus>, watched: &Watched) {
        let wants = status.filter(|status| {
            let active = status.counts.as_ref().is_some_and(|counts| counts.active > 0);
            let idle = is_finished(status) || matches!(status.phase, Some(SweepPhase::Suspended | SweepPhase::Waiting));
            active
                || (!idle && is_true(&status.conditions, "Accepted") && is_true(&status.conditions, "TargetsResolved"))
        });
        let starting = wants.map(|status| status.phase == Some(SweepPhase::Pending));
        let run = sweep.spec.run_namespace.clone();
        let pool = sweep.spec.reward_pool_ref.as_ref().map(|reference| (run.clone(), reference.name.clone()));
        for (namespace, pool) in watched.uses.sweep(&(run, sweep.name_any()), pool.zip(starting)) {
            // The receiver ends with the controller, and this with it.
            let _ = watched.pool_triggers.send(ObjectRef::new(&pool).within(&namespace));
        }
    }

    /// Metrics of all sweeps, and no memory of those that are gone.
    async fn keep_house(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            let sweeps = self.store.state();
            let ours = |sweep: &&Arc<RealEvalSweep>| self.of(&sweep.spec.run_namespace).is_some();
            let ours: Vec<&Arc<RealEvalSweep>> = sweeps.iter().filter(ours).collect();
            let leads = self.common.context.guard.check().is_ok();
            let told = ours.iter().filter(|_| leads).map(|sweep| {
                let status = sweep.status.clone().unwrap_or_default();
                (sweep.name_any(), status.phase.unwrap_or(SweepPhase::Pending), status.counts.unwrap_or_default())
            });
            self.common.context.metrics.set_sweeps(told);
            let alive: HashSet<String> = ours.iter().filter_map(|sweep| sweep.uid()).collect();
            self.common.retain(&alive);
            self.started.lock().retain(|uid, _| alive.contains(uid));
            let named: HashSet<Owner> =
                ours.iter().map(|sweep| (sweep.spec.run_namespace.clone(), sweep.name_any())).collect();
            for watched in &self.watched {
                for (namespace, pool) in watched.uses.keep_sweeps(|sweep| named.contains(sweep)) {
                    let _ = watched.pool_triggers.send(ObjectRef::new(&pool).within(&namespace));
                }
            }
        }
    }
}
