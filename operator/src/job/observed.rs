//! What is there: everything a plan may depend on besides the job itself and the time.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use real_crds::progress::Progress;
use real_crds::v1alpha1::RewardPool;

use super::queue::Workload;
use crate::hindrance::PodEvent;
use crate::labels;
use crate::refusal::Refusal;

/// What is there of a job.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Jobs that this object controls, one an attempt. The one that the status names is here unless it is really gone, which a
    /// cache alone cannot tell: a second gang must not start because a watch lags.
    pub jobs: Vec<Job>,
    /// Pods of those Jobs.
    pub pods: Vec<Pod>,
    /// The last pod of rank 0 that ended and is gone: a queue that stops an attempt takes its pods away at once, and their last
    /// words tell of the checkpoint that they wrote.
    pub departed: Option<Arc<Pod>>,
    /// The pool that the job refers to.
    pub pool: Option<RewardPool>,
    /// The other children.
    pub children: Children,
    /// What rank 0 last said.
    pub report: Option<Report>,
    /// Since when this operator acts: of what it has not heard before, it knows nothing.
    pub acting_since: Option<Timestamp>,
    /// The last write that the API server refused, until one succeeds.
    pub refused: Option<Refusal>,
    /// Why the attempt's Job can make no pods, by its last event, where it has had time and has none.
    pub pods_refused: Option<String>,
    /// What was last said of a pod that has a node and has got no further for long: a volume that cannot be mounted, a sandbox that cannot
    /// be made. Its status says nothing of it.
    pub pod_told: Option<PodEvent>,
    /// Whether the API server was asked just now about the next attempt's Job, and would take it.
    pub tried: bool,
    /// Another job that has the same place for its checkpoints, and the better right to it.
    pub checkpoint_holder: Option<String>,
    /// What Kueue says of the attempt.
    pub workload: Option<Workload>,
    /// Whether the cluster can start a container again in its pod, by its exit code.
    pub restarts_containers: bool,
    /// Whether the job waits for a queue of Kueue in a cluster that has no Kueue.
    pub without_kueue: bool,
}

/// Children besides the Jobs, where they are there and controlled by this object.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// Headless Service.
    pub service: Option<Service>,
    /// Network policy.
    pub network_policy: Option<NetworkPolicy>,
}

/// What rank 0 said.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its words.
    pub progress: Progress,
    /// When it said so.
    pub heard: Timestamp,
    /// Since when its step has been what it is.
    pub step_since: Timestamp,
}

impl Observed {
    /// The Job of an attempt.
    pub fn attempt(&self, attempt: u32) -> Option<&Job> {
        self.jobs.iter().find(|job| number(job) == attempt)
    }

    /// Pods of an attempt, by completion index.
    pub fn pods_of(&self, attempt: u32) -> Vec<&Pod> {
        let label = attempt.to_string();
        let mut pods: Vec<&Pod> =
            self.pods.iter().filter(|pod| pod.labels().get(labels::ATTEMPT) == Some(&label)).collect();
        pods.sort_by_key(|pod| index(pod));
        pods
    }
}

/// The attempt that a Job is, by its name, which nobody can edit; 0, before all attempts, for a Job that is none.
pub(super) fn number(job: &Job) -> u32 {
    job.metadata.name.as_deref().and_then(|name| name.rsplit_once('-')?.1.parse().ok()).unwrap_or(0)
}

/// The node rank of a pod.
pub(crate) fn index(pod: &Pod) -> Option<u32> {
    pod.labels().get("batch.kubernetes.io/job-completion-index")?.parse().ok()
}
