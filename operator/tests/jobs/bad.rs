//! Objects of the three kinds with one thing wrong, by a table: each is refused at its field, or has a status that says in words what is
//! wrong and that nothing goes on before it is changed. None waits for ever without a word.

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::rig::{PATIENCE, Rig, sft};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    job: Vec<Case>,
    pool: Vec<Case>,
    sweep: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    spec: Value,
    says: String,
}

/// What `kubectl apply` would be answered.
async fn post(client: &Client, collection: &str, object: &Value) -> Result<(), String> {
    let request = Request::post(format!("{collection}?fieldValidation=Strict"));
    let request = request.header("content-type", "application/json").body(serde_json::to_vec(object).unwrap()).unwrap();
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// Whether the status says `words`, and that the object is not as it can be.
fn is_told(status: &Value, words: &str) -> bool {
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    let is = |type_: &str, value: &str| conditions().any(|one| one["type"] == type_ && one["status"] == value);
    let said = conditions().any(|one| one["message"].as_str().is_some_and(|message| message.contains(words)));
    match words {
        "starts" => status["phase"] == "Starting",
        _ => said && is("Stalled", "True") && (is("Accepted", "False") || is("Ready", "False")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_object_is_refused_at_its_field_or_says_what_is_wrong() {
    let rig = Rig::new("bad").await;
    rig.open().await;
    let _operator = rig.operator();
    let table: Table = serde_saphyr::from_str(include_str!("bad.yaml")).unwrap();
    let ours = "/apis/real-rl.dev/v1alpha1";
    let within = format!("{ours}/namespaces/{}", rig.namespace);
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let mut all = Vec::new();
    for Case { name, spec, says } in &table.job {
        let job = sft(name, spec.clone()).to_string().replace("LONG", &"a".repeat(1100));
        all.push((format!("{within}/realtrainingjobs"), name, serde_json::from_str(&job).unwrap(), says));
    }
    for Case { name, spec, says } in &table.pool {
        all.push((format!("{within}/rewardpools"), name, object("RewardPool", name, spec.clone()), says));
    }
    for Case { name, spec, says } in &table.sweep {
        let mut sweep = object(
            "RealEvalSweep",
            name,
            json!({
                "runNamespace": rig.namespace, "targets": {"models": [{"storageUri": "bundled://quickstart-base"}]},
                "rewardPoolRef": {"name": "judges"}, "suites": [{"name": "quickstart", "storageUri": "bundled://quickstart-eval"}],
            }),
        );
        for (key, value) in spec.as_object().unwrap() {
            sweep["spec"][key] = value.clone();
        }
        all.push((format!("{ours}/realevalsweeps"), name, sweep, says));
    }
    let (mut wrong, mut taken) = (Vec::new(), Vec::new());
    for (collection, name, object, says) in all {
        match post(&rig.client, &collection, &object).await {
            Err(said) if said.contains(says) => {}
            Err(said) => wrong.push(format!("{name}: expected {says}, refused for {said}")),
            Ok(()) => taken.push((format!("{collection}/{name}"), says)),
        }
    }
    let deadline = Instant::now() + PATIENCE;
    for (path, says) in taken {
        loop {
            let object: Value = rig.client.request(Request::get(&path).body(Vec::new()).unwrap()).await.unwrap();
            if is_told(&object["status"], says) {
                break;
            }
            if Instant::now() > deadline {
                wrong.push(format!("{path}: expected {says}, says {}", object["status"]));
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
