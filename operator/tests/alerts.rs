//! Each alert of the chart fires where its cause is, made with a real operator and a real API server, and nowhere else.

#[path = "support/promql.rs"]
mod promql;
#[path = "rig/mod.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::{Json, Router, routing::get};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use promql::{History, Labels};
use real_crds::progress::Progress;
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use real_operator::lease::Guard;
use real_operator::metrics::Metrics;
use real_test_kube::{Fault, Verb};
use rig::cluster::{address, rank_0};
use rig::{PATIENCE, Rig, Running, sft};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Expressions by the alert's name.
fn alerts() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/real-operator/files/alerts.yaml");
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let rules = file["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules.map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned())).collect()
}

/// Alerts that fire, with the labels of each.
fn firing(history: &History) -> BTreeMap<String, Vec<Labels>> {
    let all = alerts().into_iter().map(|(alert, expression)| {
        (alert, history.evaluate(&expression).into_iter().map(|(labels, _)| labels).collect::<Vec<_>>())
    });
    all.filter(|(_, found)| !found.is_empty()).collect()
}

fn names(history: &History) -> BTreeSet<String> {
    firing(history).into_keys().collect()
}

/// Scrapes every minute, as far as the rules can tell, until `alert` fires.
async fn until_fires(operator: &Running, alert: &str) -> Vec<Labels> {
    let (mut history, deadline) = (History::default(), Instant::now() + PATIENCE);
    for minute in 0.. {
        history.scrape(Duration::from_mins(minute), &operator.operator.metrics().render());
        let found = firing(&history);
        if let Some(found) = found.get(alert) {
            return found.clone();
        }
        assert!(
            Instant::now() < deadline,
            "{alert} does not fire: {found:?}\n{}",
            operator.operator.metrics().render()
        );
        sleep(Duration::from_millis(300)).await;
    }
    unreachable!("minutes do not end")
}

#[test]
fn no_operator_and_no_leader() {
    assert_eq!(names(&History::default()), ["RealOperatorAbsent".to_owned()].into());
    let metrics = Metrics::new();
    let mut history = History::default();
    history.scrape(Duration::ZERO, &metrics.render());
    assert_eq!(names(&history), ["RealOperatorNoLeader".to_owned()].into());
    metrics.follow(&Guard::always());
    history.scrape(Duration::from_mins(1), &metrics.render());
    assert_eq!(names(&history), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_works_raises_no_alarm() {
    let rig = Rig::new("calm").await;
    let operator = rig.operator();
    let mut history = History::default();
    history.scrape(Duration::ZERO, &operator.operator.metrics().render());
    rig.run("calm", json!({})).await;
    rig.quiet().await;
    history.scrape(Duration::from_mins(15), &operator.operator.metrics().render());
    assert_eq!(firing(&history), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing() {
    let rig = Rig::new("forbidden").await;
    rig.proxy.rule(|call| match call.resource.as_str() {
        "networkpolicies" if call.verb.is_write() => Fault::answer(StatusCode::FORBIDDEN, "Forbidden"),
        _ => Fault::Pass,
    });
    let operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("forbidden", json!({}))).await;
    let found = until_fires(&operator, "RealOperatorForbidden").await;
    assert_eq!(found, [Labels::from([("verb".into(), "create".into()), ("kind".into(), "networkpolicies".into())])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reconciles_that_fail() {
    let rig = Rig::new("failing").await;
    rig.proxy.rule(|call| match call.verb {
        Verb::Update if call.resource == "realtrainingjobs" => {
            Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
        }
        _ => Fault::Pass,
    });
    let operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("failing", json!({}))).await;
    let found = until_fires(&operator, "RealReconcileErrors").await;
    assert_eq!(found, [Labels::from([("controller".into(), "job".into())])]);
}

/// That of two writers one has to look again is how it should be.
#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_no_errors() {
    let rig = Rig::new("conflicts").await;
    rig.proxy.rule(|call| match call.verb {
        Verb::Update if call.resource == "realtrainingjobs" => Fault::answer(StatusCode::CONFLICT, "Conflict"),
        _ => Fault::Pass,
    });
    let operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("conflicts", json!({}))).await;
    let deadline = Instant::now() + PATIENCE;
    while !operator.operator.metrics().render().contains("result=\"outdated\"") {
        assert!(Instant::now() < deadline, "{}", operator.operator.metrics().render());
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!operator.operator.metrics().render().contains("real_reconcile_errors_total{"));
}

/// A run that talks and does nothing, whichever operator looks.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_step_stands_still() {
    let rig = Rig::new("frozen").await;
    let operator = rig.operator();
    let pods = rig.start("frozen", json!({})).await;
    let address = address();
    let say = rank_0(address).await;
    let progress = Progress { sequence: 1, attempt: 1, step: 4, total_steps: 10, ..Progress::default() };
    say.send(progress.clone()).unwrap();
    rig.run_pod(&pods[0], address).await;
    let at_step_4 = |job: &RealTrainingJob| {
        job.status.as_ref().and_then(|status| status.progress.as_ref()).is_some_and(|progress| progress.step == 4)
    };
    rig.until("frozen", "step 4", at_step_4).await;
    rig.quiet().await;
    operator.stop().await.unwrap();
    // It is as if 70 minutes had passed, in which somebody installed a new operator.
    let then = Timestamp::from_second(Timestamp::now().as_second()).unwrap() - SignedDuration::from_mins(70);
    let past = json!({"status": {"runningTime": then.to_string(), "progress": {"lastUpdateTime": then.to_string()}}});
    rig.status::<RealTrainingJob>("frozen", past).await;
    let operator = rig.operator();
    say.send(Progress { sequence: 2, loss: Some(0.5), ..progress }).unwrap();
    let found = until_fires(&operator, "RealJobWithoutProgress").await;
    assert_eq!(found, [Labels::from([("namespace".into(), rig.namespace.clone()), ("job".into(), "frozen".into())])]);
}

/// A job that was never heard gets no further either.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_never_heard() {
    let rig = Rig::new("mute").await;
    let operator = rig.operator();
    rig.run("mute", json!({})).await;
    operator.stop().await.unwrap();
    let then = Timestamp::from_second(Timestamp::now().as_second()).unwrap() - SignedDuration::from_mins(70);
    rig.status::<RealTrainingJob>("mute", json!({"status": {"runningTime": then.to_string()}})).await;
    let operator = rig.operator();
    until_fires(&operator, "RealJobWithoutProgress").await;
}

/// Answers as a sandbox with a queue that grows no shorter.
async fn busy_sandbox(address: IpAddr) {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((address, 8080))).await.unwrap();
    let status = json!({"queueDepth": 5, "inFlight": 1, "oldestSeconds": 1.0, "answeredTotal": 1, "refusedTotal": 0, "tier": "B"});
    let router = Router::new().route("/v1/status", get(move || async move { Json(status) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_drain() {
    let rig = Rig::new("full").await;
    let operator = rig.operator();
    let pool =
        json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "judges"}, "spec": {}});
    rig.create::<RewardPool>(pool).await;
    let address = address();
    busy_sandbox(address).await;
    let labels = json!({"app.kubernetes.io/managed-by": "real-operator", "app.kubernetes.io/component": "sandbox", "real-rl.dev/pool": "judges"});
    let restricted = json!({"runAsNonRoot": true, "runAsUser": 1, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = json!({"metadata": {"name": "sandbox", "labels": labels}, "spec": {"containers": [{"name": "sandbox", "image": "sandbox",
        "securityContext": restricted}]}});
    rig.create::<Pod>(pod).await;
    rig.run_pod("sandbox", address).await;
    let found = until_fires(&operator, "RealRewardPoolQueueOld").await;
    assert_eq!(found, [Labels::from([("namespace".into(), rig.namespace.clone()), ("pool".into(), "judges".into())])]);
}

/// An alert that nothing here makes fire is one that nobody knows to fire.
#[test]
fn every_alert_is_among_these() {
    let here = include_str!("alerts.rs");
    for alert in alerts().into_keys() {
        assert!(here.contains(&format!("\"{alert}\"")), "no test makes {alert} fire");
    }
}
