//! Jobs that cannot be run as they are, or not by this operator.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ResourceQuota;
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use serde_json::{Value, json};

use crate::rig::{Rig, sft};
use real_test_kube::shared;

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
        ("selector", patch(json!({"nodeSelector": {"not a key": "a"}})), "podPatch.nodeSelector"),
        ("resource", json!({"resourcesPerNode": {"limits": {"gpu": 1}}}), "resourcesPerNode"),
        ("device", json!({"resourcesPerNode": {"requests": {"nvidia.com/gpu": 1}}}), "resourcesPerNode"),
        (
            "affinity",
            patch(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "In"}]}]}}}})),
            "podPatch.affinity",
        ),
        (
            "seconds",
            patch(json!({"tolerations": [{"operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]})),
            "podPatch.tolerations",
        ),
        (
            "topology",
            patch(json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "not a key", "labelSelector": {"matchLabels": {"a": "b"}}}]}}})),
            "podPatch.affinity",
        ),
        (
            "spread",
            patch(json!({"topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"},
                {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]})),
            "podPatch.topologySpreadConstraints",
        ),
        ("resource-path", json!({"resourcesPerNode": {"limits": {"example.com/gpu/x": 1}}}), "resourcesPerNode"),
        ("hugepages", json!({"resourcesPerNode": {"limits": {"hugepages-2Mi": "4Mi"}}}), "resourcesPerNode"),
        (
            "overcommit",
            json!({"resourcesPerNode": {"requests": {"cpu": 1, "hugepages-2Mi": "2Mi"},
                "limits": {"cpu": 1, "hugepages-2Mi": "4Mi"}}}),
            "resourcesPerNode",
        ),
        ("nameservers", patch(json!({"dnsPolicy": "None"})), "podPatch.dns"),
        (
            "helper-resource",
            patch(json!({"initContainers": [{"name": "fetch", "image": "a", "resources": {"limits": {"gpu": 1}}}]})),
            "podPatch.initContainers",
        ),
        (
            "helper-name",
            patch(
                json!({"initContainers": [{"name": "log", "image": "a"}], "sidecars": [{"name": "log", "image": "a"}]}),
            ),
            "podPatch.initContainers",
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

/// What admission refuses of a pod, each of another kind: the objects that make it do so, the trainer, and the field that is named.
fn never_made() -> Vec<(&'static str, Value, Value, &'static str)> {
    let patch = |patch: Value| json!({"podPatch": patch});
    let limits = json!([{"type": "Container", "max": {"memory": "1Gi"}, "default": {"memory": "1Gi"}}]);
    let cpu = |cpu: u32| json!({"resourcesPerNode": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}});
    vec![
        ("priority", Value::Null, patch(json!({"priorityClassName": "no-such-class"})), "podPatch.priorityClassName"),
        ("runtime", Value::Null, patch(json!({"runtimeClassName": "no-such-class"})), "podPatch.runtimeClassName"),
        ("security", Value::Null, patch(json!({"hostNetwork": true})), "podPatch"),
        (
            "limit-range",
            json!({"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": limits}}),
            json!({"resourcesPerNode": {"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi"}}}),
            "resourcesPerNode",
        ),
        (
            "pod-quota",
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"requests.cpu": "1"}}}),
            cpu(4),
            "resourcesPerNode",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_pods_admission_refuses_says_why_and_what_can_be_changed() {
    let rig = Rig::new("unmade").await;
    let level = ["label", "namespace", &rig.namespace, "pod-security.kubernetes.io/enforce=restricted"];
    shared().kubectl(&level, None).expect_success();
    let _operator = rig.operator();
    for (name, object, trainer, field) in never_made() {
        if let Value::Object(_) = &object {
            let mut object = object.clone();
            object["metadata"] = json!({"name": name});
            let stdin = object.to_string();
            shared().kubectl(&["apply", "-n", &rig.namespace, "-f", "-"], Some(&stdin)).expect_success();
            if object["kind"] == "ResourceQuota" {
                let hard = object["spec"]["hard"].clone();
                let status = json!({"status": {"hard": hard, "used": {"requests.cpu": "0"}}});
                rig.status::<ResourceQuota>(name, status).await;
            }
        }
        rig.create::<RealTrainingJob>(sft(name, json!({"trainer": trainer}))).await;
        rig.phase(name, "Starting", "AttemptStarted").await;
        let note = rig.refuse_pods(&format!("{name}-1")).await;
        let job = rig.phase(name, "Starting", "PodsRefused").await;
        let told = condition(&job, "Running")["message"].as_str().unwrap().to_owned();
        assert!(told.contains(note.trim_start_matches("Error creating: ")), "{name}: {told}");
        let advice = format!("spec.trainer.{field} can be changed while spec.suspend is true");
        assert!(told.contains(&advice), "{name}: {told}");
        // What it says can be done.
        rig.merge::<RealTrainingJob>(name, json!({"spec": {"suspend": true}})).await;
        let attempt = format!("{name}-1");
        rig.until(&attempt, "deleted", |job: &Job| job.metadata.deletion_timestamp.is_some()).await;
        rig.collect(&attempt).await;
        rig.phase(name, "Suspended", "SuspendedByUser").await;
        rig.merge::<RealTrainingJob>(name, json!({"spec": {"trainer": {"podPatch": null, "resourcesPerNode": null}}}))
            .await;
        rig.merge::<RealTrainingJob>(name, json!({"spec": {"suspend": false}})).await;
        rig.phase(name, "Starting", "AttemptStarted").await;
        // The quota and the limits are not for the next.
        let kinds = ["delete", "limitrange,resourcequota", "--all", "-n", &rig.namespace];
        shared().kubectl(&kinds, None).expect_success();
    }
}

/// A policy of the cluster is asked about each Job, as a webhook is.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_policy_of_the_cluster_denies_is_told_in_its_words() {
    let rig = Rig::new("denied").await;
    let policy = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "team-label"}, "spec": {"failurePolicy": "Fail",
            "matchConstraints": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rig.namespace}},
                "resourceRules": [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]},
            "validations": [{"expression": "has(object.spec.template.metadata.labels.team)",
                "message": "pods need a label team that says who pays"}]}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "team-label"}, "spec": {"policyName": "team-label", "validationActions": ["Deny"]}}]});
    shared().kubectl(&["apply", "-f", "-"], Some(&policy.to_string())).expect_success();
    // Until it is in force.
    let bare = ["create", "job", "probe", "--image=a", "--dry-run=server", "-n", &rig.namespace];
    let deadline = tokio::time::Instant::now() + crate::rig::PATIENCE;
    while shared().kubectl(&bare, None).success {
        assert!(tokio::time::Instant::now() < deadline, "the policy is not in force");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let _operator = rig.operator();
    rig.create::<RealTrainingJob>(sft("denied", json!({}))).await;
    let job = rig.phase("denied", "Pending", "Invalid").await;
    let accepted = condition(&job, "Accepted");
    assert_eq!(accepted["status"], "False");
    assert!(accepted["message"].as_str().unwrap().contains("pods need a label team that says who pays"), "{accepted}");
    assert_eq!(condition(&job, "Stalled")["status"], "True");
    rig.merge::<RealTrainingJob>("denied", json!({"spec": {"trainer": {"podPatch": {"labels": {"team": "a"}}}}})).await;
    rig.phase("denied", "Starting", "AttemptStarted").await;
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
