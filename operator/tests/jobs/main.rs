//! Training jobs through their lives, on a real API server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "../rig/mod.rs"]
mod rig;

mod children;
mod deadlines;
mod gang;
mod idempotence;
mod quota;
mod refusals;
mod restarts;
mod scheduling;
mod scope;
mod suspension;
mod transcript;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::RealTrainingJob;
use rig::cluster::{address, rank_0};
use rig::{Rig, sft};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_reports_and_completes_in_eight_writes() {
    let rig = Rig::new("life").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("life", json!({}))).await;
    rig.phase("life", "Starting", "AttemptStarted").await;
    for (kind, there) in [
        ("Service", rig.api::<Service>().get_opt("life").await.unwrap().is_some()),
        ("NetworkPolicy", rig.api::<NetworkPolicy>().get_opt("life-trainer").await.unwrap().is_some()),
        ("Job", rig.api::<Job>().get_opt("life-1").await.unwrap().is_some()),
    ] {
        assert!(there, "no {kind}");
    }
    let pods = rig.make_pods("life-1").await;
    let address = address();
    let say = rank_0(address).await;
    rig.run_pod(&pods[0], address).await;
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
    rig.end_pod(&pods[0], 0, &LastWords::compose(Outcome::Done, None, "", &last)).await;
    rig.complete_job("life-1").await;
    let status = rig.phase("life", "Succeeded", "AllStepsDone").await.status.unwrap();
    assert_eq!(status.progress.unwrap().step, 10, "the last words outrank the last poll, and come before the end");
    assert_eq!(status.attempt, Some(1));
    rig.quiet().await;

    let events = rig.api::<Event>().list(&ListParams::default()).await.unwrap();
    let reasons: Vec<_> = events.items.iter().filter_map(|event| event.reason.clone()).collect();
    for reason in ["AllPodsRun", "AllStepsDone"] {
        assert!(reasons.iter().any(|found| found == reason), "{reason} is not in {reasons:?}");
    }
    // Each report that brought something new is one more.
    let reports = rig.write_log().iter().filter(|call| call.contains("status")).count() - 3;
    assert!(rig.proxy.writes() - reports <= 8, "{:#?}", rig.write_log());
}
