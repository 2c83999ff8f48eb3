//! Training jobs through their lives, on a real API server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "../rig/mod.rs"]
mod rig;

mod bad;
mod children;
mod deadlines;
mod gang;
mod idempotence;
mod lives;
mod odd;
mod quota;
mod refusals;
mod restarts;
mod scheduling;
mod scope;
mod slow;
mod suspension;
mod transcript;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::RealTrainingJob;
use rig::cluster::{address, rank_0};
use rig::{Rig, sft};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_reports_and_completes_in_five_writes_and_a_gang_in_six() {
    tokio::join!(lives(1, 5), lives(2, 6));
}

/// A life in which nothing happens, of so many nodes, in at most so many writes besides the steps that are told.
async fn lives(nodes: usize, most: usize) {
    let rig = Rig::new("life").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("life", json!({"trainer": {"nodes": nodes}}))).await;
    rig.phase("life", "Starting", "AttemptStarted").await;
    let service = rig.api::<Service>().get_opt("life").await.unwrap();
    assert_eq!(service.is_some(), nodes > 1, "a pod alone needs no name");
    assert!(rig.api::<NetworkPolicy>().get_opt("life-trainer").await.unwrap().is_some(), "no NetworkPolicy");
    let pods = rig.make_pods("life-1").await;
    let first = address();
    let say = rank_0(first).await;
    rig.run_pod(&pods[0], first).await;
    for pod in &pods[1..] {
        rig.run_pod(pod, address()).await;
    }
    rig.phase("life", "Running", "AllPodsRun").await;

    let progress =
        Progress { sequence: 5, attempt: 1, step: 4, total_steps: 10, loss: Some(0.5), ..Progress::default() };
    say.send(progress.clone()).unwrap();
    let job = rig
        .until("life", "step 4", |job: &RealTrainingJob| {
            job.status.as_ref().and_then(|status| status.progress.as_ref()).is_some_and(|progress| progress.step == 4)
        })
        .await;
    assert_eq!(job.status.unwrap().progress.unwrap().percentage, 40);

    let last = Progress { step: 10, ..progress };
    for pod in &pods {
        rig.end_pod(pod, 0, &LastWords::compose(Outcome::Done, None, "", &last)).await;
    }
    rig.complete_job("life-1").await;
    let status = rig.phase("life", "Succeeded", "AllStepsDone").await.status.unwrap();
    assert_eq!(status.progress.unwrap().step, 10, "the last words outrank the last poll, and come before the end");
    assert_eq!(status.attempt, Some(1));
    rig.quiet().await;

    // Of a quiet life the conditions tell, and the events of its Job and its pods.
    assert_eq!(rig.all::<Event>().await.len(), 0);
    // Each report that brought something new is one more.
    let reports = rig.write_log().iter().filter(|call| call.contains("status")).count() - 3;
    assert!(rig.proxy.writes() - reports <= most, "{:#?}", rig.write_log());
}
