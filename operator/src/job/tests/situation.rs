//! A job, what the cluster holds, and the time.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobSpec, RewardPool};
use real_crds::validate::parse_job;
use serde_json::json;

use super::act::carry_out;
use crate::images::Images;
use crate::job::{Observed, Plan, Settings, plan};
use crate::labels;

const PPO: &str = "
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata: {name: ppo, namespace: research}
spec:
  model: {storageUri: bundled://quickstart-base}
  datasets: {train: [{name: quickstart, storageUri: bundled://quickstart-train}]}
  algorithm: {ppo: {steps: 100}}
  rewardPoolRef: {name: judges}
  checkpoint: {storage: {persistentVolumeClaim: {claimName: checkpoints}}}
  trainer: {nodes: 2}
";

const SFT: &str = "
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata: {name: sft, namespace: research}
spec:
  model: {storageUri: bundled://quickstart-base}
  datasets: {train: [{name: quickstart, storageUri: bundled://quickstart-train}]}
  algorithm: {sft: {steps: 100}}
";

/// When every situation begins.
pub(super) const BEGINNING: &str = "2026-03-01T12:00:00Z";

#[derive(Clone, Debug)]
pub(super) struct Situation {
    pub(super) job: RealTrainingJob,
    pub(super) observed: Observed,
    pub(super) now: Timestamp,
    pub(super) settings: Settings,
}

/// How ready a pool is.
#[derive(Clone, Copy)]
pub(super) enum Pool {
    /// Detectors and sandboxes that are ready; the pool is.
    Ready { detectors: u32, sandboxes: u32 },
    /// It is not, with its message.
    NotReady(&'static str),
    /// It has no status yet.
    New,
}

impl Situation {
    /// `manifest` just created, and nothing else.
    pub(super) fn of(manifest: &str) -> Self {
        let mut job = parse_job(manifest, "job.yaml", &[]).unwrap_or_else(|errors| panic!("{errors}"));
        let now = BEGINNING.parse().unwrap();
        job.metadata.uid = Some("uid-of-the-job".to_owned());
        job.metadata.generation = Some(1);
        job.metadata.namespace.get_or_insert("research".to_owned());
        job.metadata.creation_timestamp = Some(Time(now));
        let settings = Settings { images: Images::default(), namespace: "real-system".to_owned() };
        let observed = Observed { restarts_containers: true, ..Observed::default() };
        Self { job, observed, now, settings }
    }

    /// PPO on two nodes, just created; its pool does not exist.
    pub(super) fn ppo() -> Self {
        static FRESH: LazyLock<Situation> = LazyLock::new(|| Situation::of(PPO));
        FRESH.clone()
    }

    /// Supervised fine-tuning on one node, just created; it needs no pool.
    pub(super) fn sft() -> Self {
        static FRESH: LazyLock<Situation> = LazyLock::new(|| Situation::of(SFT));
        FRESH.clone()
    }

    /// PPO whose pool is ready, just created.
    pub(super) fn ready() -> Self {
        Self::ppo().pool(Pool::Ready { detectors: 1, sandboxes: 1 })
    }

    /// PPO whose first attempt was just created.
    pub(super) fn started() -> Self {
        Self::ready().settled()
    }

    /// PPO that has been running for `seconds`; its attempt was created a minute earlier.
    pub(super) fn running_for(seconds: i64) -> Self {
        Self::started().runs().later(seconds)
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.job, &self.observed, self.now, &self.settings)
    }

    /// The operator has done all it wants to do.
    pub(super) fn settled(mut self) -> Self {
        for _ in 0..4 {
            let plan = self.plan();
            let idle = plan.apply.is_empty()
                && plan.create.is_none()
                && plan.delete.is_empty()
                && plan.status.is_none()
                && plan.progress.is_none();
            if idle {
                return self;
            }
            carry_out(&mut self, &plan);
        }
        panic!("the operator finds no rest: {:#?}", self.plan());
    }

    pub(super) fn later(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self
    }

    /// A new generation of the spec.
    pub(super) fn edited(mut self, edit: impl FnOnce(&mut RealTrainingJobSpec)) -> Self {
        edit(&mut self.job.spec);
        *self.job.metadata.generation.as_mut().unwrap() += 1;
        self
    }

    pub(super) fn suspended(self) -> Self {
        self.edited(|spec| spec.suspend = true)
    }

    pub(super) fn resumed(self) -> Self {
        self.edited(|spec| spec.suspend = false)
    }

    /// Has Kueue's label.
    pub(super) fn in_queue(mut self, queue: &str) -> Self {
        self.job.labels_mut().insert(labels::KUEUE_QUEUE.to_owned(), queue.to_owned());
        self
    }

    /// Someone deletes the object; a finalizer of someone else keeps it.
    pub(super) fn deleted(mut self) -> Self {
        self.job.metadata.deletion_timestamp = Some(Time(self.now));
        self
    }

    pub(super) fn pool(self, pool: Pool) -> Self {
        self.pool_named("judges", pool)
    }

    pub(super) fn pool_named(mut self, name: &str, pool: Pool) -> Self {
        let ready = |ready: bool, message: &str| {
            json!([{
                "type": "Ready",
                "status": if ready { "True" } else { "False" },
                "reason": "Told",
                "message": message,
                "lastTransitionTime": BEGINNING,
            }])
        };
        let fleet = |ready: u32| json!({ "replicas": ready, "readyReplicas": ready, "desiredReplicas": ready });
        let status = match pool {
            Pool::Ready { detectors, sandboxes } => json!({
                "conditions": ready(true, ""), "detector": fleet(detectors), "sandbox": fleet(sandboxes),
            }),
            Pool::NotReady(message) => json!({ "conditions": ready(false, message) }),
            Pool::New => json!({}),
        };
        let object = json!({
            "apiVersion": "real-rl.dev/v1alpha1",
            "kind": "RewardPool",
            "metadata": { "name": name, "namespace": "research" },
            "spec": {},
            "status": status,
        });
        self.observed.pool = Some(serde_json::from_value(object).unwrap());
        self
    }

    pub(super) fn edit_pool(mut self, edit: impl FnOnce(&mut RewardPool)) -> Self {
        edit(self.observed.pool.as_mut().unwrap());
        self
    }

    pub(super) fn without_pool(mut self) -> Self {
        self.observed.pool = None;
        self
    }
}
