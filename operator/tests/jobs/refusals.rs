//! Jobs that cannot be run as they are, or not by this operator.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use serde_json::{Value, json};

use crate::rig::{Rig, sft};

fn condition(job: &RealTrainingJob, type_: &str) -> Value {
    let status = serde_json::to_value(&job.status).unwrap();
    let found = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == type_);
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_fetched_is_refused() {
    let rig = Rig::new("source").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("source", json!({"model": {"storageUri": "https://example.org/model"}}))).await;
    let job = rig.phase("source", "Pending", "UnsupportedSource").await;
    let accepted = condition(&job, "Accepted");
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("UnsupportedSource")));
    assert!(
        accepted["message"].as_str().unwrap().contains("spec.model.storageUri is https://example.org/model"),
        "{accepted}"
    );
    assert_eq!(condition(&job, "Stalled")["status"], "True");
    assert_eq!(condition(&job, "Reconciling")["status"], "False");
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);
    assert_eq!(rig.notes("UnsupportedSource").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_controller_manages_says_so_and_is_left_alone() {
    let rig = Rig::new("managed").await;
    let _operator = rig.operator();
    let theirs = sft("theirs", json!({"managedBy": "kueue.x-k8s.io/multikueue"}));
    rig.create::<RealTrainingJob>(theirs).await;
    let told = rig.phase("theirs", "Pending", "ManagedElsewhere").await;
    assert_eq!(condition(&told, "Accepted")["reason"], "ManagedElsewhere");
    // As MultiKueue does with what happens elsewhere.
    let elsewhere = json!({"status": {"phase": "Running", "reason": "AllPodsRun"}});
    rig.status::<RealTrainingJob>("theirs", elsewhere).await;
    rig.create::<RealTrainingJob>(sft("ours", json!({}))).await;
    rig.phase("ours", "Starting", "AttemptStarted").await;
    rig.quiet().await;
    rig.phase("theirs", "Running", "AllPodsRun").await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
    let told = rig.write_log().iter().filter(|call| call.contains("theirs")).count();
    assert_eq!(told, 1, "{:#?}", rig.write_log());
}

/// A PPO job of a pool.
#[expect(clippy::needless_pass_by_value, reason = "a `json!` reads better without a reference")]
fn ppo(name: &str, trainer: Value) -> Value {
    let mut job = sft(name, json!({"rewardPoolRef": {"name": "judges"}, "trainer": trainer}));
    job["spec"]["algorithm"] = json!({"ppo": {"steps": 4, "batchSize": 8, "miniBatchSize": 8, "microBatchSize": 8}});
    job
}

/// What the definitions let through and no server takes, each of another kind, and the field that is named.
fn never_taken() -> Vec<(&'static str, Value, &'static str)> {
    let patch = |patch: Value| json!({"podPatch": patch});
    vec![
        ("label-key", patch(json!({"labels": {"not a key": "a"}})), "podPatch.labels"),
        ("annotation-key", patch(json!({"annotations": {"a//b": "c"}})), "podPatch.annotations"),
        (
            "toleration",
            patch(json!({"tolerations": [{"operator": "Exists", "value": "a", "key": "k"}]})),
            "podPatch.tolerations",
        ),
        ("selector", patch(json!({"nodeSelector": {"disk": "not a value!"}})), "podPatch.nodeSelector"),
        ("resource", json!({"resourcesPerNode": {"limits": {"gpu": 1}}}), "resourcesPerNode"),
        ("device", json!({"resourcesPerNode": {"requests": {"nvidia.com/gpu": 1}}}), "resourcesPerNode"),
        (
            "affinity",
            patch(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}}}})),
            "podPatch.affinity",
        ),
    ]
}

/// Nothing is made or scaled up for them, and they come to an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_server_takes_is_refused_before_its_pool_grows() {
    let rig = Rig::new("never").await;
    let _operator = rig.operator();
    let pool =
        json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "judges"}, "spec": {}});
    rig.create::<RewardPool>(pool).await;
    for (name, trainer, _) in never_taken() {
        rig.create::<RealTrainingJob>(ppo(name, trainer)).await;
    }
    for (name, _, field) in never_taken() {
        let job = rig.phase(name, "Pending", "Invalid").await;
        let accepted = condition(&job, "Accepted");
        assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("Invalid")), "{name}");
        assert!(
            accepted["message"].as_str().unwrap().starts_with(&format!("spec.trainer.{field}")),
            "{name}: {accepted}"
        );
        assert_eq!(condition(&job, "Stalled")["status"], "True", "{name}");
    }
    rig.quiet().await;
    let pool = rig.api::<RewardPool>().get("judges").await.unwrap();
    assert_eq!(pool.status.unwrap().consumers, Some(0));
    assert_eq!(rig.all::<Job>().await.len(), 0);
    let asked = rig.proxy.count(|call| call.resource == "jobs" && call.verb == real_test_kube::Verb::Create);
    assert_eq!(asked, never_taken().len(), "each was asked about once: {:#?}", rig.write_log());

    // One that is mended goes on.
    rig.merge::<RealTrainingJob>(
        "resource",
        json!({"spec": {"trainer": {"resourcesPerNode": {"limits": {"gpu": null, "cpu": 1}}}}}),
    )
    .await;
    let job = rig
        .until("resource", "accepted", |job: &RealTrainingJob| {
            job.status.is_some() && condition(job, "Accepted")["status"] == "True"
        })
        .await;
    assert_eq!(condition(&job, "Stalled")["status"], "False");
    rig.until("judges", "one consumer", |pool: &RewardPool| {
        pool.status.as_ref().is_some_and(|status| status.consumers == Some(1))
    })
    .await;
    // One that nobody mends fails. It is as if five minutes had passed.
    let mut stalled = rig.api::<RealTrainingJob>().get("device").await.unwrap().status.unwrap();
    for condition in &mut stalled.conditions {
        condition.last_transition_time.0 -= jiff::SignedDuration::from_secs(301);
    }
    rig.status::<RealTrainingJob>("device", json!({"status": {"conditions": stalled.conditions}})).await;
    let job = rig.phase("device", "Failed", "Invalid").await;
    assert_eq!(condition(&job, "Failed")["status"], "True");
}

/// Without a pool to wait for, the attempt itself is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_attempt_is_told_once_and_not_tried_all_the_time() {
    let rig = Rig::new("refused").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("refused", json!({"trainer": {"resourcesPerNode": {"limits": {"gpu": 1}}}})))
        .await;
    rig.phase("refused", "Pending", "Invalid").await;
    rig.quiet().await;
    let tries = rig.proxy.count(|call| call.resource == "jobs" && call.verb == real_test_kube::Verb::Create);
    assert_eq!(tries, 1, "{:#?}", rig.write_log());
    rig.merge::<RealTrainingJob>("refused", json!({"spec": {"trainer": {"resourcesPerNode": null}}})).await;
    rig.phase("refused", "Starting", "AttemptStarted").await;
}

/// The cases of `shared/cases/operator`, where they are: each is refused by the definition, or by the operator.
#[tokio::test(flavor = "multi_thread")]
async fn every_known_bad_object_is_refused_in_words() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases/operator");
    let folder = std::env::var("REAL_CASES").map_or_else(|_| folder.to_owned(), |cases| format!("{cases}/operator"));
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("skipped: {folder} is not there; set REAL_CASES");
        return;
    };
    let rig = Rig::new("cases").await;
    let _operator = rig.operator();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let job: RealTrainingJob = serde_saphyr::from_str(&text).unwrap();
        let name = job.metadata.name.clone().unwrap();
        let made = rig.api::<RealTrainingJob>().create(&kube::api::PostParams::default(), &job).await;
        if let Err(refused) = made {
            println!("{name}: {refused}");
        } else {
            let job = rig.phase(&name, "Pending", "Invalid").await;
            println!("{name}: {}", condition(&job, "Accepted")["message"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_never_write_to_one_place() {
    let rig = Rig::new("place").await;
    let _operator = rig.operator();
    let storage = json!({"checkpoint": {"storage": {"persistentVolumeClaim": {"claimName": "runs", "subPath": "a"}}}});
    rig.create::<RealTrainingJob>(sft("elder", storage.clone())).await;
    rig.phase("elder", "Starting", "AttemptStarted").await;
    rig.create::<RealTrainingJob>(sft("younger", storage)).await;
    let job = rig.phase("younger", "Pending", "CheckpointInUse").await;
    let text = serde_json::to_string(&job.status).unwrap();
    assert!(text.contains("RealTrainingJob elder") && text.contains("pvc://runs/a"), "{text}");
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 1);
    rig.api::<RealTrainingJob>().delete("elder", &kube::api::DeleteParams::default()).await.unwrap();
    rig.phase("younger", "Starting", "AttemptStarted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_pool_that_does_not_exist() {
    let rig = Rig::new("nopool").await;
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("nopool", json!({"rewardPoolRef": {"name": "judges"}}))).await;
    let job = rig.phase("nopool", "Pending", "RewardPoolNotFound").await;
    let pool = condition(&job, "RewardPoolReady");
    assert_eq!((&pool["status"], &pool["reason"]), (&json!("False"), &json!("RewardPoolNotFound")));
    let notes = rig.notes("RewardPoolNotFound").await;
    assert_eq!(notes, ["RewardPool judges does not exist in this namespace"]);
    rig.quiet().await;
    assert_eq!(rig.all::<Job>().await.len(), 0);
}
