//! What belongs to a job is the job's, stays there and stays as it is; what belongs to others is left alone.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use real_crds::v1alpha1::RealTrainingJob;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::rig::{Rig, sft};

/// Two nodes, which have a Service to find each other.
fn gang() -> Value {
    json!({"trainer": {"nodes": 2}})
}

/// Its controller, and nothing else, is the job.
async fn is_owned<K>(rig: &Rig, name: &str, job: &RealTrainingJob)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let child = rig.api::<K>().get(name).await.unwrap();
    let [owner] = child.owner_references() else { panic!("{:?}", child.owner_references()) };
    assert_eq!((&owner.kind[..], &owner.name), ("RealTrainingJob", &job.name_any()));
    assert_eq!((Some(&owner.uid), owner.controller), (job.uid().as_ref(), Some(true)));
}

/// Deletes the child and waits for another.
async fn comes_back<K>(rig: &Rig, name: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let old = rig.api::<K>().get(name).await.unwrap().uid();
    rig.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    rig.until::<K>(name, "another one", |new| new.uid() != old).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_owned_come_back_and_are_put_right() {
    let rig = Rig::new("care").await;
    let _operator = rig.operator();
    rig.run("care", gang()).await;
    let job = rig.api::<RealTrainingJob>().get("care").await.unwrap();
    is_owned::<Service>(&rig, "care", &job).await;
    is_owned::<NetworkPolicy>(&rig, "care-trainer", &job).await;
    is_owned::<Job>(&rig, "care-1", &job).await;

    comes_back::<Service>(&rig, "care").await;
    comes_back::<NetworkPolicy>(&rig, "care-trainer").await;

    let edit = json!({"spec": {"publishNotReadyAddresses": false, "selector": {"real-rl.dev/job": "other"}}});
    rig.merge::<Service>("care", edit).await;
    rig.until("care", "as it was", |service: &Service| {
        let spec = service.spec.clone().unwrap();
        spec.publish_not_ready_addresses == Some(true) && spec.selector.unwrap()["real-rl.dev/job"] == "care"
    })
    .await;
    rig.quiet().await;
}

/// Another writer's additions to lists and maps too, once and for all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_to_a_child_by_hand_goes_again() {
    let rig = Rig::new("added").await;
    let _operator = rig.operator();
    rig.run("added", gang()).await;
    rig.quiet().await;
    let ports =
        json!([{"name": "http", "port": 8080}, {"name": "rendezvous", "port": 29500}, {"name": "debug", "port": 5678}]);
    rig.merge::<Service>("added", json!({"spec": {"ports": ports, "selector": {"app": "other"}}})).await;
    rig.until("added", "as it was", |service: &Service| {
        let spec = service.spec.clone().unwrap();
        spec.ports.unwrap().len() == 2 && spec.selector.unwrap().len() == 1
    })
    .await;
    rig.merge::<NetworkPolicy>("added-trainer", json!({"spec": {"ingress": [{}]}})).await;
    rig.until("added-trainer", "closed again", |policy: &NetworkPolicy| {
        let ingress = policy.spec.clone().unwrap().ingress.unwrap();
        ingress.len() == 2 && ingress.iter().all(|rule| rule.from.is_some())
    })
    .await;
    rig.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_deleted_by_hand_is_followed_by_another_attempt() {
    let rig = Rig::new("byhand").await;
    let _operator = rig.operator();
    rig.run("byhand", json!({})).await;
    rig.api::<Job>().delete("byhand-1", &DeleteParams::foreground()).await.unwrap();
    rig.phase("byhand", "Restarting", "AttemptDeleted").await;
    rig.collect("byhand-1").await;
    let status = rig.phase("byhand", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((status.job_name.as_deref(), status.attempt), (Some("byhand-2"), Some(2)));
    let restarts = status.restarts.unwrap_or_default();
    assert_eq!((restarts.failures, restarts.preemptions), (0, 0));
}

/// As `kubectl delete job` does it: the Job is gone at once, its pods only when the garbage collector gets to them.
#[tokio::test(flavor = "multi_thread")]
async fn another_attempt_waits_for_pods_whose_job_is_gone() {
    let rig = Rig::new("orphans").await;
    let _operator = rig.operator();
    let pods = rig.run("orphans", json!({})).await;
    rig.api::<Job>().delete("orphans-1", &DeleteParams::background()).await.unwrap();
    rig.phase("orphans", "Restarting", "EarlierPodsRemain").await;
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0, "two gangs must not write one checkpoint");
    rig.end_pod(&pods[0], 75, "").await;
    let status = rig.phase("orphans", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!(status.job_name.as_deref(), Some("orphans-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_somebody_else_is_never_taken_over() {
    let rig = Rig::new("foreign").await;
    let theirs = json!({"metadata": {"name": "taken"}, "spec": {"ports": [{"port": 80}], "selector": {"app": "shop"}}});
    let theirs = rig.create::<Service>(theirs).await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("taken", gang())).await;
    let job = rig.phase("taken", "Pending", "NameConflict").await;
    let text = serde_json::to_string(&job.status).unwrap();
    assert!(text.contains("delete or rename one of the two"), "{text}");
    let now = rig.api::<Service>().get("taken").await.unwrap();
    assert_eq!(now.resource_version(), theirs.resource_version(), "untouched");
    assert_eq!(rig.all::<Job>().await.len(), 0);

    // It starts once the name is free, without anybody telling.
    rig.api::<Service>().delete("taken", &DeleteParams::default()).await.unwrap();
    rig.phase("taken", "Starting", "AttemptStarted").await;
}

fn configuration(attempt: &Job) -> serde_json::Value {
    let template = attempt.spec.as_ref().unwrap().template.metadata.as_ref().unwrap();
    serde_json::from_str(&template.annotations.as_ref().unwrap()["real-rl.dev/trainer.json"]).expect("JSON")
}

/// Whatever somebody does to what is there, an attempt starts from the spec. Of an attempt that is there, the API server lets
/// nobody change what its pods read.
#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_starts_from_the_spec_and_from_nothing_else() {
    let rig = Rig::new("tampered").await;
    let _operator = rig.operator();
    rig.run("tampered", json!({})).await;
    let jobs = rig.api::<Job>();
    let honest = configuration(&jobs.get("tampered-1").await.unwrap());
    assert_eq!(honest["job"], "tampered");
    let theirs = json!({"real-rl.dev/trainer.json": "{}"});
    let edit = json!({"spec": {"template": {"metadata": {"annotations": theirs}}}});
    let refused = jobs.patch("tampered-1", &PatchParams::default(), &Patch::Merge(&edit)).await;
    assert!(refused.unwrap_err().to_string().contains("immutable"));
    // On the Job itself, and in objects of likely names, it is nobody's configuration.
    rig.merge::<Job>("tampered-1", json!({"metadata": {"annotations": theirs}})).await;
    for name in ["tampered", "tampered-config", "tampered-config-1", "tampered-config-2"] {
        let planted = json!({"metadata": {"name": name}, "data": {"trainer.json": "{}"}});
        rig.create::<ConfigMap>(planted).await;
    }
    jobs.delete("tampered-1", &DeleteParams::foreground()).await.unwrap();
    rig.phase("tampered", "Restarting", "AttemptDeleted").await;
    rig.collect("tampered-1").await;
    let next = rig.until::<Job>("tampered-2", "the next attempt", |_| true).await;
    assert_eq!(configuration(&next), honest);
    let mounted = next.spec.unwrap().template.spec.unwrap().volumes.unwrap();
    assert!(mounted.iter().all(|volume| volume.config_map.is_none()), "{mounted:?}");
}

/// The operator writes a status as a whole object. Who manages its labels and its spec still does.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_applied_stays_theirs_whatever_is_written_to_the_status() {
    let rig = Rig::new("applied").await;
    let mut manifest = sft("applied", json!({"seed": 7}));
    manifest["metadata"]["labels"] = json!({"team": "a", "stage": "b"});
    let api = rig.api::<RealTrainingJob>();
    let parameters = PatchParams::apply("somebody");
    api.patch("applied", &parameters, &Patch::Apply(&manifest)).await.expect("it is taken");
    let _operator = rig.operator();
    rig.phase("applied", "Starting", "AttemptStarted").await;

    manifest["metadata"]["labels"] = json!({"team": "a"});
    let job = api.patch("applied", &parameters, &Patch::Apply(&manifest)).await.expect("without a conflict");
    assert_eq!(job.metadata.labels.unwrap().into_iter().collect::<Vec<_>>(), [("team".to_owned(), "a".to_owned())]);
    assert_eq!(job.spec.seed, 7);
}
