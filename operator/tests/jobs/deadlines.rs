//! Times after which something is done without anything happening.

use k8s_openapi::api::batch::v1::Job;
use real_crds::progress::Progress;
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::json;

use crate::rig::Rig;
use crate::rig::cluster::{address, rank_0};

/// The Job goes with its pods.
async fn is_stopped(rig: &Rig, attempt: &str) {
    rig.until(attempt, "the deletion", |job: &Job| job.metadata.deletion_timestamp.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_do_not_run_in_time_are_given_up() {
    let rig = Rig::new("slow").await;
    let _operator = rig.operator();
    let pods = rig.start("slow", json!({"startDeadlineSeconds": 10})).await;
    rig.leave_unscheduled(&pods[0], "no GPU is free").await;
    let status = rig.phase("slow", "Restarting", "StartDeadlineExceeded").await.status.unwrap();
    assert_eq!((status.restarts.unwrap().failures, status.attempt), (1, Some(2)));
    let note = rig.notes("StartDeadlineExceeded").await.pop().expect("an event");
    assert!(note.contains("spec.startDeadlineSeconds") && note.contains("no GPU is free"), "{note}");
    is_stopped(&rig, "slow-1").await;
    rig.collect("slow-1").await;
    rig.until::<Job>("slow-2", "the next attempt", |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_steps_is_hung() {
    let rig = Rig::new("hung").await;
    let _operator = rig.operator();
    let pods = rig.start("hung", json!({"progressDeadlineSeconds": 10, "restartPolicy": {"backoffLimit": 0}})).await;
    let address = address();
    let say = rank_0(address).await;
    rig.run_pod(&pods[0], address).await;
    // As long as there are steps, nothing is wrong, though all of them take longer than one may; other news are no steps.
    for step in 1..=6 {
        say.send(Progress { sequence: step, attempt: 1, step, total_steps: 10, ..Progress::default() }).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    let job = rig.phase("hung", "Running", "AllPodsRun").await;
    assert_eq!(job.status.unwrap().restarts.unwrap_or_default().failures, 0);
    say.send(Progress { sequence: 7, attempt: 1, step: 6, total_steps: 10, loss: Some(1.0), ..Progress::default() })
        .unwrap();
    let status = rig.phase("hung", "Failed", "BackoffLimitExceeded").await.status.unwrap();
    let text = serde_json::to_string(&status).unwrap();
    assert!(text.contains("no step for 10 s (spec.progressDeadlineSeconds)"), "{text}");
    assert_eq!(status.progress.unwrap().step, 6);
    is_stopped(&rig, "hung-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_hangs_is_started_again() {
    let rig = Rig::new("stuck").await;
    let _operator = rig.operator();
    rig.run("stuck", json!({"progressDeadlineSeconds": 5})).await;
    let status = rig.phase("stuck", "Restarting", "Hung").await.status.unwrap();
    assert_eq!((status.restarts.unwrap().failures, status.attempt), (1, Some(2)));
    is_stopped(&rig, "stuck-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_in_all_fails() {
    let rig = Rig::new("long").await;
    let _operator = rig.operator();
    rig.run("long", json!({"activeDeadlineSeconds": 5})).await;
    let status = rig.phase("long", "Failed", "DeadlineExceeded").await.status.unwrap();
    assert!(status.active_seconds.unwrap() >= 5 && status.running_time.is_none());
    is_stopped(&rig, "long-1").await;
    rig.collect("long-1").await;
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0, "no other attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_is_deleted_after_its_time() {
    let rig = Rig::new("ttl").await;
    let _operator = rig.operator();
    let pods = rig.run("ttl", json!({"ttlSecondsAfterFinished": 1})).await;
    rig.end_pod(&pods[0], 0, "").await;
    rig.complete_job("ttl-1").await;
    rig.gone::<RealTrainingJob>("ttl").await;
    assert_eq!(rig.notes("AllStepsDone").await.len(), 1, "its end was told before");
    rig.quiet().await;
}
