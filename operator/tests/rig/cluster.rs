//! What the Job controller, the scheduler and the kubelet would do.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::{Json, Router, routing::get};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use real_crds::progress::Progress;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, Rig, TICK};

/// Where the operator asks pods.
const PORT: u16 = 8080;

/// Addresses of this machine alone, one for each pod of all tests of a program.
pub(crate) fn address() -> IpAddr {
    static NETWORK: LazyLock<(u8, TcpListener)> = LazyLock::new(network);
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
    IpAddr::from([127, NETWORK.0, high, low])
}

/// The second octet of addresses that no other process has as long as this one listens at the last of them: several programs of
/// tests may run at once.
fn network() -> (u8, TcpListener) {
    let last = |octet| SocketAddr::from(([127, octet, 255, 254], PORT));
    let free = (2..=254).find_map(|octet| Some((octet, TcpListener::bind(last(octet)).ok()?)));
    free.unwrap_or_else(|| {
        panic!("port {PORT} is taken at every address of this machine: end what listens at 0.0.0.0:{PORT}")
    })
}

impl Rig {
    /// Makes the pods of a Job, as its controller would, and gives them in the order of their ranks.
    pub(crate) async fn make_pods(&self, job: &str) -> Vec<String> {
        let job: Job = self.api::<Job>().get(job).await.expect("a Job");
        let spec = job.spec.clone().expect("a spec");
        let mut names = Vec::new();
        for index in 0..spec.completions.expect("completions") {
            let mut template = serde_json::to_value(&spec.template).expect("JSON");
            template["spec"]["hostname"] = json!(format!("{}-{index}", job.name_any()));
            let name = format!("{}-{index}-{:04x}", job.name_any(), rand::random::<u16>());
            template["metadata"]["name"] = json!(name);
            template["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] = json!(index.to_string());
            template["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "uid": job.uid(),
                "controller": true, "blockOwnerDeletion": true,
            }]);
            let pod: Pod = serde_json::from_value(template).expect("a pod");
            self.api::<Pod>().create(&PostParams::default(), &pod).await.expect("Pod Security and schema take it");
            names.push(name);
        }
        let started = json!({"status": {"startTime": now(), "active": names.len()}});
        self.status::<Job>(&job.name_any(), started).await;
        names
    }

    /// Tries to make the first pod of a Job, which admission refuses, as its controller would, and tells it as that does. The Job is
    /// as if it were a minute old.
    pub(crate) async fn refuse_pods(&self, job: &str) -> String {
        let job: Job = self.api::<Job>().get(job).await.expect("a Job");
        let mut template = serde_json::to_value(&job.spec.clone().expect("a spec").template).expect("JSON");
        template["metadata"]["generateName"] = json!(format!("{}-0-", job.name_any()));
        let pod: Pod = serde_json::from_value(template).expect("a pod");
        // Admission hears of quotas, limits and classes by watches, a moment after they were made.
        let (pods, dry) = (self.api::<Pod>(), PostParams { dry_run: true, ..PostParams::default() });
        let deadline = Instant::now() + PATIENCE;
        let refused = loop {
            match pods.create(&dry, &pod).await {
                Err(kube::Error::Api(status)) => break status.message.clone(),
                other => assert!(Instant::now() < deadline, "admission does not refuse it: {other:?}"),
            }
            sleep(TICK).await;
        };
        let note = format!("Error creating: {refused}");
        self.create::<Event>(json!({
            "metadata": {"generateName": job.name_any()}, "eventTime": format!("{:.6}", Timestamp::now()),
            "reason": "FailedCreate", "note": note, "type": "Warning", "action": "Create",
            "reportingController": "job-controller", "reportingInstance": "rig",
            "regarding": {"apiVersion": "batch/v1", "kind": "Job", "name": job.name_any(), "namespace": self.namespace, "uid": job.uid()},
        }))
        .await;
        let started = Timestamp::now() - jiff::SignedDuration::from_mins(1);
        self.status::<Job>(&job.name_any(), json!({"status": {"startTime": started}})).await;
        note
    }

    /// A pod that runs at `address`.
    pub(crate) async fn run_pod(&self, pod: &str, address: IpAddr) {
        let status = json!({"status": {
            "phase": "Running", "podIP": address.to_string(), "podIPs": [{"ip": address.to_string()}],
            "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [container(&json!({"waiting": null, "running": {"startedAt": now()}}), true)],
        }});
        self.status::<Pod>(pod, status).await;
    }

    /// A pod whose trainer has been started again there `count` times and runs, or waits for its next start as `waiting` says; it had
    /// ended with `code`.
    pub(crate) async fn restart_pod(&self, pod: &str, count: u32, code: i32, waiting: Option<&str>) {
        let mut trainer = container(
            &match waiting {
                Some(reason) => json!({"waiting": {"reason": reason, "message": "back-off 10s"}}),
                None => json!({"running": {"startedAt": now()}}),
            },
            waiting.is_none(),
        );
        trainer["restartCount"] = json!(count);
        trainer["lastState"] = json!({"terminated": {"exitCode": code, "reason": "Error", "finishedAt": now()}});
        self.status::<Pod>(pod, json!({"status": {"containerStatuses": [trainer]}})).await;
    }

    /// A pod whose container ended with `code` and these last words.
    pub(crate) async fn end_pod(&self, pod: &str, code: i32, words: &str) {
        self.end_pod_for(pod, if code == 0 { "Completed" } else { "Error" }, code, words).await;
    }

    /// The same, with the reason that the kubelet gives.
    pub(crate) async fn end_pod_for(&self, pod: &str, reason: &str, code: i32, words: &str) {
        let terminated = json!({"exitCode": code, "reason": reason, "message": words, "finishedAt": now()});
        let status = json!({"status": {
            "phase": if code == 0 { "Succeeded" } else { "Failed" },
            "containerStatuses": [container(&json!({"running": null, "terminated": terminated}), false)],
        }});
        self.status::<Pod>(pod, status).await;
    }

    /// A pod that something other than itself ended: a preemption, an eviction, a drain.
    pub(crate) async fn disrupt_pod(&self, pod: &str, reason: &str, message: &str) {
        let disrupted = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": now()});
        self.status::<Pod>(pod, json!({"status": {"conditions": [disrupted]}})).await;
        self.end_pod(pod, 143, "").await;
    }

    /// A pod for which the scheduler finds no node.
    pub(crate) async fn leave_unscheduled(&self, pod: &str, message: &str) {
        let unscheduled = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": message, "lastTransitionTime": now()});
        self.status::<Pod>(pod, json!({"status": {"phase": "Pending", "conditions": [unscheduled]}})).await;
    }

    /// A pod whose container cannot start.
    pub(crate) async fn leave_waiting(&self, pod: &str, reason: &str, message: &str) {
        let waiting = json!({"waiting": {"reason": reason, "message": message}});
        let status = json!({"status": {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [container(&waiting, false)],
        }});
        self.status::<Pod>(pod, status).await;
    }

    /// What a Job whose pods all succeeded says.
    pub(crate) async fn complete_job(&self, job: &str) {
        let condition =
            |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now(), "lastProbeTime": now()});
        let met = json!({"status": {"active": 0, "succeeded": 1, "completionTime": now(), "completedIndexes": "0",
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]}});
        self.status::<Job>(job, met).await;
    }

    /// What a Job that failed says.
    pub(crate) async fn fail_job(&self, job: &str, reason: &str, message: &str) {
        let condition = |type_: &str| {
            json!({"type": type_, "status": "True", "reason": reason, "message": message,
                "lastTransitionTime": now(), "lastProbeTime": now()})
        };
        let failed = json!({"status": {"active": 0, "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")]}});
        self.status::<Job>(job, failed).await;
    }

    /// What the garbage collector does with what is deleted in the foreground: pods first, then the Job.
    pub(crate) async fn collect(&self, job: &str) {
        let pods = self.api::<Pod>().list(&ListParams::default()).await.expect("pods");
        for pod in pods.items {
            if pod.owner_references().iter().any(|owner| owner.name == job) {
                let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
                self.api::<Pod>().delete(&pod.name_any(), &now).await.expect("it can be deleted");
            }
        }
        self.merge::<Job>(job, json!({"metadata": {"finalizers": null}})).await;
    }

    /// Merges `patch` into the status of the object `name`.
    pub(crate) async fn status<K>(&self, name: &str, patch: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let patched = self.api::<K>().patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        self.history.seen(&patched.expect("the status is taken"));
    }
}

fn container(state: &Value, ready: bool) -> Value {
    json!({"name": "trainer", "image": "real-trainer", "imageID": "", "restartCount": 0, "ready": ready, "started": ready, "state": state})
}

fn now() -> String {
    Timestamp::from_second(Timestamp::now().as_second()).expect("a time").to_string()
}

/// Serves `/v1/progress` at a pod's address, as rank 0 does; what is sent is what it says from then on.
pub(crate) async fn rank_0(address: IpAddr) -> watch::Sender<Progress> {
    let (say, said) = watch::channel(Progress::default());
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((address, PORT))).await.expect("a free address");
    let answer = move || {
        let said = said.clone();
        async move { Json(said.borrow().clone()) }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/progress", get(answer))).await });
    say
}

impl Rig {
    /// A pod that the scheduler took away for another.
    pub(crate) async fn preempt_pod(&self, pod: &str) {
        let terminated = json!({"exitCode": 75, "reason": "Error", "finishedAt": now()});
        let target = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": "a pod of higher priority needs its place", "lastTransitionTime": now()});
        let status = json!({"status": {
            "phase": "Failed", "conditions": [target],
            "containerStatuses": [container(&json!({"running": null, "terminated": terminated}), false)],
        }});
        self.status::<Pod>(pod, status).await;
    }
}
