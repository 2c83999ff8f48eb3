//! The services take what the operator starts them with, and it counts.

use real_crds::v1alpha1::RewardPool;
use real_operator::pool::{Child, Fleet, Observed, Settings, plan};
use real_tests::service::Service;
use serde_json::{Value, json};

/// Arguments of a fleet's container, but on a port of the service's choice.
fn arguments(pool: &RewardPool, fleet: Fleet) -> Vec<String> {
    let plan = plan(pool, &Observed::default(), jiff::Timestamp::UNIX_EPOCH, &Settings::default());
    let deployments = plan.apply.into_iter().filter(|child| matches!(child, Child::Deployment(_)));
    let found = deployments
        .map(|child| child.json())
        .find(|child| child["metadata"]["name"].as_str().is_some_and(|name| name.ends_with(fleet.component())));
    let container = found.expect("a Deployment")["spec"]["template"]["spec"]["containers"][0].take();
    assert_eq!(container["command"], json!([format!("real-{}", fleet.component())]));
    let mut arguments: Vec<String> = serde_json::from_value(container["args"].clone()).expect("texts");
    let listen = arguments.iter().position(|argument| argument == "--listen").expect("an address");
    "127.0.0.1:0".clone_into(&mut arguments[listen + 1]);
    arguments
}

async fn get(service: &Service, path: &str) -> Value {
    let answer = reqwest::get(format!("{}{path}", service.url())).await.expect("an answer");
    answer.json().await.expect("JSON")
}

#[tokio::test]
async fn the_services_start_with_what_the_operator_gives_them() {
    let text = include_str!("../../examples/rewardpool.yaml");
    let mut pool: RewardPool = serde_saphyr::from_str(text).expect("a pool");
    pool.spec.sandbox.limits.wall_seconds = 1;

    let given = arguments(&pool, Fleet::Detector);
    let detector = Service::spawn("real-detector", &given.iter().map(String::as_str).collect::<Vec<_>>());
    let status = get(&detector, "/v1/status").await;
    assert_eq!((&status["workers"], &status["queueLimit"]), (&json!(16), &json!(2500)));

    let mut given = arguments(&pool, Fleet::Sandbox);
    // A volume of the pod.
    let boxes = tempfile::tempdir().expect("a folder");
    let scratch = given.iter().position(|argument| argument == "--scratch").expect("a place for boxes");
    boxes.path().to_str().expect("a name").clone_into(&mut given[scratch + 1]);
    let sandbox = Service::spawn("real-sandbox", &given.iter().map(String::as_str).collect::<Vec<_>>());
    let status = get(&sandbox, "/v1/status").await;
    assert_eq!((&status["workers"], &status["queueLimit"]), (&json!(4), &json!(625)));
    let request = json!({
        "program": "import time; time.sleep(60)", "limits": {"wallSeconds": 100},
        "tests": [{"kind": "stdin", "stdin": "", "stdout": ""}],
    });
    let sent = reqwest::Client::new().post(format!("{}/v1/batch", sandbox.url())).json(&request).send();
    let answer: Value = sent.await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["results"][0]["status"], "time_limit", "{answer}");
}
