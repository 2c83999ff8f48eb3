//! Training jobs in queues of Kueue, which is the real one; so are the API server and the controller of Jobs. Nodes are simulated.
//!
//! Not part of the usual tests, since Kueue has to be built first: `make e2e-kueue`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod kubelet;
#[path = "../rig/mod.rs"]
mod rig;

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use real_crds::v1alpha1::RealTrainingJob;
use real_test_kube::shared;
use rig::{PATIENCE, Rig, sft};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Duration, Instant, sleep};

fn api(client: &Client, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", kind));
    match namespace {
        None => Api::all_with(client.clone(), &resource),
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Applies an object of Kueue.
async fn put(client: &Client, namespace: Option<&str>, mut object: Value) {
    object["apiVersion"] = json!("kueue.x-k8s.io/v1beta2");
    let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
    let apply = PatchParams::apply("rig").force();
    api(client, kind, namespace).patch(name, &apply, &Patch::Apply(&object)).await.expect("Kueue takes it");
}

/// A namespace with a queue that has `nodes` CPUs, one for a node of a job; higher priorities preempt lower ones.
async fn queue(prefix: &str, nodes: u32) -> Arc<Rig> {
    static KUEUE: OnceCell<()> = OnceCell::const_new();
    let rig = Rig::new(prefix).await;
    let client = rig.client.clone();
    KUEUE
        .get_or_init(async || {
            let plane = shared();
            plane
                .start_controller_manager(&["--controllers=job-controller,garbage-collector-controller"])
                .expect("it runs");
            plane.start_kueue("PriorityBoost=true").await.expect("Kueue runs");
            put(&client, None, json!({"kind": "ResourceFlavor", "metadata": {"name": "default-flavor"}})).await;
            for (name, value) in [("low", 1000), ("high", 2000)] {
                put(
                    &client,
                    None,
                    json!({"kind": "WorkloadPriorityClass", "metadata": {"name": name}, "value": value}),
                )
                .await;
            }
        })
        .await;
    let name = rig.namespace.as_str();
    let quota = json!([{"name": "cpu", "nominalQuota": nodes}]);
    put(
        &client,
        None,
        json!({"kind": "ClusterQueue", "metadata": {"name": name}, "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "resourceGroups": [{"coveredResources": ["cpu"],
                "flavors": [{"name": "default-flavor", "resources": quota}]}],
            "preemption": {"withinClusterQueue": "LowerPriority"},
        }}),
    )
    .await;
    let local = json!({"kind": "LocalQueue", "metadata": {"name": "research"}, "spec": {"clusterQueue": name}});
    put(&client, Some(name), local).await;
    Arc::new(rig)
}

/// A job of the queue, with a node for a CPU.
fn queued(name: &str, class: &str, nodes: u32, resume_from: &str) -> Value {
    let mut job = sft(
        name,
        json!({
            "trainer": {"nodes": nodes, "resourcesPerNode": {"requests": {"cpu": "1"}}},
            "checkpoint": {"resumeFrom": resume_from, "storage": {"persistentVolumeClaim": {"claimName": "runs"}}},
        }),
    );
    job["metadata"]["labels"] =
        json!({"kueue.x-k8s.io/queue-name": "research", "kueue.x-k8s.io/priority-class": class});
    job
}

fn message(job: &RealTrainingJob) -> String {
    let conditions = &job.status.as_ref().unwrap().conditions;
    conditions.iter().find(|condition| condition.type_ == "Running").unwrap().message.clone()
}

/// What `kubectl get rtj` shows.
fn show(rig: &Rig) {
    let shown = shared().kubectl(&["get", "rtj", "-o", "wide", "-n", &rig.namespace], None).expect_success();
    println!("$ kubectl get rtj -o wide\n{shown}");
}

async fn waits_in_words(rig: &Rig, name: &str, words: &str) {
    let job =
        rig.until(name, words, |job: &RealTrainingJob| job.status.is_some() && message(job).contains(words)).await;
    let status = job.status.unwrap();
    assert_eq!(status.reason.as_deref(), Some("WaitsForQuota"));
}

/// Rank 0 took each step once, whatever came between.
fn none_lost(steps: &[u64], total: u64) {
    assert_eq!(steps, (1..=total).collect::<Vec<_>>(), "each step once");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn two_jobs_with_quota_for_one_run_one_after_the_other() {
    let rig = queue("turns", 1).await;
    let _operator = rig.operator();
    let (done, nodes) = kubelet::start(rig.clone(), 20);
    rig.create::<RealTrainingJob>(queued("first", "low", 1, "latest")).await;
    rig.phase("first", "Running", "AllPodsRun").await;
    rig.create::<RealTrainingJob>(queued("second", "low", 1, "latest")).await;
    waits_in_words(&rig, "second", "insufficient unused quota for cpu in flavor default-flavor, 1 more needed").await;
    show(&rig);
    for name in ["first", "second"] {
        let job = rig.phase(name, "Succeeded", "AllStepsDone").await;
        assert_eq!(job.status.unwrap().attempt, Some(1));
        none_lost(&done.steps(name), 20);
    }
    show(&rig);
    nodes.abort();
}

/// Wherever the first start began.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn a_job_of_higher_priority_preempts_and_no_step_is_lost() {
    for (prefix, resume_from) in [("preempt", "latest"), ("afresh", "none")] {
        let rig = queue(prefix, 1).await;
        let _operator = rig.operator();
        let (done, nodes) = kubelet::start(rig.clone(), 30);
        rig.create::<RealTrainingJob>(queued("humble", "low", 1, resume_from)).await;
        rig.until("humble", "step 5", |job: &RealTrainingJob| {
            job.status.as_ref().and_then(|status| status.progress.as_ref()).is_some_and(|progress| progress.step >= 5)
        })
        .await;
        rig.create::<RealTrainingJob>(queued("urgent", "high", 1, "latest")).await;
        rig.phase("urgent", "Running", "AllPodsRun").await;
        waits_in_words(&rig, "humble", "waits in queue research: ").await;
        show(&rig);
        let humble = rig.api::<RealTrainingJob>().get("humble").await.unwrap().status.unwrap();
        assert!(humble.checkpoints[0].step >= 5, "SIGTERM made one: {:?}", humble.checkpoints);
        rig.phase("urgent", "Succeeded", "AllStepsDone").await;
        let humble = rig.phase("humble", "Succeeded", "AllStepsDone").await.status.unwrap();
        assert_eq!(humble.restarts.unwrap().failures, 0, "nothing failed");
        none_lost(&done.steps("humble"), 30);
        show(&rig);
        nodes.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn a_gang_is_admitted_whole_or_not_at_all() {
    let rig = queue("gang", 2).await;
    let _operator = rig.operator();
    let (done, nodes) = kubelet::start(rig.clone(), 20);
    rig.create::<RealTrainingJob>(queued("small", "low", 1, "latest")).await;
    rig.phase("small", "Running", "AllPodsRun").await;
    rig.create::<RealTrainingJob>(queued("pair", "low", 2, "latest")).await;
    waits_in_words(&rig, "pair", "1 more needed").await;
    show(&rig);
    let pods = rig.api::<Pod>().list(&ListParams::default().labels("real-rl.dev/job=pair")).await.unwrap();
    assert_eq!(pods.items.len(), 0, "there is place for one of two, and none was made");
    assert_eq!(rig.api::<Job>().get("pair-1").await.unwrap().spec.unwrap().suspend, Some(true));
    rig.phase("pair", "Succeeded", "AllStepsDone").await;
    none_lost(&done.steps("pair"), 20);
    nodes.abort();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn who_has_just_written_a_checkpoint_gives_way_first() {
    let rig = queue("boost", 2).await;
    let _operator = rig.operator();
    let (_, nodes) = kubelet::start(rig.clone(), 100_000);
    // The younger gives way where nothing else is known. So the elder is the one that has just written a checkpoint.
    for name in ["saved", "unsaved"] {
        rig.create::<RealTrainingJob>(queued(name, "low", 1, "latest")).await;
        rig.phase(name, "Running", "AllPodsRun").await;
    }
    // As if it had run for an hour without a checkpoint.
    let since = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(70);
    rig.status::<RealTrainingJob>("unsaved", json!({"status": {"runningTime": since}})).await;
    let boost = async |job: &str| {
        let workloads = api(&rig.client, "Workload", Some(&rig.namespace)).list(&ListParams::default()).await.unwrap();
        let of = workloads.items.iter().find(|workload| workload.owner_references()[0].name == format!("{job}-1"));
        of.and_then(|workload| workload.annotations().get("kueue.x-k8s.io/priority-boost").cloned())
    };
    let deadline = Instant::now() + PATIENCE;
    while boost("unsaved").await.as_deref() != Some("7") {
        assert!(Instant::now() < deadline, "no boost was written");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(boost("saved").await, None, "it has nothing to lose");
    rig.create::<RealTrainingJob>(queued("urgent", "high", 1, "latest")).await;
    rig.phase("urgent", "Running", "AllPodsRun").await;
    rig.phase("saved", "Queued", "WaitsForQuota").await;
    rig.phase("unsaved", "Running", "AllPodsRun").await;
    show(&rig);
    nodes.abort();
}

/// What Kueue can never admit waits, and says why.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn a_job_that_its_queue_never_admits_says_why() {
    let rig = queue("never", 1).await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(queued("large", "low", 4, "latest")).await;
    waits_in_words(&rig, "large", "> maximum capacity (1)").await;
    let mut lost = queued("lost", "low", 1, "latest");
    lost["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!("no-such-queue");
    rig.create::<RealTrainingJob>(lost).await;
    waits_in_words(&rig, "lost", "no-such-queue doesn't exist").await;
    show(&rig);
}

/// Cells are queued as attempts are, and the sweep says in Kueue's words why one waits.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Kueue, some minutes: make e2e-kueue"]
async fn a_sweep_says_why_its_cells_wait() {
    let rig = queue("cells", 1).await;
    let _operator = rig.operator();
    rig.open().await;
    rig.trained("one", &[8]).await;
    rig.ready_pool().await;
    let cells = json!({"suspend": true, "parallelism": 2, "evaluator": {"resources": {"requests": {"cpu": "1"}}}});
    rig.create_sweep(cells).await;
    rig.label_sweep("kueue.x-k8s.io/queue-name", "research").await;
    rig.edit_sweep(json!({"suspend": false})).await;
    rig.sweep_says(&["1 run, 1 queued", "waits in queue research: ", "insufficient unused quota for cpu"]).await;
    let shown = shared().kubectl(&["get", "esw", "-o", "wide", &rig.namespace], None).expect_success();
    println!("$ kubectl get esw -o wide\n{shown}");
}
