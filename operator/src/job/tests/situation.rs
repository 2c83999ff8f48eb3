//! A job, what the cluster holds, and the time.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::progress::Progress;
use real_crds::v1alpha1::{RealTrainingJob, RealTrainingJobSpec, RewardPool};
use real_crds::validate::parse_job;
use serde_json::json;

use super::act::carry_out;
use super::pods::{State, running};
use crate::images::Images;
use crate::job::{Observed, Plan, Refusal, Report, Settings, plan};
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

/// A Job that its controller has not got to the end of.
const UNFINISHED: &str = "there is an attempt that is not deleted";

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
        Self { job, observed: Observed::default(), now, settings }
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

    /// The attempt that goes on.
    pub(super) fn attempt(&mut self) -> &mut Job {
        let jobs = self.observed.jobs.iter_mut();
        jobs.filter(|job| job.metadata.deletion_timestamp.is_none()).last().expect(UNFINISHED)
    }

    /// Pods of the attempt that goes on, by rank; others that it had are replaced.
    pub(super) fn pods<const N: usize>(mut self, states: [State; N]) -> Self {
        let job = self.attempt().clone();
        let template = job.spec.as_ref().unwrap().template.metadata.clone().unwrap_or_default();
        let name = job.name_any();
        self.observed.pods.retain(|pod| pod.labels().get("batch.kubernetes.io/job-name") != Some(&name));
        for (rank, state) in states.into_iter().enumerate() {
            let mut pod = Pod { metadata: template.clone(), spec: None, status: Some(state.at(self.now)) };
            pod.metadata.name = Some(format!("{name}-{rank}-x"));
            let labels = pod.labels_mut();
            labels.insert("batch.kubernetes.io/job-name".to_owned(), name.clone());
            labels.insert("batch.kubernetes.io/job-completion-index".to_owned(), rank.to_string());
            self.observed.pods.push(pod);
        }
        self
    }

    /// Both ranks run, and the operator has seen it, a minute after the attempt was created.
    pub(super) fn runs(self) -> Self {
        self.later(60).pods([running(), running()]).settled()
    }

    fn job_condition(mut self, type_: &str, reason: &str, message: &str) -> Self {
        let now = Time(self.now);
        let conditions = self.attempt().status.get_or_insert_default().conditions.get_or_insert_default();
        conditions.push(JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(now),
            last_probe_time: None,
        });
        self
    }

    pub(super) fn job_complete(self) -> Self {
        self.job_condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    }

    pub(super) fn job_failed(self) -> Self {
        self.job_condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    }

    /// Failed by a rule of its pod failure policy, with the part of the message that says which.
    pub(super) fn job_failed_by_policy(self, what: &str) -> Self {
        self.job_condition("Failed", "PodFailurePolicy", what)
    }

    /// Is about to fail; pods are still being stopped.
    pub(super) fn job_failing(self) -> Self {
        self.job_condition("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    }

    /// Failed with a rank's exit code 1; the operator has counted it.
    pub(super) fn failed_once_more(self) -> Self {
        self.pods([super::pods::exited(1), super::pods::exited(143)]).job_failed().settled()
    }

    /// The wait is over and the next attempt was created.
    pub(super) fn started_again(self) -> Self {
        self.later(3600).settled()
    }

    /// A queue lets the attempt start.
    pub(super) fn unqueued(mut self) -> Self {
        let now = Time(self.now);
        let job = self.attempt();
        job.spec.get_or_insert_default().suspend = Some(false);
        job.status.get_or_insert_default().start_time = Some(now);
        self
    }

    /// A queue stops the attempt: no pods, until it may start again.
    pub(super) fn queued_again(mut self) -> Self {
        let job = self.attempt();
        job.spec.get_or_insert_default().suspend = Some(true);
        job.status.get_or_insert_default().start_time = None;
        self
    }

    /// Begins to delete a Job: it and its pods go once the pods have ended.
    pub(super) fn delete_job(&mut self, name: &str) {
        let now = Time(self.now);
        for job in self.observed.jobs.iter_mut().filter(|job| job.name_any() == name) {
            job.metadata.deletion_timestamp.get_or_insert(now.clone());
        }
        for pod in &mut self.observed.pods {
            if pod.labels().get("batch.kubernetes.io/job-name").is_some_and(|job| job == name) {
                pod.metadata.deletion_timestamp.get_or_insert(now.clone());
            }
        }
    }

    /// Someone deletes the attempt's Job by hand.
    pub(super) fn attempt_deleted(mut self) -> Self {
        let name = self.attempt().name_any();
        self.delete_job(&name);
        self
    }

    /// What was being deleted is gone.
    pub(super) fn gone(mut self) -> Self {
        self.observed.jobs.retain(|job| job.metadata.deletion_timestamp.is_none());
        self.observed.pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        self
    }

    /// Jobs that were being deleted are gone, their pods are not.
    pub(super) fn jobs_gone(mut self) -> Self {
        self.observed.jobs.retain(|job| job.metadata.deletion_timestamp.is_none());
        self
    }

    /// Of pods nothing is left.
    pub(super) fn without_pods(mut self) -> Self {
        self.observed.pods.clear();
        self
    }

    /// The API server refuses writes.
    pub(super) fn refused(mut self, reason: &str, message: &str) -> Self {
        self.observed.refused = Some(Refusal { reason: reason.to_owned(), message: message.to_owned() });
        self
    }

    /// Rank 0 says something new about its step.
    pub(super) fn says(mut self, progress: Progress) -> Self {
        self.observed.report = Some(Report { progress, heard: self.now, step_since: self.now });
        self
    }

    /// The status is gone, as after a restore from a backup.
    pub(super) fn without_status(mut self) -> Self {
        self.job.status = None;
        self
    }

    /// The status of the next plan is written, and nothing else is done.
    pub(super) fn settled_status(mut self) -> Self {
        let plan = Plan { status: self.plan().status, ..Plan::default() };
        carry_out(&mut self, &plan);
        self
    }

    /// What was refused is refused no longer.
    pub(super) fn allowed(mut self) -> Self {
        self.observed.refused = None;
        self
    }

    /// States of the pods of the Job that is being deleted.
    pub(super) fn pods_of_deleted<const N: usize>(mut self, states: [State; N]) -> Self {
        let now = self.now;
        let pods = self.observed.pods.iter_mut().filter(|pod| pod.metadata.deletion_timestamp.is_some());
        for (pod, state) in pods.zip(states) {
            pod.status = Some(state.at(now));
        }
        self
    }

    /// The Job that is being deleted gets to its end first.
    pub(super) fn failed_while_deleted(mut self) -> Self {
        let deleted = self.observed.jobs.iter().position(|job| job.metadata.deletion_timestamp.is_some());
        let deleted = deleted.expect("a Job is being deleted");
        let since = self.observed.jobs[deleted].metadata.deletion_timestamp.take();
        let name = self.observed.jobs[deleted].name_any();
        self = self.job_failed();
        assert_eq!(self.attempt().name_any(), name);
        self.observed.jobs[deleted].metadata.deletion_timestamp = since;
        self
    }

    /// A Job that has ended has not ended any more.
    pub(super) fn revived(mut self, name: &str) -> Self {
        let job = self.observed.jobs.iter_mut().find(|job| job.name_any() == name).unwrap();
        job.status.as_mut().unwrap().conditions = None;
        self
    }

    /// A Job of another name says that it belongs to this one.
    pub(super) fn with_stray_job(mut self) -> Self {
        let owner = crate::child::controller_of(&self.job);
        let mut job = Job::default();
        job.metadata.name = Some("stray".to_owned());
        job.metadata.owner_references = Some(vec![owner]);
        self.observed.jobs.push(job);
        self
    }

    /// Someone takes all labels off the attempt's Job.
    pub(super) fn without_labels(mut self) -> Self {
        self.attempt().metadata.labels = None;
        self
    }

    /// The operator has started anew and has not asked rank 0 yet.
    pub(super) fn forgotten(mut self) -> Self {
        self.observed.report = None;
        self
    }
}
