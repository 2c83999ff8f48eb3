//! `spec.suspend`: no pods while it is true, and the same job afterwards.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::json;

use crate::rig::{Rig, sft};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_suspended_and_goes_on_as_another_attempt() {
    let rig = Rig::new("pause").await;
    let _operator = rig.operator();
    rig.run("pause", json!({})).await;
    rig.merge::<RealTrainingJob>("pause", json!({"spec": {"suspend": true}})).await;
    let job = rig.until("pause-1", "the deletion", |job: &Job| job.metadata.deletion_timestamp.is_some()).await;
    assert_eq!(job.metadata.finalizers.unwrap(), ["foregroundDeletion"], "pods first, then the Job");
    let status = rig.phase("pause", "Suspending", "Suspending").await.status.unwrap();
    assert!(status.running_time.is_none(), "the clock of activeDeadlineSeconds stands");
    rig.quiet().await;
    rig.collect("pause-1").await;
    let status = rig.phase("pause", "Suspended", "SuspendedByUser").await.status.unwrap();
    assert_eq!((status.job_name, rig.all::<Pod>().await.len()), (None, 0));
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);

    rig.merge::<RealTrainingJob>("pause", json!({"spec": {"suspend": false}})).await;
    let status = rig.phase("pause", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((status.job_name.as_deref(), status.attempt), (Some("pause-2"), Some(2)));
    let restarts = status.restarts.unwrap_or_default();
    assert_eq!((restarts.failures, restarts.preemptions), (0, 0));
    let pods = rig.make_pods("pause-2").await;
    rig.run_pods("pause", &pods).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_created_suspended_makes_nothing_until_it_is_resumed() {
    let rig = Rig::new("later").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("later", json!({"suspend": true}))).await;
    rig.phase("later", "Suspended", "SuspendedByUser").await;
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);
    let creations: Vec<_> = rig.write_log().into_iter().filter(|call| !call.contains("realtrainingjobs")).collect();
    assert!(creations.iter().all(|call| call.contains("events")), "only an event: {creations:#?}");

    rig.merge::<RealTrainingJob>("later", json!({"spec": {"suspend": false}})).await;
    let status = rig.phase("later", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((status.job_name.as_deref(), status.attempt), (Some("later-1"), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_its_next_attempt_can_be_suspended() {
    let rig = Rig::new("between").await;
    let _operator = rig.operator();
    let pods = rig.run("between", json!({})).await;
    rig.end_pod(&pods[0], 1, "").await;
    rig.fail_job("between-1", "BackoffLimitExceeded", "").await;
    rig.phase("between", "Restarting", "TrainerFailed").await;
    rig.merge::<RealTrainingJob>("between", json!({"spec": {"suspend": true}})).await;
    let status = rig.phase("between", "Suspended", "SuspendedByUser").await.status.unwrap();
    assert_eq!((status.next_attempt_time, status.attempt), (None, Some(2)));
    rig.merge::<RealTrainingJob>("between", json!({"spec": {"suspend": false}})).await;
    let status = rig.phase("between", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((status.job_name.as_deref(), status.restarts.unwrap().failures), (Some("between-2"), 1));
}
