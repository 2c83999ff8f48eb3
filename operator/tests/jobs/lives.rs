//! Odd lives: what people and machines do to a job at the wrong moment. There is never a second gang, and it gets to its end or says why
//! not.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use real_crds::progress::{LastWords, Outcome, Progress};
use real_crds::v1alpha1::RealTrainingJob;
use serde_json::{Value, json};

use crate::rig::{Rig, Running, sft};

/// The names of all Jobs there are.
async fn jobs(rig: &Rig) -> Vec<String> {
    rig.all::<Job>().await.iter().map(kube::ResourceExt::name_any).collect()
}

async fn suspend(rig: &Rig, name: &str, suspend: bool) {
    rig.merge::<RealTrainingJob>(name, json!({"spec": {"suspend": suspend}})).await;
}

async fn deleted(rig: &Rig, attempt: &str) {
    rig.until(attempt, "deleted", |job: &Job| job.metadata.deletion_timestamp.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_suspended_while_it_starts_and_resumed_before_its_pods_are_gone_has_one_gang() {
    let rig = Rig::new("hasty").await;
    let _operator = rig.operator();
    rig.start("hasty", json!({"trainer": {"nodes": 2}})).await;
    suspend(&rig, "hasty", true).await;
    deleted(&rig, "hasty-1").await;
    suspend(&rig, "hasty", false).await;
    rig.quiet().await;
    assert_eq!(jobs(&rig).await, ["hasty-1"], "its pods may still run");
    rig.collect("hasty-1").await;
    let status = rig.phase("hasty", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!((status.job_name.as_deref(), status.restarts.unwrap_or_default().failures), (Some("hasty-2"), 0));
    let pods = rig.make_pods("hasty-2").await;
    rig.run_pods("hasty", &pods).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_while_it_starts_is_refused_with_when_it_can_be_made_and_taken_then() {
    let rig = Rig::new("edit").await;
    let _operator = rig.operator();
    rig.start("edit", json!({})).await;
    let edit = json!({"spec": {"trainer": {"image": "trainer:2"}}});
    let api = rig.api::<RealTrainingJob>();
    let merge = |edit: Value| {
        let api = api.clone();
        async move { api.patch("edit", &PatchParams::default(), &Patch::Merge(edit)).await }
    };
    let refused = merge(edit.clone()).await.expect_err("an attempt has begun").to_string();
    assert!(refused.contains("trainer.image") && refused.contains("suspend"), "{refused}");
    // What holds from the next attempt on is taken at any time, and changes nothing of this one.
    merge(json!({"spec": {"progressDeadlineSeconds": 60, "trainer": {"podPatch": {"labels": {"team": "a"}}}}}))
        .await
        .unwrap();
    rig.quiet().await;
    assert_eq!(jobs(&rig).await, ["edit-1"]);
    let mut together = edit;
    together["spec"]["suspend"] = true.into();
    merge(together).await.expect("in the edit that suspends it");
    deleted(&rig, "edit-1").await;
    rig.collect("edit-1").await;
    rig.phase("edit", "Suspended", "SuspendedByUser").await;
    suspend(&rig, "edit", false).await;
    let next = rig.until("edit-2", "there", |_: &Job| true).await;
    let template = next.spec.unwrap().template;
    assert_eq!(template.spec.unwrap().containers[0].image.as_deref(), Some("trainer:2"));
    assert_eq!(template.metadata.unwrap().labels.unwrap()["team"], "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_torn_off_a_running_job_by_hand_starts_no_second_gang() {
    let rig = Rig::new("torn").await;
    let _operator = rig.operator();
    let pods = rig.run("torn", json!({})).await;
    // Its status.
    rig.status::<RealTrainingJob>("torn", json!({"status": null})).await;
    rig.phase("torn", "Running", "AllPodsRun").await;
    // The labels of its Job, by which it is watched.
    let bare = json!({"metadata": {"labels": {"real-rl.dev/job": null, "app.kubernetes.io/component": null}}});
    rig.merge::<Job>("torn-1", bare).await;
    rig.quiet().await;
    rig.phase("torn", "Running", "AllPodsRun").await;
    assert_eq!(jobs(&rig).await, ["torn-1"]);
    // A label of a queue, which only says how the next attempt starts.
    rig.merge::<RealTrainingJob>("torn", json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "gpu"}}})).await;
    rig.quiet().await;
    rig.phase("torn", "Running", "AllPodsRun").await;
    rig.merge::<RealTrainingJob>("torn", json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": null}}})).await;
    // Its owner: the Job is nobody's, and its pods still run.
    rig.merge::<Job>("torn-1", json!({"metadata": {"ownerReferences": null}})).await;
    rig.phase("torn", "Restarting", "EarlierPodsRemain").await;
    rig.quiet().await;
    assert_eq!(jobs(&rig).await, ["torn-1"]);
    rig.end_pod(&pods[0], 75, "").await;
    let status = rig.phase("torn", "Starting", "AttemptStarted").await.status.unwrap();
    assert_eq!(status.job_name.as_deref(), Some("torn-2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn children_that_go_while_a_job_starts_come_back_in_whatever_order_they_went() {
    let rig = Rig::new("order").await;
    let _operator = rig.operator();
    let gang = json!({"trainer": {"nodes": 2}});
    for (name, order) in [("a", ["Service", "NetworkPolicy", "Job"]), ("b", ["Job", "NetworkPolicy", "Service"])] {
        rig.start(name, gang.clone()).await;
        for kind in order {
            match kind {
                "Service" => drop(rig.api::<Service>().delete(name, &DeleteParams::default()).await.unwrap()),
                "Job" => {
                    rig.api::<Job>().delete(&format!("{name}-1"), &DeleteParams::foreground()).await.unwrap();
                    rig.collect(&format!("{name}-1")).await;
                }
                _ => {
                    let policy = format!("{name}-trainer");
                    drop(rig.api::<NetworkPolicy>().delete(&policy, &DeleteParams::default()).await.unwrap());
                }
            }
        }
        rig.until(&format!("{name}-2"), "the next attempt", |_: &Job| true).await;
        rig.until(name, "its Service", |_: &Service| true).await;
        rig.until(&format!("{name}-trainer"), "its policy", |_: &NetworkPolicy| true).await;
        let status = rig.phase(name, "Starting", "AttemptStarted").await.status.unwrap();
        assert_eq!(status.restarts.unwrap_or_default().failures, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_goes_ends_in_few_writes() {
    let rig = Rig::new("going").await;
    let _operator = rig.operator();
    rig.run("going", json!({})).await;
    Api::<Namespace>::all(rig.client.clone()).delete(&rig.namespace, &DeleteParams::default()).await.unwrap();
    // What was deleted first; the job itself is still there, and its next attempt cannot be made.
    rig.api::<Job>().delete("going-1", &DeleteParams::foreground()).await.unwrap();
    rig.collect("going-1").await;
    let before = rig.write_log().len();
    rig.phase("going", "Restarting", "NamespaceTerminating").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let writes = rig.write_log().len() - before;
    assert!(writes <= 12, "{:#?}", rig.write_log());
}

/// Another operator takes over.
async fn again(rig: &Rig, operator: Running) -> Running {
    operator.stop().await.expect("a graceful end");
    rig.operator()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_and_resumed_life_ends_the_same_though_the_operator_starts_again_at_each_step() {
    let rig = Rig::new("steps").await;
    rig.create::<RealTrainingJob>(sft("steps", json!({}))).await;
    let mut operator = rig.operator();
    rig.phase("steps", "Starting", "AttemptStarted").await;
    operator = again(&rig, operator).await;
    let pods = rig.make_pods("steps-1").await;
    operator = again(&rig, operator).await;
    rig.run_pods("steps", &pods).await;
    suspend(&rig, "steps", true).await;
    deleted(&rig, "steps-1").await;
    operator = again(&rig, operator).await;
    rig.collect("steps-1").await;
    rig.phase("steps", "Suspended", "SuspendedByUser").await;
    operator = again(&rig, operator).await;
    suspend(&rig, "steps", false).await;
    rig.phase("steps", "Starting", "AttemptStarted").await;
    let pods = rig.make_pods("steps-2").await;
    operator = again(&rig, operator).await;
    rig.run_pods("steps", &pods).await;
    let done = Progress { attempt: 2, step: 10, total_steps: 10, ..Progress::default() };
    rig.end_pod(&pods[0], 0, &LastWords::compose(Outcome::Done, None, "", &done)).await;
    let _operator = again(&rig, operator).await;
    rig.complete_job("steps-2").await;
    let status = rig.phase("steps", "Succeeded", "AllStepsDone").await.status.unwrap();
    let restarts = status.restarts.unwrap_or_default();
    assert_eq!((restarts.failures, restarts.preemptions, status.attempt), (0, 0, Some(2)));
}
