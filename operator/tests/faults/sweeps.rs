//! A sweep's life: two cells, which get the results that their temperatures say.

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use real_crds::v1alpha1::RealEvalSweep;
use real_test_kube::Call;
use serde_json::{Value, json};

use crate::lives::Life;
use crate::rig::Rig;

/// The life of a sweep.
pub(crate) struct OfASweep;

impl Life for OfASweep {
    const CALM_BEGINNING: bool = true;

    /// Not what belongs to its pool.
    fn has(call: &Call) -> bool {
        call.verb.is_write()
            && (matches!(call.resource.as_str(), "jobs" | "realevalsweeps") || call.to_string().contains("-evaluator"))
    }

    /// A pool that is ready and a sweep of two cells, which may run at once.
    async fn begin(rig: &Rig) {
        rig.open().await;
        rig.trained("one", &[8]).await;
        rig.ready_pool().await;
        rig.create_sweep(json!({"parallelism": 2})).await;
    }

    async fn step(rig: &Rig) {
        step(rig).await;
    }

    async fn end(rig: &Rig) -> Value {
        end(rig).await
    }
}

/// One look at what there is, and what a cluster would do about it: cells get the results that their temperatures say.
async fn step(rig: &Rig) {
    for job in rig.open_cells().await {
        let greedy = job.annotations()["real-rl.dev/settings"] == "temperature=0";
        rig.evaluate(&job.name_any(), 4, if greedy { 1 } else { 3 }).await;
    }
}

/// What is left at the end, without what differs from life to life.
async fn end(rig: &Rig) -> Value {
    let sweep = Api::<RealEvalSweep>::all(rig.client.clone()).get_opt(&rig.namespace).await.expect("it can be read");
    let status = sweep.and_then(|sweep| sweep.status).unwrap_or_default();
    let cells = ListParams::default().labels("app.kubernetes.io/component=evaluator");
    let mut jobs = rig.api::<Job>().list(&cells).await.expect("Jobs").items;
    jobs.sort_by_key(|job| job.annotations().get("real-rl.dev/settings").cloned());
    let shown: Vec<Value> =
        jobs.iter().map(|job| json!({"name": job.name_any(), "annotations": job.annotations()})).collect();
    let conditions: Vec<String> = status
        .conditions
        .iter()
        .map(|one| format!("{}={} ({}) {}", one.type_, one.status, one.reason, one.message))
        .collect();
    let text = json!({
        "phase": status.phase, "reason": status.reason, "conditions": conditions, "counts": status.counts,
        "cells": status.cells, "best": status.best_cell, "targets": status.targets, "Jobs": shown,
    });
    // The names of cells are made from what they evaluate, which lies in a namespace of another name each time.
    let names = jobs.iter().enumerate().map(|(number, job)| (job.name_any(), format!("CELL-{number}")));
    let text = names.fold(text.to_string(), |text, (name, number)| text.replace(&name, &number));
    serde_json::from_str(&text.replace(&rig.namespace, "NAMESPACE")).expect("JSON")
}
