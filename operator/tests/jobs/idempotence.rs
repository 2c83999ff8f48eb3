//! An operator that starts again finds everything as it should be.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::rig::{Rig, Running, sft};

/// Stops `operator` and starts another, which must not write.
async fn start_again(rig: &Rig, operator: Running) {
    rig.quiet().await;
    operator.stop().await.unwrap();
    let before = rig.proxy.writes();
    let again = rig.operator();
    again.has_looked().await;
    rig.quiet().await;
    // Its tick, and a look after it.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.proxy.writes(), before, "{:#?}", rig.write_log());
    assert!(!again.has_ended());
}

fn in_queue(name: &str, spec: Value) -> Value {
    let mut job = sft(name, spec);
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "research"});
    job
}

/// Side by side: most of it is waiting for writes that must not come.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_again_writes_nothing_in_any_settled_state() {
    tokio::join!(
        while_starting(),
        while_running(),
        while_suspended(),
        after_success(),
        after_failure(),
        while_queued()
    );
}

async fn while_starting() {
    let rig = Rig::new("again").await;
    let operator = rig.operator();
    rig.start("again", json!({})).await;
    start_again(&rig, operator).await;
}

async fn while_running() {
    let rig = Rig::new("again").await;
    let operator = rig.operator();
    rig.run("again", json!({})).await;
    start_again(&rig, operator).await;
}

async fn while_suspended() {
    let rig = Rig::new("again").await;
    let operator = rig.operator();
    rig.run("again", json!({})).await;
    rig.merge::<RealTrainingJob>("again", json!({"spec": {"suspend": true}})).await;
    rig.phase("again", "Suspending", "Suspending").await;
    rig.collect("again-1").await;
    rig.phase("again", "Suspended", "SuspendedByUser").await;
    start_again(&rig, operator).await;
}

async fn after_success() {
    let rig = Rig::new("again").await;
    let operator = rig.operator();
    let pods = rig.run("again", json!({})).await;
    rig.end_pod(&pods[0], 0, "").await;
    rig.complete_job("again-1").await;
    rig.phase("again", "Succeeded", "AllStepsDone").await;
    start_again(&rig, operator).await;
}

async fn after_failure() {
    let rig = Rig::new("again").await;
    let operator = rig.operator();
    let pods = rig.run("again", json!({"restartPolicy": {"backoffLimit": 0}})).await;
    rig.end_pod(&pods[0], 1, "").await;
    rig.fail_job("again-1", "BackoffLimitExceeded", "").await;
    rig.phase("again", "Failed", "BackoffLimitExceeded").await;
    start_again(&rig, operator).await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
}

async fn while_queued() {
    let rig = Rig::with_kueue("again").await;
    let operator = rig.operator();
    rig.create::<RealTrainingJob>(in_queue("again", json!({}))).await;
    rig.phase("again", "Queued", "WaitsForQuota").await;
    start_again(&rig, operator).await;
}

/// What an operator that takes over asks, in a namespace with so many jobs that are over.
async fn asked_by_a_new_leader(rig: &Rig) -> Vec<String> {
    let before = rig.proxy.calls().len();
    let operator = rig.operator();
    operator.has_looked().await;
    rig.quiet().await;
    operator.stop().await.unwrap();
    let mut asked: Vec<String> =
        rig.proxy.calls()[before..].iter().map(|call| format!("{:?} {}", call.verb, call.resource)).collect();
    asked.sort();
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_over_cost_a_new_leader_not_one_request_more() {
    let rig = Rig::new("over").await;
    let over = async |from: usize, to: usize| {
        for number in from..to {
            let name = format!("over-{number}");
            rig.create::<RealTrainingJob>(sft(&name, json!({}))).await;
            let complete = json!({"type": "Complete", "status": "True", "reason": "AllStepsDone", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
            let status = json!({"phase": "Succeeded", "reason": "AllStepsDone", "attempt": 1, "jobName": format!("{name}-1"),
                "observedGeneration": 1, "conditions": [complete]});
            rig.status::<RealTrainingJob>(&name, json!({"status": status})).await;
        }
    };
    over(0, 2).await;
    let few = asked_by_a_new_leader(&rig).await;
    over(2, 30).await;
    let many = asked_by_a_new_leader(&rig).await;
    assert_eq!(few, many);
    assert!(
        few.iter().all(|call| call.starts_with("Watch ") || call.starts_with("Get ")),
        "lists come as streams: {few:#?}"
    );
}
