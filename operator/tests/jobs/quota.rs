//! A quota of the namespace that has no place for another Job.

use std::time::Duration;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{DeleteParams, PostParams};
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::rig::{PATIENCE, Rig, sft};

/// Waits until the API server knows of the quota that allows no Job: it is told by a watch.
async fn is_in_force(rig: &Rig) {
    let job = json!({"metadata": {"generateName": "probe-"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "probe", "image": "probe"}]}}}});
    let job: Job = serde_json::from_value(job).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let deadline = Instant::now() + PATIENCE;
    while !rig.api::<Job>().create(&dry, &job).await.is_err_and(|error| error.to_string().contains("exceeded quota")) {
        assert!(Instant::now() < deadline, "the quota is not in force");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_quota_and_says_so() {
    let rig = Rig::new("quota").await;
    let hard = json!({"count/jobs.batch": "0"});
    rig.create::<ResourceQuota>(json!({"metadata": {"name": "none"}, "spec": {"hard": hard}})).await;
    rig.status::<ResourceQuota>("none", json!({"status": {"hard": hard, "used": hard}})).await;
    is_in_force(&rig).await;

    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("quota", json!({}))).await;
    let status = rig.phase("quota", "Pending", "QuotaExceeded").await.status.unwrap();
    assert_eq!((status.job_name, status.attempt), (None, Some(1)));
    // More tries, each refused: told once.
    sleep(Duration::from_secs(3)).await;
    let notes = rig.notes("QuotaExceeded").await;
    assert!(notes.len() == 1 && notes[0].contains("exceeded quota: none"), "{notes:?}");
    let told = rig.proxy.count(|call| call.verb.is_write() && call.resource == "realtrainingjobs");
    assert_eq!(told, 1, "{:#?}", rig.write_log());

    rig.api::<ResourceQuota>().delete("none", &DeleteParams::default()).await.unwrap();
    let status = rig.phase("quota", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!(status.job_name.as_deref(), Some("quota-1"));
}
