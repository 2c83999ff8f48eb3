//! What a node and a trainer would do, in memory: pods run and count steps; SIGTERM makes a checkpoint, from which a pod that is
//! told `--resume` goes on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use real_crds::progress::{Checkpoint, LastWords, Outcome, Progress};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::rig::Rig;
use crate::rig::cluster::{address, rank_0};

const STEP: Duration = Duration::from_millis(100);

/// What trainers did, by training job.
#[derive(Clone, Default)]
pub(crate) struct Done(Arc<Mutex<HashMap<String, Vec<u64>>>>);

impl Done {
    /// All steps that rank 0 of a job took, in their order, over all of its starts.
    pub(crate) fn steps(&self, job: &str) -> Vec<u64> {
        self.0.lock().unwrap().get(job).cloned().unwrap_or_default()
    }

    fn step(&self, job: &str, step: u64) {
        self.0.lock().unwrap().entry(job.to_owned()).or_default().push(step);
    }
}

/// Runs the pods of the rig's namespace. Each takes a step at each tick, up to `total`. What lies on the claim, its checkpoints, are
/// in `claims`.
pub(crate) fn start(rig: Arc<Rig>, total: u64) -> (Done, JoinHandle<()>) {
    let done = Done::default();
    let told = done.clone();
    let task = tokio::spawn(async move {
        let mut begun: HashSet<String> = HashSet::new();
        let claims = Arc::new(Mutex::new(HashMap::new()));
        loop {
            for pod in rig.api::<Pod>().list(&ListParams::default()).await.expect("pods").items {
                if pod.metadata.deletion_timestamp.is_none() && begun.insert(pod.name_any()) {
                    tokio::spawn(run(rig.clone(), pod, total, claims.clone(), told.clone()));
                }
            }
            sleep(STEP).await;
        }
    });
    (done, task)
}

/// Gives a pod a node, as the scheduler does: one without is deleted at once, and has no time for a checkpoint.
async fn bind(rig: &Rig, pod: &str) {
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node"}});
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/binding", rig.namespace);
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(&binding).unwrap()).unwrap();
    rig.client.request::<Value>(request).await.expect("it has a node");
}

type Claims = Arc<Mutex<HashMap<String, u64>>>;

async fn run(rig: Arc<Rig>, pod: Pod, total: u64, claims: Claims, done: Done) {
    let (name, job) = (pod.name_any(), pod.labels()["real-rl.dev/job"].clone());
    let attempt: u64 = pod.labels()["real-rl.dev/attempt"].parse().unwrap();
    let first = pod.labels()["batch.kubernetes.io/job-completion-index"] == "0";
    let arguments = pod.spec.as_ref().unwrap().containers[0].args.clone().unwrap();
    let resumes = arguments.iter().any(|argument| argument == "--resume");
    let from = claims.lock().unwrap().get(&job).copied();
    // As the trainer does: a run directory that holds checkpoints is not begun anew.
    if let Some(step) = from.filter(|_| !resumes) {
        rig.end_pod(&name, 2, &format!("the run directory has checkpoints (the newest of step {step})")).await;
        return;
    }
    let mut progress =
        Progress { sequence: 1, attempt, step: from.unwrap_or(0), total_steps: total, ..Progress::default() };
    let place = address();
    let say = if first { Some(rank_0(place).await) } else { None };
    bind(&rig, &name).await;
    rig.run_pod(&name, place).await;
    loop {
        sleep(STEP).await;
        let Some(found) = rig.api::<Pod>().get_opt(&name).await.expect("a pod") else { return };
        let stops = found.metadata.deletion_timestamp.is_some();
        if stops || progress.step >= total {
            if first {
                claims.lock().unwrap().insert(job.clone(), progress.step);
                progress.checkpoints = vec![Checkpoint {
                    step: progress.step,
                    sha256: "0".repeat(64),
                    size_bytes: 1,
                    time: Some(Timestamp::now()),
                }];
            }
            let (outcome, code) = if stops { (Outcome::Stopped, 75) } else { (Outcome::Done, 0) };
            let words = if first { LastWords::compose(outcome, None, "", &progress) } else { String::new() };
            rig.end_pod(&name, code, &words).await;
            if stops {
                // The Job controller lets it go once it has counted it.
                let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
                let _ = rig.api::<Pod>().delete(&name, &now).await;
            }
            return;
        }
        progress.step += 1;
        progress.sequence += 1;
        if let Some(say) = &say {
            done.step(&job, progress.step);
            let _ = say.send(progress.clone());
        }
    }
}
