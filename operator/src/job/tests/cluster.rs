//! What happens to a job in a cluster, step by step.

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use real_crds::progress::{Checkpoint, Progress};

use super::act::carry_out;
use super::pods::{State, exited, running};
use super::situation::Situation;
use crate::hindrance::PodEvent;
use crate::job::ending::ending;
use crate::job::{Plan, Report, Workload};
use crate::refusal::{Lasting, Refusal};

/// Seconds that the pods of these jobs have to end.
const GRACE: i64 = 300;

impl Situation {
    /// The attempt that goes on.
    pub(super) fn attempt(&mut self) -> &mut Job {
        let jobs = self.observed.jobs.iter_mut();
        jobs.filter(|job| job.metadata.deletion_timestamp.is_none())
            .last()
            .expect("there is an attempt that is not deleted")
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
            pod.metadata.creation_timestamp = Some(Time(self.now));
            let labels = pod.labels_mut();
            labels.insert("batch.kubernetes.io/job-name".to_owned(), name.clone());
            labels.insert("batch.kubernetes.io/job-completion-index".to_owned(), rank.to_string());
            self.observed.pods.push(pod);
        }
        self
    }

    /// The controller of Jobs has not looked at the attempt's Job.
    pub(super) fn not_taken_up(mut self) -> Self {
        self.attempt().status = None;
        self
    }

    /// What the last event of a pod says.
    pub(super) fn pod_says(mut self, rank: usize, reason: &str, note: &str) -> Self {
        let pod = self.observed.pods[rank].name_any();
        self.observed.pod_told = Some(PodEvent { pod, reason: reason.to_owned(), note: note.to_owned() });
        self
    }

    /// Both ranks run, and the operator has seen it, a minute after the attempt was created.
    pub(super) fn runs(self) -> Self {
        self.later(60).pods([running(), running()]).settled()
    }

    fn job_condition(mut self, type_: &str, reason: &str, message: &str) -> Self {
        let name = self.attempt().name_any();
        self.condition_of(&name, type_, reason, message)
    }

    fn condition_of(mut self, name: &str, type_: &str, reason: &str, message: &str) -> Self {
        let job = self.observed.jobs.iter_mut().find(|job| job.name_any() == name).unwrap();
        job.status.get_or_insert_default().conditions.get_or_insert_default().push(JobCondition {
            type_: type_.to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(Time(self.now)),
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
        self.pods([exited(1), exited(143)]).job_failed().settled()
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
        let (now, due) = (Time(self.now), Time(self.now + jiff::SignedDuration::from_secs(GRACE)));
        for job in self.observed.jobs.iter_mut().filter(|job| job.name_any() == name) {
            job.metadata.deletion_timestamp.get_or_insert(now.clone());
        }
        for pod in &mut self.observed.pods {
            if pod.labels().get("batch.kubernetes.io/job-name").is_some_and(|job| job == name) {
                pod.metadata.deletion_timestamp.get_or_insert(due.clone());
                pod.metadata.deletion_grace_period_seconds.get_or_insert(GRACE);
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
        self.observed.refused = Some(Refusal { reason: reason.to_owned(), message: message.to_owned(), lasting: None });
        self
    }

    /// The API server has refused an attempt of the present spec, and will for ever.
    pub(super) fn refused_for_good(mut self, message: &str) -> Self {
        let lasting = Some(Lasting { generation: self.job.metadata.generation, at: self.now });
        self.observed.refused = Some(Refusal { reason: "Invalid".to_owned(), message: message.to_owned(), lasting });
        self
    }

    /// Admission refuses the pods of the attempt's Job.
    pub(super) fn pods_refused(mut self, event: &str) -> Self {
        self.observed.pods_refused = Some(event.to_owned());
        self
    }

    /// Rank 0 has just written a checkpoint, and says so.
    pub(super) fn wrote_a_checkpoint(self) -> Self {
        let checkpoint = Checkpoint { step: 40, sha256: "0".repeat(64), size_bytes: 1, time: Some(self.now) };
        self.says(Progress {
            attempt: 1,
            step: 41,
            total_steps: 100,
            checkpoints: vec![checkpoint],
            ..Progress::default()
        })
    }

    /// Kueue says something of the attempt's Job.
    pub(super) fn kueue_says(mut self, waits: Option<&str>, evicted: Option<&str>, boost: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let name = "job-ppo-1-4f2c1".to_owned();
        self.observed.workload =
            Some(Workload { name, waits: text(waits), evicted: text(evicted), boost: text(boost) });
        self
    }

    /// Another job has the better right to the place of the checkpoints.
    pub(super) fn place_held_by(mut self, other: &str) -> Self {
        self.observed.checkpoint_holder = Some(other.to_owned());
        self
    }

    /// The cluster has no Kueue.
    pub(super) fn without_kueue(mut self) -> Self {
        self.observed.without_kueue = true;
        self
    }

    /// Somebody, or the node's controller, deletes a pod of the attempt; it has its grace period to end.
    pub(super) fn pod_deleted(mut self, rank: usize) -> Self {
        let due = self.now + jiff::SignedDuration::from_secs(GRACE);
        let pod = &mut self.observed.pods[rank];
        pod.metadata.deletion_timestamp = Some(Time(due));
        pod.metadata.deletion_grace_period_seconds = Some(GRACE);
        pod.spec.get_or_insert_default().node_name = Some("node-7".to_owned());
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
    pub(super) fn failed_while_deleted(self) -> Self {
        let mut jobs = self.observed.jobs.iter().filter(|job| ending(job, &[]).is_none());
        let deleted = jobs.find(|job| job.metadata.deletion_timestamp.is_some());
        let name = deleted.expect("a Job is being deleted").name_any();
        self.condition_of(&name, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
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
        self.observed.acting_since = Some(self.now);
        self
    }
}
