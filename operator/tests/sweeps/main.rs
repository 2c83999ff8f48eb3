//! Sweeps through their lives, on a real API server.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "../rig/mod.rs"]
mod rig;

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use real_crds::cell::CellConfig;
use rig::Rig;
use serde_json::json;

/// A namespace that is open, with two trained jobs and a pool that is ready.
async fn furnished(prefix: &str) -> Rig {
    let rig = Rig::new(prefix).await;
    rig.open().await;
    rig.trained("one", &[8, 16]).await;
    rig.trained("two", &[4]).await;
    rig
}

fn target(job: &Job) -> String {
    job.annotations()["real-rl.dev/target"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_targets_at_two_temperatures_take_three_writes_a_cell() {
    let rig = furnished("sweep").await;
    let operator = rig.operator();
    rig.ready_pool().await;
    rig.quiet().await;
    let before = rig.write_log().len();
    rig.create_sweep(json!({"parallelism": 2})).await;
    rig.sweep_phase("Running", "CellsRun").await;
    for kind in [
        rig.api::<ServiceAccount>().get_opt(&format!("{}-evaluator", rig.namespace)).await.unwrap().is_some(),
        rig.api::<NetworkPolicy>().get_opt(&format!("{}-evaluator", rig.namespace)).await.unwrap().is_some(),
    ] {
        assert!(kind);
    }
    // One of each target, though each has two.
    let open = rig.wait_for_cells(2).await;
    let targets: Vec<String> = open.iter().map(target).collect();
    let namespace = rig.namespace.clone();
    let mut sorted = targets.clone();
    sorted.sort();
    assert_eq!(sorted, [format!("{namespace}/one@step-16"), format!("{namespace}/two@step-4")]);
    let template = open[0].spec.as_ref().unwrap().template.metadata.clone().unwrap();
    let config: CellConfig = serde_json::from_str(&template.annotations.unwrap()["real-rl.dev/cell"]).unwrap();
    assert_eq!(config.cell, open[0].name_any());
    assert!(config.model.starts_with("/mnt/real/runs/"), "{}", config.model);

    let mut results = BTreeMap::new();
    for round in 0..2 {
        for (i, job) in rig.wait_for_cells(2).await.iter().enumerate() {
            let joint = 2 * round + i as u64;
            results.insert(joint, job.name_any());
            rig.evaluate(&job.name_any(), 4, joint).await;
            // As the cluster would, one after the other; the next takes the place.
            let left = if round == 0 { 2 } else { 1 - i };
            rig.wait_for_cells(left).await;
        }
    }
    let status = rig.sweep_phase("Succeeded", "AllCellsDone").await.status.unwrap();
    let counts = status.counts.unwrap();
    assert_eq!((counts.total, counts.succeeded, counts.failed, counts.skipped), (4, 4, 0, 0));
    let joint: Vec<&str> = status.cells.iter().map(|cell| cell.joint.as_str()).collect();
    assert_eq!(joint, ["0.7500", "0.5000", "0.2500", "0.0000"]);
    assert_eq!((status.best_cell.as_ref(), status.worst_cell.as_ref()), (Some(&results[&3]), Some(&results[&0])));
    rig.quiet().await;
    let calls = rig.write_log();
    let ours = |call: &&String| !call.contains("events") && !call.contains("pool") && !call.contains("deployments");
    let writes: Vec<&String> = calls[before..].iter().filter(ours).collect();
    // The account, the policy and the status of the beginning are the sweep's own.
    assert!(writes.len() <= 3 * 4 + 3, "{} writes: {writes:#?}", writes.len());
    println!("{} writes for 4 cells", writes.len());
    // A result outlives its pods, and another leader finds everything as it is.
    for pod in rig.all::<Pod>().await {
        let now = kube::api::DeleteParams { grace_period_seconds: Some(0), ..kube::api::DeleteParams::default() };
        rig.api::<Pod>().delete(&pod.name_any(), &now).await.unwrap();
    }
    operator.stop().await.unwrap();
    let so_far = rig.write_log().len();
    let _other = rig.operator();
    rig.edit_sweep(json!({"parallelism": 3})).await;
    let told = rig.sweep_phase("Succeeded", "AllCellsDone").await.status.unwrap();
    assert_eq!(told.cells.len(), 4);
    rig.quiet().await;
    let created: Vec<_> = rig.write_log()[so_far..].iter().filter(|call| call.contains("/jobs")).cloned().collect();
    assert!(created.is_empty(), "{created:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_suspended_starts_no_more_and_goes_on_where_it_was() {
    let rig = furnished("stop").await;
    let _operator = rig.operator();
    rig.ready_pool().await;
    rig.create_sweep(json!({"parallelism": 1})).await;
    let first = rig.wait_for_cells(1).await;
    rig.edit_sweep(json!({"suspend": true})).await;
    rig.sweep_phase("Suspending", "SuspendedByUser").await;
    rig.evaluate(&first[0].name_any(), 2, 1).await;
    let status = rig.sweep_phase("Suspended", "SuspendedByUser").await.status.unwrap();
    let counts = status.counts.unwrap();
    assert_eq!((counts.succeeded, counts.waiting, counts.active), (1, 3, 0));
    rig.quiet().await;
    assert_eq!(rig.open_cells().await.len(), 0);
    // Meanwhile retention takes the checkpoint of a cell that waits.
    rig.keeps("two", &[]).await;
    rig.edit_sweep(json!({"suspend": false})).await;
    let next = rig.wait_for_cells(1).await;
    assert_ne!(next[0].name_any(), first[0].name_any());
    assert_eq!(target(&next[0]), format!("{}/one@step-16", rig.namespace));
    rig.evaluate(&next[0].name_any(), 2, 2).await;
    let status = rig.sweep_phase("Succeeded", "AllCellsDone").await.status.unwrap();
    let counts = status.counts.unwrap();
    assert_eq!((counts.succeeded, counts.skipped), (2, 2));
    assert!(status.troubled_cells.iter().all(|cell| cell.reason == "CheckpointRemoved"), "{:?}", status.troubled_cells);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_never_takes_is_refused_before_a_pool_grows() {
    let rig = furnished("never").await;
    let _operator = rig.operator();
    // The pool does not exist, and nobody waits for it.
    let resources = json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}});
    rig.create_sweep(json!({"evaluator": {"resources": resources}})).await;
    let status = rig.sweep_phase("Pending", "Invalid").await.status.unwrap();
    let accepted = status.conditions.iter().find(|one| one.type_ == "Accepted").unwrap();
    assert!(accepted.message.starts_with("spec.evaluator.resources: "), "{}", accepted.message);
    rig.quiet().await;
    assert_eq!(rig.open_cells().await.len(), 0);
    // Whoever mends it gets what was asked for.
    rig.ready_pool().await;
    rig.edit_sweep(json!({"evaluator": {"resources": {"requests": {"cpu": "1"}}}})).await;
    rig.sweep_phase("Running", "CellsRun").await;
    rig.wait_for_cells(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_was_not_opened_is_neither_read_nor_run_in() {
    let rig = Rig::new("closed").await;
    rig.trained("one", &[8]).await;
    let _operator = rig.operator();
    rig.create_sweep(json!({})).await;
    let sweep = rig.sweep_phase("Pending", "NamespaceNotAllowed").await;
    assert!(sweep.status.unwrap().targets.is_empty());
    rig.open().await;
    rig.sweep_phase("Pending", "RewardPoolNotFound").await;
    rig.quiet().await;
    assert_eq!(rig.open_cells().await.len(), 0);
}
