//! The controller of `RewardPool`s.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};
use real_crds::v1alpha1::{RealTrainingJob, RewardPool, RewardPoolStatus};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::turn::{Planned, Turn, look};
use super::{Common, Own, Reconciler, Scope, received, selector};
use crate::act::{Failure, Target, write_status};
use crate::cache::{Cache, Owner};
use crate::context::Shared;
use crate::labels::{DETECTOR, POOL, SANDBOX};
use crate::metrics::{self, ReplicaState, Role};
use crate::pool::load::Asker;
use crate::pool::{Demand, Fleet, Kind, Observed, Plan, ScalingMemory, Settings, plan, runtime_class};
use crate::refusal::{Refusal, of_a_fleet};
use crate::uses::Uses;
use crate::watches::{News, follow, trim_pod, whole};

/// A load that is younger than this is not asked for again: pods come and go in bunches.
const FRESH: Duration = Duration::from_secs(5);
/// Between two looks for pools that are gone.
const TICK: Duration = Duration::from_secs(5);

/// What is remembered of a pool between two looks.
#[derive(Clone, Default)]
struct Memory {
    scaling: ScalingMemory,
    demand: Option<(Instant, Demand)>,
    named: Owner,
}

/// Everything a reconcile needs.
pub(crate) struct Pools {
    common: Common,
    settings: Settings,
    store: Store<RewardPool>,
    /// Filled by the watch of jobs.
    jobs: Own<RealTrainingJob>,
    uses: Uses,
    pods: Cache<Pod>,
    deployments: Cache<Deployment>,
    services: Cache<Service>,
    accounts: Cache<ServiceAccount>,
    policies: Cache<NetworkPolicy>,
    budgets: Cache<PodDisruptionBudget>,
    autoscalers: Cache<HorizontalPodAutoscaler>,
    asker: Asker,
    memories: Shared<String, Memory>,
    demands: Demands,
}

/// Requests waiting and worked on, by namespace, pool and fleet: what autoscalers of others ask for.
pub(crate) type Demands = Arc<Shared<(String, String, &'static str), u64>>;

/// What the controller of one scope is made of.
pub(crate) struct Parts {
    pub(crate) common: Common,
    pub(crate) settings: Settings,
    pub(crate) pools: Store<RewardPool>,
    pub(crate) jobs: Own<RealTrainingJob>,
    pub(crate) uses: Uses,
    pub(crate) demands: Demands,
}

/// A way to make the controller look at a pool.
pub(crate) type Triggers = UnboundedSender<ObjectRef<RewardPool>>;

/// Makes the channel that [`start`] listens to.
pub(crate) fn triggers() -> (Triggers, UnboundedReceiver<ObjectRef<RewardPool>>) {
    unbounded_channel()
}

/// Starts watches in `tasks`, the controller in `controllers`. `changed` are pools that changed, by the watch that fills `parts.pools`.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    controllers: &mut JoinSet<()>,
    scope: &Scope,
    parts: Parts,
    changed: impl Stream<Item = Result<RewardPool, kube::runtime::watcher::Error>> + Send + 'static,
    (triggers, triggered): (Triggers, UnboundedReceiver<ObjectRef<RewardPool>>),
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<Pools>> {
    let Parts { common, settings, pools, jobs, uses, demands } = parts;
    let client = common.context.client.clone();
    let all = Arc::new(Pools {
        common,
        settings,
        store: pools.clone(),
        jobs,
        pods: Cache::new(POOL),
        deployments: Cache::new(POOL),
        services: Cache::new(POOL),
        accounts: Cache::new(POOL),
        policies: Cache::new(POOL),
        budgets: Cache::new(POOL),
        autoscalers: Cache::new(POOL),
        asker: Asker::new()?,
        memories: Shared::new(),
        demands,
        uses,
    });
    let lists = |labels: &str| all.common.context.lists.clone().labels(labels);
    let which = || lists(&format!("{},{POOL}", crate::controllers::managed()));
    let pods = lists(&selector(&[DETECTOR, SANDBOX]));
    tasks.spawn(follow(scope.api(&client), pods, (trim_pod, News::All), all.pods.clone(), triggers.clone()));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<Deployment>, News::All),
        all.deployments.clone(),
        triggers.clone(),
    ));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<Service>, News::All),
        all.services.clone(),
        triggers.clone(),
    ));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<ServiceAccount>, News::All),
        all.accounts.clone(),
        triggers.clone(),
    ));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<NetworkPolicy>, News::All),
        all.policies.clone(),
        triggers.clone(),
    ));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<PodDisruptionBudget>, News::All),
        all.budgets.clone(),
        triggers.clone(),
    ));
    tasks.spawn(follow(
        scope.api(&client),
        which(),
        (whole::<HorizontalPodAutoscaler>, News::All),
        all.autoscalers.clone(),
        triggers,
    ));
    tasks.spawn(all.clone().keep_house());
    controllers.spawn(super::run(all.clone(), pools, changed, received(triggered), shutdown.clone()));
    Ok(all)
}

impl Reconciler<RewardPool> for Pools {
    const NAME: metrics::Controller = metrics::Controller::Pool;

    fn common(&self) -> &Common {
        &self.common
    }

    async fn synced(&self) {
        self.pods.synced().await;
        self.deployments.synced().await;
        self.services.synced().await;
        self.accounts.synced().await;
        self.policies.synced().await;
        self.budgets.synced().await;
        self.autoscalers.synced().await;
        self.jobs.synced().await;
    }

    fn is_new(pool: &RewardPool) -> bool {
        pool.status.is_none()
    }

    async fn reconcile(&self, pool: &RewardPool) -> Result<Option<Duration>, Failure> {
        let (uid, namespace) = (pool.uid().unwrap_or_default(), pool.namespace().unwrap_or_default());
        let observed = self.observe(pool, &uid).await?;
        let mut turn = Look { pools: self, pool, observed, uid: &uid };
        look(&self.common, (pool, &namespace), &mut turn).await
    }
}

/// A look at a pool.
struct Look<'a> {
    pools: &'a Pools,
    pool: &'a RewardPool,
    observed: Observed,
    uid: &'a str,
}

impl Planned for Plan {
    fn makes(&self) -> bool {
        // Everything that is wanted was put, or is as it should be.
        true
    }

    fn requeue(&self) -> Option<Duration> {
        self.requeue
    }
}

impl Turn for Look<'_> {
    type Plan = Plan;

    fn plan(&mut self, refusal: Option<&Refusal>) -> Plan {
        self.observed.refused = refusal.cloned();
        plan(self.pool, &self.observed, Timestamp::now(), &self.pools.settings)
    }

    fn words(&self, message: String) -> String {
        of_a_fleet(&message)
    }

    /// A pool has many children: whichever is refused, the others are looked after.
    fn insists(&self) -> bool {
        true
    }

    async fn make(&self, plan: &Plan) -> Result<(), Failure> {
        self.pools.make(self.pool, self.uid, plan, &self.observed).await?;
        self.pools.remember(self.uid, |memory| memory.scaling = plan.memory.clone());
        Ok(())
    }

    async fn tell(&self, plan: &Plan) -> Result<(), Failure> {
        let Self { pools, pool, observed, .. } = self;
        pools.tell(pool, plan).await?;
        pools.measure(pool, plan.status.as_ref().or(pool.status.as_ref()), &observed.demand);
        Ok(())
    }
}

impl Pools {
    fn remember(&self, uid: &str, change: impl FnOnce(&mut Memory)) {
        change(self.memories.lock().entry(uid.to_owned()).or_default());
    }

    async fn observe(&self, pool: &RewardPool, uid: &str) -> Result<Observed, Failure> {
        let owner: Owner = (pool.namespace().unwrap_or_default(), pool.name_any());
        let memory = self.memories.get(&uid.to_owned()).unwrap_or_default();
        let demand = match memory.demand {
            // A sandbox that is starting is asked until it answers.
            Some((at, demand)) if at.elapsed() < FRESH && demand.tiers().is_some() => demand,
            _ => {
                let demand = self.asker.demand(&self.pods.owned(&owner)).await;
                self.remember(uid, |memory| {
                    memory.demand = Some((Instant::now(), demand.clone()));
                    memory.named = owner.clone();
                });
                demand
            }
        };
        let pods = self.pods.owned(&owner);
        let mut told = Vec::new();
        for fleet in Fleet::ALL {
            let of_fleet = pods.iter().map(|pod| &**pod).filter(|pod| fleet.owns(pod));
            told.extend(self.common.told.of(&self.common.context, of_fleet).await?);
        }
        let keda_available = self.common.context.serves("keda.sh").await?;
        Ok(Observed {
            deployments: objects(&self.deployments, &owner),
            services: objects(&self.services, &owner),
            pdbs: objects(&self.budgets, &owner),
            network_policies: objects(&self.policies, &owner),
            service_accounts: objects(&self.accounts, &owner),
            pods,
            told,
            hpas: objects(&self.autoscalers, &owner),
            scaled_objects: if keda_available { self.scaled_objects(&owner).await? } else { Vec::new() },
            runtime_class_exists: self.runtime_class_exists(pool).await?,
            keda_available,
            consumers: self.uses.consumers(&owner),
            demand,
            memory: memory.scaling,
            refused: None,
        })
    }

    async fn runtime_class_exists(&self, pool: &RewardPool) -> Result<Option<bool>, Failure> {
        let Some(name) = runtime_class(pool) else { return Ok(None) };
        let api: Api<RuntimeClass> = Api::all(self.common.context.client.clone());
        let found = api.get_opt(name).await;
        found.map(|class| Some(class.is_some())).map_err(|source| read(format!("RuntimeClass {name}"), source))
    }

    async fn scaled_objects(&self, owner: &Owner) -> Result<Vec<DynamicObject>, Failure> {
        let resource = Kind::ScaledObject.api_resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.common.context.client.clone(), &owner.0, &resource);
        let parameters = ListParams::default().labels(&format!("{POOL}={}", owner.1));
        let found = api.list(&parameters).await;
        found.map(|list| list.items).map_err(|source| read("the ScaledObjects of a pool".to_owned(), source))
    }

    async fn make(&self, pool: &RewardPool, uid: &str, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
        let namespace = pool.namespace().unwrap_or_default();
        let client = &self.common.context.client;
        for child in &plan.delete {
            let resource = child.kind.api_resource();
            let target = Target { resource: &resource, namespace: &namespace, name: &child.name };
            target.delete(client, child.uid.as_deref(), false).await?;
            info!(kind = child.kind.name(), child = child.name, "deleted");
        }
        for child in &plan.apply {
            let (resource, name) = (child.kind().api_resource(), child.name());
            let target = Target { resource: &resource, namespace: &namespace, name };
            let exists = observed.has(child.kind(), name, uid);
            target.put(client, &child.json(), exists, child.field_manager(), uid).await?;
            info!(kind = child.kind().name(), child = name, "written");
        }
        Ok(())
    }

    async fn tell(&self, pool: &RewardPool, plan: &Plan) -> Result<(), Failure> {
        let api: Api<RewardPool> =
            Api::namespaced(self.common.context.client.clone(), &pool.namespace().unwrap_or_default());
        if let Some(status) = &plan.status {
            let version = write_status(&api, pool, pool.status.as_ref(), status).await?;
            self.common.written.note(&pool.uid().unwrap_or_default(), version.as_deref());
        }
        self.common.context.publish(&plan.events, &pool.object_ref(&())).await;
        Ok(())
    }

    /// Requests that wait for a fleet of this scope's pool and are worked on, asked of its pods now unless they just were; `None`
    /// where there is no such pool.
    pub(crate) async fn demand(&self, owner: &Owner, fleet: &str) -> Option<u64> {
        let fleet = Fleet::ALL.into_iter().find(|known| known.component() == fleet)?;
        let pool = self.store.get(&ObjectRef::new(&owner.1).within(&owner.0))?;
        let known = self.memories.get(&pool.uid()?).and_then(|memory| memory.demand);
        let demand = match known.filter(|(at, _)| at.elapsed() < FRESH) {
            Some((_, demand)) => demand,
            None => self.asker.demand(&self.pods.owned(owner)).await,
        };
        Some(demand.of(fleet).map_or(0, |load| load.queued + load.in_flight))
    }

    fn measure(&self, pool: &RewardPool, status: Option<&RewardPoolStatus>, demand: &Demand) {
        let (namespace, name) = (pool.namespace().unwrap_or_default(), pool.name_any());
        let metrics = &self.common.context.metrics;
        let depth = status.and_then(|status| status.queue.as_ref()).map_or(0, |queue| queue.depth);
        metrics.set_queue_depth(&namespace, &name, depth);
        for (fleet, role) in [(Fleet::Detector, Role::Detector), (Fleet::Sandbox, Role::Sandbox)] {
            let fleet_status = status.and_then(|status| match fleet {
                Fleet::Detector => status.detector.as_ref(),
                Fleet::Sandbox => status.sandbox.as_ref(),
            });
            if let Some(counts) = fleet_status {
                for (state, count) in [
                    (ReplicaState::Desired, counts.desired_replicas),
                    (ReplicaState::Current, counts.replicas),
                    (ReplicaState::Ready, counts.ready_replicas),
                ] {
                    metrics.set_replicas(&namespace, &name, role, state, count);
                }
            }
            let waiting = demand.of(fleet).map_or(0, |load| load.queued + load.in_flight);
            metrics.set_demand(&namespace, &name, role, waiting);
            self.demands.set((namespace.clone(), name.clone(), fleet.component()), Some(waiting));
        }
    }

    /// No memory of pools that are gone.
    async fn keep_house(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            let there: HashSet<String> = self.store.state().iter().filter_map(|pool| pool.uid()).collect();
            self.common.retain(&there);
            let gone: Vec<(String, Memory)> = self.memories.lock().extract_if(|uid, _| !there.contains(uid)).collect();
            for (_, memory) in gone {
                let (namespace, name) = memory.named;
                self.common.context.metrics.remove_pool(&namespace, &name);
                self.demands.lock().retain(|key, _| (&key.0, &key.1) != (&namespace, &name));
            }
        }
    }
}

fn read(what: String, source: kube::Error) -> Failure {
    Failure::Read { what, source }
}

fn objects<K: Resource<DynamicType = ()> + Clone>(cache: &Cache<K>, owner: &Owner) -> Vec<K> {
    cache.owned(owner).iter().map(|object| (**object).clone()).collect()
}
