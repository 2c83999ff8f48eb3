//! What keeps pods from running: the scheduler, the kubelet, a queue.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::{Value, json};

use crate::rig::{Rig, sft};

fn condition(job: &RealTrainingJob, type_: &str) -> Value {
    let status = serde_json::to_value(&job.status).unwrap();
    let found = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == type_);
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_without_a_node_is_told_in_the_schedulers_words() {
    let rig = Rig::new("nonode").await;
    let _operator = rig.operator();
    let pods = rig.start("nonode", json!({})).await;
    let words = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.";
    rig.leave_unscheduled(&pods[0], words).await;
    let job = rig.phase("nonode", "Starting", "Unschedulable").await;
    let scheduled = condition(&job, "Scheduled");
    assert_eq!((&scheduled["status"], &scheduled["reason"]), (&json!("False"), &json!("Unschedulable")));
    assert!(scheduled["message"].as_str().unwrap().contains(words), "{scheduled}");
    assert!(rig.notes("Unschedulable").await[0].contains(words));
    rig.run_pods("nonode", &pods).await;
    let job = rig.api::<RealTrainingJob>().get("nonode").await.unwrap();
    assert_eq!(condition(&job, "Scheduled")["status"], "True");
}

/// As the control plane does where a kubelet is not heard of any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_heard_of_is_told_with_since_when_and_what_follows() {
    let rig = Rig::new("lostnode").await;
    let _operator = rig.operator();
    let pods = rig.run("lostnode", json!({})).await;
    let conditions = |ready: &str| {
        let since = "2026-03-01T12:00:00Z";
        json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": since},
            {"type": "Ready", "status": ready, "lastTransitionTime": since}]}})
    };
    rig.status::<k8s_openapi::api::core::v1::Pod>(&pods[0], conditions("False")).await;
    let job = rig.phase("lostnode", "Running", "NodeNotReady").await;
    let told = condition(&job, "Running")["message"].as_str().unwrap().to_owned();
    assert!(told.contains("is not heard of since 2026-03-01T12:00:00Z") && told.contains(&pods[0]), "{told}");
    assert!(told.contains("another attempt follows"), "{told}");
    rig.status::<k8s_openapi::api::core::v1::Pod>(&pods[0], conditions("True")).await;
    rig.phase("lostnode", "Running", "AllPodsRun").await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_is_told() {
    let rig = Rig::new("noimage").await;
    let _operator = rig.operator();
    let pods = rig.start("noimage", json!({})).await;
    rig.leave_waiting(&pods[0], "ImagePullBackOff", "Back-off pulling image \"real-trainer\"").await;
    let job = rig.phase("noimage", "Starting", "ImagePullBackOff").await;
    assert_eq!(condition(&job, "Scheduled")["status"], "True");
    assert!(rig.notes("ImagePullBackOff").await[0].contains("Back-off pulling image"));
    rig.run_pods("noimage", &pods).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_a_queue_is_started_by_the_queue_alone() {
    let rig = Rig::with_kueue("queue").await;
    let _operator = rig.operator();
    let mut job = sft("queue", json!({"startDeadlineSeconds": 1}));
    job["metadata"]["labels"] =
        json!({"kueue.x-k8s.io/queue-name": "research", "kueue.x-k8s.io/priority-class": "high", "team": "a"});
    rig.create::<RealTrainingJob>(job).await;
    rig.phase("queue", "Queued", "WaitsForQuota").await;
    let child = rig.api::<Job>().get("queue-1").await.unwrap();
    assert_eq!(child.labels()["kueue.x-k8s.io/queue-name"], "research");
    assert_eq!(child.labels()["kueue.x-k8s.io/priority-class"], "high");
    // Its time in the queue is no time of its start.
    rig.quiet().await;
    let child = rig.api::<Job>().get("queue-1").await.unwrap();
    assert_eq!(child.spec.unwrap().suspend, Some(true));
    let touched = rig
        .proxy
        .count(|call| call.verb.is_write() && call.resource == "jobs" && call.verb != real_test_kube::Verb::Create);
    assert_eq!(touched, 0, "{:#?}", rig.write_log());

    rig.merge::<RealTrainingJob>("queue", json!({"spec": {"startDeadlineSeconds": null}})).await;
    rig.merge::<Job>("queue-1", json!({"spec": {"suspend": false}})).await;
    rig.phase("queue", "Starting", "AttemptStarted").await;
    let pods = rig.make_pods("queue-1").await;
    rig.run_pods("queue", &pods).await;
    rig.quiet().await;
    assert_eq!(rig.api::<Job>().get("queue-1").await.unwrap().spec.unwrap().suspend, Some(false));
}
