//! From one version of the API to the next, and from the last definitions to these, while jobs run: none starts anew, and nothing of
//! them is lost.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "rig/mod.rs"]
mod rig;

use std::process::Command;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use real_crds::v1alpha1::RealTrainingJob;
use real_operator::migrate::migrate;
use real_test_kube::{ControlPlane, shared};
use rig::{PATIENCE, Rig};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

/// Applies definitions as `helm upgrade` does, and waits until the server says that it stores them so.
async fn apply(client: &Client, definitions: &[CustomResourceDefinition]) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in definitions {
        let name = definition.name_any();
        let force = PatchParams::apply("real-test-kube").force();
        api.patch(&name, &force, &Patch::Apply(definition)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

async fn stored(client: &Client) -> Vec<String> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = api.get("realtrainingjobs.real-rl.dev").await.unwrap();
    definition.status.unwrap().stored_versions.unwrap()
}

fn get(plane: &ControlPlane, version: &str, namespace: &str) -> Value {
    let kind = format!("realtrainingjobs.{version}.real-rl.dev");
    let said = plane.kubectl_until(&["get", &kind, "runs", "-o", "json", "-n", namespace], |said| !said.is_empty());
    let mut object: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(object["apiVersion"], format!("real-rl.dev/{version}"));
    object["apiVersion"].take();
    object["metadata"]["managedFields"].take();
    object["metadata"]["resourceVersion"].take();
    object
}

/// A job with all that a status has, whose first attempt runs.
async fn running(rig: &Rig) -> (Vec<String>, Job) {
    let spec = json!({"trainer": {"podPatch": {"labels": {"team": "a"}}}, "ttlSecondsAfterFinished": 3600});
    let pods = rig.run("runs", spec).await;
    let told = json!({"status": {"checkpoints": [{"step": 4, "uri": "pvc://runs/a", "sha256": "0", "sizeBytes": 1}]}});
    rig.status::<RealTrainingJob>("runs", told).await;
    (pods, rig.api::<Job>().get("runs-1").await.unwrap())
}

/// What the operator wrote to Jobs since `before` requests.
fn touched(rig: &Rig, before: usize) -> Vec<String> {
    let calls = rig.proxy.calls();
    let jobs = calls.iter().skip(before).filter(|call| call.verb.is_write() && call.resource == "jobs");
    jobs.map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_served_beside_the_old_and_objects_are_moved_while_jobs_run() {
    let rig = Rig::new("moves").await;
    let operator = rig.operator();
    let (_, before) = running(&rig).await;
    rig.quiet().await;
    let (plane, calls) = (shared(), rig.proxy.calls().len());
    let was = get(plane, "v1alpha1", &rig.namespace);

    // Both are served, and mean the same; what is stored is as it was.
    apply(&rig.client, &real_crds::definitions_as(&["v1beta1", "v1alpha1"])).await;
    assert_eq!(get(plane, "v1beta1", &rig.namespace), was);
    assert_eq!(get(plane, "v1alpha1", &rig.namespace), was);
    assert_eq!(stored(&rig.client).await, ["v1alpha1", "v1beta1"]);

    // The old one cannot leave: the server knows that it may be stored.
    let api = Api::<CustomResourceDefinition>::all(rig.client.clone());
    let without = &real_crds::definitions_as(&["v1beta1"])[0];
    let force = PatchParams::apply("real-test-kube").force();
    let refused = api.patch(&without.name_any(), &force, &Patch::Apply(without)).await.unwrap_err().to_string();
    assert!(refused.contains("status.storedVersions"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let dry = migrate(&rig.client, &backup, true).await.unwrap();
    assert_eq!(stored(&rig.client).await, ["v1alpha1", "v1beta1"], "a dry run writes nothing");
    let jobs = dry.iter().find(|kind| kind.plural == "realtrainingjobs").unwrap().clone();
    assert_eq!((jobs.version.as_str(), jobs.objects), ("v1beta1", 1));
    // What is in a backup already is not written over.
    let refused = migrate(&rig.client, &backup, false).await.unwrap_err().to_string();
    assert!(refused.contains("holds something already"), "{refused}");

    let backup = folder.path().join("again");
    assert!(migrate(&rig.client, &backup, false).await.unwrap().contains(&jobs));
    assert_eq!(stored(&rig.client).await, ["v1beta1"]);
    let copy = std::fs::read_to_string(backup.join(format!("realtrainingjobs/{}/runs.yaml", rig.namespace))).unwrap();
    let copy: Value = serde_saphyr::from_str(&copy).unwrap();
    assert_eq!(copy["spec"], was["spec"]);
    // There is nothing left to do, and saying so needs no backup.
    let again = migrate(&rig.client, &folder.path().join("none"), false).await.unwrap();
    assert!(again.iter().all(|kind| kind.objects == 0) && !folder.path().join("none").exists());

    // Nothing was lost, and nobody noticed.
    assert_eq!(get(plane, "v1alpha1", &rig.namespace), was);
    rig.quiet().await;
    assert_eq!(touched(&rig, calls), Vec::<String>::new());
    assert_eq!(rig.api::<Job>().get("runs-1").await.unwrap().uid(), before.uid());
    drop(operator);

    // Now it can.
    apply(&rig.client, &real_crds::definitions_as(&["v1beta1"])).await;
    assert_eq!(get(plane, "v1beta1", &rig.namespace), was);
    // For the tests that follow.
    apply(&rig.client, &real_crds::definitions_as(&["v1alpha1", "v1beta1"])).await;
    migrate(&rig.client, &folder.path().join("back"), false).await.unwrap();
    apply(&rig.client, &real_crds::definitions()).await;
}

/// Definitions that are far enough in the past to differ in many fields.
const OLD: &str = "5f57a3e64c5e";

/// The definitions of an earlier commit; nothing where there is no history.
fn earlier() -> Option<Vec<CustomResourceDefinition>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let file = |definition: &CustomResourceDefinition| {
        let file = format!("{OLD}:crds/real-rl.dev_{}.yaml", definition.spec.names.plural);
        let shown = Command::new("git").args(["-C", root, "show", &file]).output().ok()?;
        serde_saphyr::from_str(&String::from_utf8(shown.stdout).ok().filter(|text| !text.is_empty())?).ok()
    };
    real_crds::definitions().iter().map(file).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_of_definitions_and_operator_restarts_no_job_and_loses_no_field() {
    let Some(earlier) = earlier() else {
        println!("skipped: the history has no {OLD}");
        return;
    };
    assert_ne!(earlier, real_crds::definitions());
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap()));
    apply(&plane.client(), &earlier).await;
    plane.kubectl_until(&["get", "realtrainingjobs", "-A"], |_| true);
    let rig = Rig::on(plane, "upgrade").await;
    let operator = rig.operator();
    let (pods, before) = running(&rig).await;
    rig.quiet().await;
    let was = get(plane, "v1alpha1", &rig.namespace);
    operator.kill().await;

    plane.apply_crds().await.unwrap();
    let calls = rig.proxy.calls().len();
    let operator = rig.operator();
    operator.has_looked().await;
    rig.quiet().await;
    assert_eq!(touched(&rig, calls), Vec::<String>::new());
    assert_eq!(rig.api::<Job>().get("runs-1").await.unwrap().uid(), before.uid());
    let mut is = get(plane, "v1alpha1", &rig.namespace);
    for (field, value) in was["spec"].as_object().unwrap() {
        assert!(holds(&is["spec"][field], value), "spec.{field} was {value}, and is {}", is["spec"][field]);
    }
    assert_eq!(is["status"].take(), was["status"]);

    // It goes on to its end as if nothing had been.
    rig.end_pod(&pods[0], 0, "").await;
    rig.complete_job("runs-1").await;
    let deadline = Instant::now() + PATIENCE;
    while get(plane, "v1alpha1", &rig.namespace)["status"]["phase"] != "Succeeded" {
        assert!(Instant::now() < deadline, "it does not end");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Whether all that `old` says is still said; new fields may have defaults.
fn holds(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(field, value)| new.get(field).is_some_and(|new| holds(new, value)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| holds(new, old))
        }
        _ => new == old,
    }
}
