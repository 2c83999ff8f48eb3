//! The controller of `RealTrainingJob`s.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::Stream;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};
use real_crds::v1alpha1::{Phase, RealTrainingJob, RewardPool};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::told::last_event;
use super::turn::{Planned, Turn, look};
use super::workloads::Workloads;
use super::{Common, Own, Reconciler, Scope, own, received, selector, sweep};
use crate::act::{Failure, Target, write_status};
use crate::cache::{Cache, Owner};
use crate::child::{Child, is_owned_by};
use crate::job::{
    Cause, Children, NO_PODS_AFTER, Names, Observed, Plan, Poller, Settings, index, is_finished, is_over, merged, plan,
    time,
};
use crate::labels::{JOB, KUEUE, KUEUE_QUEUE, TRAINER};
use crate::metrics;
use crate::pace::Pace;
use crate::refusal::{Refusal, of_an_attempt};
use crate::requeue::within;
use crate::uses::Uses;
use crate::watches::{News, follow, trim_job, trim_pod, whole};

/// Between two looks at what no event tells: metrics, jobs that are gone.
const TICK: Duration = Duration::from_secs(5);

/// Writes a second that say of running jobs how far they are, and nothing else.
const PROGRESS: u32 = 200;

/// Everything a reconcile needs.
pub(crate) struct Jobs {
    common: Common,
    settings: Settings,
    store: Store<RealTrainingJob>,
    pools: Own<RewardPool>,
    attempts: Cache<Job>,
    pods: Cache<Pod>,
    services: Cache<Service>,
    policies: Cache<NetworkPolicy>,
    poller: Arc<Poller>,
    pace: Pace,
    uses: Uses,
    workloads: Workloads,
    scope: String,
    acting_since: OnceLock<Instant>,
}

/// What the controller of one scope is made of.
pub(crate) struct Parts {
    pub(crate) common: Common,
    pub(crate) settings: Settings,
    pub(crate) jobs: Store<RealTrainingJob>,
    pub(crate) pools: Own<RewardPool>,
    pub(crate) uses: Uses,
    pub(crate) progress_interval: Duration,
    pub(crate) workloads: Workloads,
    pub(crate) sweep_triggers: sweep::Triggers,
}

/// A way to make the controller look at a job.
pub(crate) type Triggers = UnboundedSender<ObjectRef<RealTrainingJob>>;

/// Makes the channel that [`start`] listens to.
pub(crate) fn triggers() -> (Triggers, UnboundedReceiver<ObjectRef<RealTrainingJob>>) {
    unbounded_channel()
}

/// Starts watches and poller in `tasks`, the controller in `controllers`. `changed` are jobs that changed, by the watch that fills `parts.jobs`.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    controllers: &mut JoinSet<()>,
    scope: &Scope,
    parts: Parts,
    changed: impl Stream<Item = Result<RealTrainingJob, kube::runtime::watcher::Error>> + Send + 'static,
    (triggers, triggered): (Triggers, UnboundedReceiver<ObjectRef<RealTrainingJob>>),
    shutdown: &CancellationToken,
) -> anyhow::Result<Arc<Jobs>> {
    let Parts { common, settings, jobs, pools, uses, progress_interval, workloads, sweep_triggers } = parts;
    let client = common.context.client.clone();
    let poller = Arc::new(Poller::new(progress_interval, triggers.clone())?);
    let all = Arc::new(Jobs {
        common,
        settings,
        store: jobs.clone(),
        pools,
        attempts: Cache::new(JOB),
        pods: Cache::keeping(JOB, |pod| index(pod) == Some(0) && is_over(pod)),
        services: Cache::new(JOB),
        policies: Cache::new(JOB),
        poller: poller.clone(),
        pace: Pace::new(PROGRESS),
        uses,
        workloads,
        scope: scope.to_string(),
        acting_since: OnceLock::new(),
    });
    let which = || all.common.context.lists.clone().labels(&selector(&[TRAINER]));
    tasks.spawn(follow(scope.api(&client), which(), (trim_job, News::All), all.attempts.clone(), triggers.clone()));
    tasks.spawn(follow(scope.api(&client), which(), (trim_pod, News::All), all.pods.clone(), triggers.clone()));
    // Made by the operator alone, which knows that it did.
    let ours = News::ButCreation;
    let services = (whole::<Service> as fn(&mut Service), ours);
    tasks.spawn(follow(scope.api(&client), which(), services, all.services.clone(), triggers.clone()));
    let concerned = (triggers.clone(), sweep_triggers);
    tasks.spawn(all.workloads.clone().follow(all.common.context.clone(), scope.clone(), all.store.clone(), concerned));
    let policies = (whole::<NetworkPolicy> as fn(&mut _), ours);
    tasks.spawn(follow(scope.api(&client), which(), policies, all.policies.clone(), triggers));
    tasks.spawn(poller.run());
    tasks.spawn(all.clone().keep_house());
    controllers.spawn(super::run(all.clone(), jobs, changed, received(triggered), shutdown.clone()));
    Ok(all)
}

impl Reconciler<RealTrainingJob> for Jobs {
    const NAME: metrics::Controller = metrics::Controller::Job;

    fn common(&self) -> &Common {
        &self.common
    }

    async fn synced(&self) {
        self.attempts.synced().await;
        self.pods.synced().await;
        self.services.synced().await;
        self.policies.synced().await;
        self.pools.synced().await;
        self.workloads.synced().await;
    }

    fn is_new(job: &RealTrainingJob) -> bool {
        job.status.as_ref().is_none_or(|status| status.job_name.is_none() && status.attempt.unwrap_or(1) <= 1)
    }

    async fn reconcile(&self, job: &RealTrainingJob) -> Result<Option<Duration>, Failure> {
        let (uid, namespace) = (job.uid().unwrap_or_default(), job.namespace().unwrap_or_default());
        let observed = self.observe(job, &uid).await?;
        let mut turn = Look { jobs: self, job, observed, uid: &uid };
        look(&self.common, (job, &namespace), &mut turn).await
    }
}

/// A look at a job.
struct Look<'a> {
    jobs: &'a Jobs,
    job: &'a RealTrainingJob,
    observed: Observed,
    uid: &'a str,
}

impl Planned for Plan {
    fn trial(&self) -> Option<&Child> {
        self.trial.as_ref()
    }

    fn makes(&self) -> bool {
        self.create.is_some() || !self.apply.is_empty()
    }

    fn requeue(&self) -> Option<Duration> {
        self.requeue
    }
}

impl Turn for Look<'_> {
    type Plan = Plan;

    fn plan(&mut self, refusal: Option<&Refusal>) -> Plan {
        self.observed.refused = refusal.cloned();
        plan(self.job, &self.observed, Timestamp::now(), &self.jobs.settings)
    }

    fn paced(&self, plan: Plan) -> Plan {
        self.jobs.paced(plan, self.uid)
    }

    fn taken(&mut self) {
        self.observed.tried = true;
    }

    fn words(&self, message: String) -> String {
        of_an_attempt(&message)
    }

    fn insists(&self) -> bool {
        self.job.status.as_ref().is_some_and(|status| status.job_name.is_some())
    }

    async fn make(&self, plan: &Plan) -> Result<(), Failure> {
        self.jobs.make(self.job, self.uid, plan).await
    }

    async fn tell(&self, plan: &Plan) -> Result<(), Failure> {
        let Self { jobs, job, uid, .. } = self;
        jobs.poller.set(uid, ObjectRef::from_obj(*job), plan.poll.clone(), job.status.as_ref());
        jobs.tell(job, plan).await?;
        jobs.count(job, plan);
        Ok(())
    }
}

/// Whether a Job that may make pods has had time to, and has none. One that its controller has not looked at yet has none, and
/// nobody has refused any.
fn lacks_pods(job: &Job, pods: &[Pod]) -> bool {
    let suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    let started = job.status.as_ref().and_then(|status| status.start_time.as_ref());
    let late = started.is_some_and(|time| Timestamp::now().duration_since(time.0).as_secs() >= NO_PODS_AFTER as i64);
    let uid = job.uid().unwrap_or_default();
    late && !suspended && !pods.iter().any(|pod| is_owned_by(&pod.metadata, &uid))
}

impl Jobs {
    async fn observe(&self, job: &RealTrainingJob, uid: &str) -> Result<Observed, Failure> {
        let owner: Owner = (job.namespace().unwrap_or_default(), job.name_any());
        let names = Names(&owner.1);
        let ours = |metadata: &kube::api::ObjectMeta| is_owned_by(metadata, uid);
        let mut jobs: Vec<Job> =
            self.attempts.owned(&owner).iter().filter(|job| ours(&job.metadata)).map(|job| (**job).clone()).collect();
        // Of a job that is over nothing depends on it any more.
        let current = job.status.as_ref().filter(|status| !is_finished(status));
        let current = current.and_then(|status| status.job_name.clone());
        if let Some(name) = current.filter(|name| jobs.iter().all(|job| job.name_any() != *name)) {
            // Gone, or made a moment ago and not told by the watch yet: only the server knows.
            let resource = ApiResource::erase::<Job>(&());
            let target = Target { resource: &resource, namespace: &owner.0, name: &name };
            let found = target.find(&self.common.context.client).await?.filter(|found| ours(&found.metadata));
            let found = found.map(DynamicObject::try_parse::<Job>).transpose();
            let failed = |error: kube::core::dynamic::ParseDynamicObjectError| Failure::Read {
                what: format!("Job {name}"),
                source: kube::Error::Service(Box::new(error)),
            };
            jobs.extend(found.map_err(failed)?);
        }
        let pods = self.pods.owned(&owner);
        let job_uids: Vec<String> = jobs.iter().filter_map(ResourceExt::uid).collect();
        let of_ours = |pod: &Pod| job_uids.iter().any(|uid| is_owned_by(&pod.metadata, uid));
        // A pod whose Job is gone already still runs; it must not be overlooked.
        let is_alive = |pod: &Pod| {
            pod.status
                .as_ref()
                .and_then(|status| status.phase.as_deref())
                .is_none_or(|phase| !matches!(phase, "Succeeded" | "Failed"))
        };
        let pods: Vec<Pod> =
            pods.iter().filter(|pod| of_ours(pod) || is_alive(pod)).map(|pod| (**pod).clone()).collect();
        let pool = job.spec.reward_pool_ref.as_ref().and_then(|reference| {
            self.pools.store.get(&ObjectRef::new(&reference.name).within(&owner.0)).map(|pool| (*pool).clone())
        });
        let children = Children {
            service: own(&self.services, &owner, &names.service(), uid),
            network_policy: own(&self.policies, &owner, &names.network_policy(), uid),
        };
        let current = job.status.as_ref().and_then(|status| status.job_name.as_deref());
        let pods_refused = match jobs.iter().find(|job| Some(job.name_any().as_str()) == current) {
            Some(current) if lacks_pods(current, &pods) => {
                last_event(&self.common.context, current, "reason=FailedCreate").await?
            }
            _ => None,
        };
        let pods_refused = pods_refused.map(|event| event.note.unwrap_or_default());
        let pod_told = self.common.told.of(&self.common.context, &pods).await?;
        Ok(Observed {
            workload: current.and_then(|current| self.workloads.of(&owner.0, current)),
            pods_refused,
            pod_told,
            jobs,
            pods,
            // Not of another job of that name, which was there before.
            departed: self.pods.departed(&owner).filter(|pod| of_ours(pod)),
            pool,
            children,
            report: self.poller.report(uid),
            acting_since: Some(time(*self.acting_since.get_or_init(Instant::now))),
            refused: None,
            tried: false,
            checkpoint_holder: self.uses.holder(&owner),
            restarts_containers: self.common.context.restarts_containers().await?,
            without_kueue: job.labels().contains_key(KUEUE_QUEUE) && !self.common.context.serves(KUEUE).await?,
        })
    }

    /// Puts off what says nothing but how far a job is, while many are told of.
    fn paced(&self, mut plan: Plan, uid: &str) -> Plan {
        if plan.status.is_none()
            && plan.progress.is_some()
            && let Some(wait) = self.pace.wait(uid, Instant::now())
        {
            plan.progress = None;
            within(&mut plan.requeue, wait);
        }
        plan
    }

    /// Children, the attempt, deletions.
    async fn make(&self, job: &RealTrainingJob, uid: &str, plan: &Plan) -> Result<(), Failure> {
        let namespace = job.namespace().unwrap_or_default();
        let client = &self.common.context.client;
        for child in &plan.apply {
            let target = Target { resource: &child.resource, namespace: &namespace, name: &child.name };
            target.make(client, &child.body, child.exists, uid).await?;
            info!(kind = child.resource.kind, child = child.name, "written");
        }
        if let Some(attempt) = &plan.create {
            let target = Target { resource: &attempt.resource, namespace: &namespace, name: &attempt.name };
            if target.create(client, &attempt.body, uid).await? {
                info!(attempt = attempt.name, "attempt started");
            }
        }
        let jobs = ApiResource::erase::<Job>(&());
        for deletion in &plan.delete {
            let target = Target { resource: &jobs, namespace: &namespace, name: &deletion.name };
            // It stays, marked, until its pods have ended.
            target.delete(client, deletion.uid.as_deref(), true).await?;
            info!(attempt = deletion.name, why = deletion.why, "deleted");
        }
        Ok(())
    }

    /// Progress, status, events; and the end of the object itself.
    async fn tell(&self, job: &RealTrainingJob, plan: &Plan) -> Result<(), Failure> {
        let namespace = job.namespace().unwrap_or_default();
        let api: Api<RealTrainingJob> = Api::namespaced(self.common.context.client.clone(), &namespace);
        if plan.status.is_some() || plan.progress.is_some() {
            // How far it is and that it is over are one write: who waits for the end then reads the last step.
            let status = merged(job.status.as_ref(), plan.status.as_ref(), plan.progress.as_ref());
            let version = write_status(&api, job, job.status.as_ref(), &status).await?;
            self.common.written.note(&job.uid().unwrap_or_default(), version.as_deref());
        }
        if let Some(status) = &plan.status {
            let phase = status.phase.map(|phase| format!("{phase:?}"));
            info!(phase, reason = status.reason, attempt = status.attempt, "status");
        }
        self.common.context.publish(&plan.events, &job.object_ref(&())).await;
        if let Some(boost) = &plan.boost {
            self.workloads.boost(&self.common.context, &namespace, boost).await;
        }
        if plan.delete_object {
            let resource = ApiResource::erase::<RealTrainingJob>(&());
            let target = Target { resource: &resource, namespace: &namespace, name: &job.name_any() };
            target.delete(&self.common.context.client, job.uid().as_deref(), false).await?;
            info!("deleted: ttlSecondsAfterFinished is over");
        }
        Ok(())
    }

    fn count(&self, job: &RealTrainingJob, plan: &Plan) {
        let metrics = &self.common.context.metrics;
        match plan.counted {
            Some(Cause::Preempted) => metrics.job_restarts(metrics::Cause::Preemption),
            Some(Cause::Checkpointed | Cause::InvalidConfig | Cause::Diverged) | None => {}
            Some(_) => metrics.job_restarts(metrics::Cause::Failure),
        }
        for _ in 0..plan.restarted {
            metrics.job_restarts(metrics::Cause::Failure);
        }
        let before = job.status.as_ref();
        let first = plan
            .status
            .as_ref()
            .is_some_and(|status| status.phase == Some(Phase::Running) && status.attempt == Some(1))
            && before.is_none_or(|status| status.running_time.is_none());
        if let Some(created) = job.metadata.creation_timestamp.as_ref().filter(|_| first) {
            metrics.job_runs(Duration::try_from(Timestamp::now().duration_since(created.0)).unwrap_or_default());
        }
    }

    /// Metrics of all jobs, and no memory of those that are gone.
    async fn keep_house(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TICK).await;
            let jobs = self.store.state();
            self.measure(&jobs);
            let alive: HashSet<String> = jobs.iter().filter_map(|job| job.uid()).collect();
            let names: HashSet<Owner> =
                jobs.iter().map(|job| (job.namespace().unwrap_or_default(), job.name_any())).collect();
            self.pods.retain(|owner| names.contains(owner));
            let is_over = |job: &RealTrainingJob| job.status.as_ref().is_some_and(is_finished);
            let over: HashSet<String> = jobs.iter().filter(|job| is_over(job)).filter_map(|job| job.uid()).collect();
            self.poller.retain(|uid| alive.contains(uid) && !over.contains(uid));
            self.pace.retain(|uid| alive.contains(uid));
            self.common.retain(&alive);
        }
    }

    /// What the metrics say of all jobs. Only the leader knows how far they are, and two that count would count twice.
    fn measure(&self, jobs: &[Arc<RealTrainingJob>]) {
        let metrics = &self.common.context.metrics;
        if self.common.context.guard.check().is_err() {
            metrics.set_jobs(&self.scope, []);
            metrics.set_progress_ages(&self.scope, []);
            return;
        }
        let phase = |job: &RealTrainingJob| job.status.as_ref().and_then(|status| status.phase);
        metrics.set_jobs(&self.scope, jobs.iter().map(|job| phase(job).unwrap_or(Phase::Pending)));
        let now = Timestamp::now();
        let ages = jobs.iter().filter(|job| phase(job) == Some(Phase::Running)).filter_map(|job| {
            let since = job.status.as_ref()?.running_time.as_ref()?.0;
            let attempt = job.status.as_ref()?.attempt.unwrap_or(1);
            let step_since = self.poller.step_since(&job.uid().unwrap_or_default(), attempt);
            let since = step_since.map_or(since, |step_since| step_since.max(since));
            let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            Some((job.namespace().unwrap_or_default(), job.name_any(), age))
        });
        metrics.set_progress_ages(&self.scope, ages);
    }
}
