//! Jobs that cannot be run as they are, or not by this operator.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::{Value, json};

use crate::rig::{Rig, sft};

fn condition(job: &RealTrainingJob, type_: &str) -> Value {
    let status = serde_json::to_value(&job.status).unwrap();
    let found = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == type_);
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_fetched_is_refused() {
    let rig = Rig::new("source").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("source", json!({"model": {"storageUri": "hf://org/model"}}))).await;
    let job = rig.phase("source", "Pending", "UnsupportedSource").await;
    let accepted = condition(&job, "Accepted");
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("UnsupportedSource")));
    assert!(accepted["message"].as_str().unwrap().contains("spec.model.storageUri is hf://org/model"), "{accepted}");
    assert_eq!(condition(&job, "Stalled")["status"], "True");
    assert_eq!(condition(&job, "Reconciling")["status"], "False");
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);
    assert_eq!(rig.notes("UnsupportedSource").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_controller_manages_is_left_alone() {
    let rig = Rig::new("managed").await;
    let _operator = rig.operator();
    let theirs = sft("theirs", json!({"managedBy": "kueue.x-k8s.io/multikueue"}));
    let theirs = rig.create::<RealTrainingJob>(theirs).await;
    rig.create::<RealTrainingJob>(sft("ours", json!({}))).await;
    rig.phase("ours", "Starting", "AttemptStarted").await;
    rig.quiet().await;
    let now = rig.api::<RealTrainingJob>().get("theirs").await.unwrap();
    assert_eq!((now.metadata.resource_version, now.status), (theirs.metadata.resource_version, None));
    assert_eq!(rig.all::<Job>().await.len(), 1);
    assert!(!rig.write_log().iter().any(|call| call.contains("theirs")), "{:#?}", rig.write_log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_pool_that_does_not_exist() {
    let rig = Rig::new("nopool").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("nopool", json!({"rewardPoolRef": {"name": "judges"}}))).await;
    let job = rig.phase("nopool", "Pending", "RewardPoolNotFound").await;
    let pool = condition(&job, "RewardPoolReady");
    assert_eq!((&pool["status"], &pool["reason"]), (&json!("False"), &json!("RewardPoolNotFound")));
    let notes = rig.notes("RewardPoolNotFound").await;
    assert_eq!(notes, ["RewardPool judges does not exist in this namespace"]);
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);
}
