//! Pods whose statuses say nothing of why they get no further: their events are read, whosever they are.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::{Resource, ResourceExt as _};
use real_crds::v1alpha1::RewardPool;
use serde_json::{Value, json};

use crate::rig::Rig;

const NOTE: &str = "MountVolume.SetUp failed for volume \"data\" : secret \"hub\" not found";

/// A warning about an object, as the parts of a cluster write it.
async fn warn<K>(rig: &Rig, about: &K, reason: &str, note: &str)
where
    K: Resource<DynamicType = ()>,
{
    rig.create::<Event>(json!({
        "metadata": {"generateName": about.name_any()}, "eventTime": format!("{:.6}", Timestamp::now()),
        "reason": reason, "note": note, "type": "Warning", "action": "Mounting",
        "reportingController": "kubelet", "reportingInstance": "rig",
        "regarding": {"apiVersion": K::api_version(&()), "kind": K::kind(&()), "name": about.name_any(),
            "namespace": rig.namespace, "uid": about.uid()},
    }))
    .await;
}

/// The pod has had its node for three minutes, and its kubelet cannot mount what it needs.
async fn cannot_be_mounted(rig: &Rig, pod: &str) {
    let pod = rig.api::<Pod>().get(pod).await.unwrap();
    warn(rig, &pod, "FailedMount", NOTE).await;
    let since = Timestamp::now() - SignedDuration::from_mins(3);
    let container = &pod.spec.as_ref().unwrap().containers[0].name;
    let waiting = json!({"status": {"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": since}],
        "containerStatuses": [{"name": container, "image": "x", "imageID": "", "restartCount": 0, "ready": false,
            "state": {"waiting": {"reason": "ContainerCreating"}}}]}});
    rig.status::<Pod>(&pod.name_any(), waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_cannot_be_started_on_its_node_says_why_though_only_an_event_knows() {
    tokio::join!(of_a_job(), of_a_pool(), of_a_sweep());
}

async fn of_a_job() {
    let rig = Rig::new("mount").await;
    let _operator = rig.operator();
    let secret = json!({"model": {"storageUri": "hf://org/name", "secretRef": {"name": "hub"}}});
    let pods = rig.start("mount", secret).await;
    cannot_be_mounted(&rig, &pods[0]).await;
    let job = rig.phase("mount", "Starting", "FailedMount").await;
    let told = serde_json::to_string(&job.status).unwrap();
    assert!(told.contains("secret \\\"hub\\\" not found"), "{told}");
    // Once it runs, nothing is wrong any more.
    rig.run_pods("mount", &pods).await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
}

async fn of_a_pool() {
    let rig = Rig::new("mount-pool").await;
    let _operator = rig.operator();
    let pool = json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "judges"},
        "spec": {"detector": {"scaling": {"minReplicas": 1}}}});
    rig.create::<RewardPool>(pool).await;
    let fleet = rig.until("judges-detector", "a Deployment", |_: &Deployment| true).await;
    let mut template = serde_json::to_value(fleet.spec.unwrap().template).unwrap();
    template["metadata"]["name"] = "judges-detector-x".into();
    rig.create::<Pod>(template).await;
    cannot_be_mounted(&rig, "judges-detector-x").await;
    let told = rig.until("judges", "what the event says", |pool: &RewardPool| {
        let conditions = serde_json::to_value(&pool.status).unwrap()["conditions"].clone();
        let says = |type_: &str| {
            let condition = conditions.as_array()?.iter().find(|one| one["type"] == type_)?;
            Some(condition["status"] == "False" && condition["reason"] == "FailedMount")
        };
        says("Ready") == Some(true) && says("DetectorAvailable") == Some(true)
    });
    let told = serde_json::to_value(told.await.status).unwrap();
    let message = |type_: &str| -> Value {
        let conditions = told["conditions"].as_array().unwrap();
        conditions.iter().find(|one| one["type"] == type_).unwrap()["message"].clone()
    };
    let expected = format!("detector: 0 ready, 1 needed: judges-detector-x: {NOTE}");
    assert_eq!(message("Ready"), expected);
    // Asked once, however often the pool is looked at.
    let asked = rig.proxy.calls().iter().filter(|call| call.path.contains("regarding.uid")).count();
    assert_eq!(asked, 1);
}

async fn of_a_sweep() {
    let rig = Rig::new("mount-sweep").await;
    rig.open().await;
    rig.trained("one", &[8]).await;
    let _operator = rig.operator();
    rig.ready_pool().await;
    rig.create_sweep(json!({"parallelism": 1})).await;
    let cell = rig.wait_for_cells(1).await.remove(0);
    let pods = rig.make_pods(&cell.name_any()).await;
    cannot_be_mounted(&rig, &pods[0]).await;
    rig.sweep_phase("Running", "FailedMount").await;
    rig.sweep_says(&[NOTE, &pods[0]]).await;
}
