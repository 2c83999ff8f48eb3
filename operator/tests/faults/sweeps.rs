//! The same for a sweep: the operator dies after each of its writes, or its API server answers badly for a whole life.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::StatusCode;
use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use real_crds::v1alpha1::RealEvalSweep;
use real_test_kube::{Call, Fault, Verb};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::rig::{PATIENCE, Rig};

/// Lives at once.
const AT_ONCE: usize = 6;

/// A pool that is ready and a sweep of two cells, which may run at once.
async fn begin(rig: &Rig) {
    rig.open().await;
    rig.trained("one", &[8]).await;
    rig.ready_pool().await;
    rig.create_sweep(json!({"parallelism": 2})).await;
}

/// Plays the cluster until the sweep has succeeded.
async fn play(rig: &Rig) {
    let deadline = Instant::now() + 2 * PATIENCE;
    while end(rig).await["phase"] != "Succeeded" {
        step(rig).await;
        assert!(Instant::now() < deadline, "no end: {:#}\n{:#?}", end(rig).await, rig.write_log());
        sleep(Duration::from_millis(100)).await;
    }
    rig.quiet().await;
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

/// Whether a request writes what belongs to the sweep, and not to its pool.
fn is_of_the_sweep(call: &Call) -> bool {
    call.verb.is_write()
        && (matches!(call.resource.as_str(), "jobs" | "realevalsweeps") || call.to_string().contains("-evaluator"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_operator_that_dies_after_any_write_of_a_sweep_leaves_nothing_that_the_next_one_cannot_take_up() {
    let life = |last: usize| async move {
        let rig = Rig::new("swept").await;
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = writes.clone();
        rig.proxy.rule(move |call| {
            let so_far = counted.load(Ordering::SeqCst);
            if !is_of_the_sweep(call) {
                return if so_far >= last { Fault::DropConnection } else { Fault::Pass };
            }
            match counted.fetch_add(1, Ordering::SeqCst) + 1 {
                number if number < last => Fault::Pass,
                number if number == last => Fault::PassThenDrop,
                _ => Fault::DropConnection,
            }
        });
        let operator = rig.operator();
        begin(&rig).await;
        while writes.load(Ordering::SeqCst) < last && end(&rig).await["phase"] != "Succeeded" {
            step(&rig).await;
            sleep(Duration::from_millis(100)).await;
        }
        operator.kill().await;
        rig.proxy.pass();
        let _next = rig.operator();
        play(&rig).await;
        (end(&rig).await, writes.load(Ordering::SeqCst), rig.write_log())
    };
    let (expected, points, log) = life(usize::MAX).await;
    println!("{points} crash points:\n{}", log.join("\n"));
    assert!(points >= 6, "two Jobs, their results, a beginning and an end: {log:#?}");
    let lives = (1..=points).map(|last| {
        let expected = expected.clone();
        async move {
            let (end, _, log) = life(last).await;
            assert_eq!(end, expected, "after write {last}: {log:#?}");
        }
    });
    stream::iter(lives).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Plays a life in which `fault` decides about each request of the sweep by its number among those of its verb and resource.
async fn weather(prefix: &str, fault: impl Fn(&Call, usize) -> Fault + Send + Sync + 'static) -> (Value, usize) {
    let rig = Rig::new(prefix).await;
    let _operator = rig.operator();
    begin(&rig).await;
    let numbers: Mutex<HashMap<(String, String), usize>> = Mutex::default();
    rig.proxy.rule(move |call| {
        let mut numbers = numbers.lock().expect("no panic before");
        let next = numbers.entry((format!("{:?}", call.verb), call.resource.clone())).or_default();
        let number = *next;
        *next += 1;
        fault(call, number)
    });
    play(&rig).await;
    (end(&rig).await, rig.proxy.writes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sweep_ends_the_same_in_any_storm() {
    let (calm, writes) = weather("still", |_, _| Fault::Pass).await;
    let conflicts = weather("clash", |call, n| {
        if call.verb.is_write() && n % 2 == 0 { Fault::answer(StatusCode::CONFLICT, "Conflict") } else { Fault::Pass }
    });
    let broken = weather("bust", |_, n| match n % 3 {
        0 => Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        _ => Fault::Pass,
    });
    let dropped = weather("lost", |call, n| match call.verb {
        Verb::Watch if n % 2 == 0 => Fault::answer(StatusCode::GONE, "Expired"),
        Verb::Watch => Fault::DropAfter(Duration::from_millis(700)),
        _ => Fault::Pass,
    });
    let (conflicts, broken, dropped) = tokio::join!(conflicts, broken, dropped);
    for (storm, (end, made)) in [("conflicts", conflicts), ("broken", broken), ("dropped", dropped)] {
        println!("{storm}: {made} writes, {writes} in calm");
        assert_eq!(end, calm, "{storm}");
        assert!(made <= 3 * writes, "{storm}: {made} writes, {writes} in calm");
    }
}
