//! Reward pools on a real API server, judged by real detectors and sandboxes: the operator asks them, scales them, and lets a
//! job start once they are warm.

#[path = "../../operator/tests/rig/mod.rs"]
mod rig;

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service as KubeService};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use real_test_kube::shared;
use real_tests::service::Service;
use rig::Rig;
use rig::cluster::{address, rank_0};
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "a `json!` reads better without a reference")]
fn pool(spec: Value) -> Value {
    json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "pool"}, "spec": spec})
}

/// The quickstart, with this pool.
fn ppo(name: &str) -> Value {
    let mut job: Value = serde_saphyr::from_str(include_str!("../../examples/quickstart.yaml")).expect("YAML");
    job["metadata"]["name"] = name.into();
    job["spec"]["rewardPoolRef"]["name"] = "pool".into();
    job
}

async fn replicas(rig: &Rig, deployment: &str, wanted: i32) -> Deployment {
    let what = format!("{deployment} of {wanted}");
    rig.until(deployment, &what, |fleet: &Deployment| {
        fleet.spec.as_ref().and_then(|spec| spec.replicas) == Some(wanted)
    })
    .await
}

async fn condition(rig: &Rig, type_: &str, status: &str, reason: &str) -> RewardPool {
    rig.until("pool", &format!("{type_}={status} ({reason})"), |pool: &RewardPool| {
        let conditions = pool.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions.iter().any(|found| found.type_ == type_ && found.status == status && found.reason == reason)
    })
    .await
}

/// Does what the Deployment controller and the kubelet would: a pod for `program`, which really runs, and a status that says so.
async fn roll_out(rig: &Rig, deployment: &str, program: &'static str) -> (Service, IpAddr) {
    let address = address();
    let service = Service::start_at(program, &format!("{address}:8080"));
    let fleet = rig.api::<Deployment>().get(deployment).await.expect("the Deployment");
    let mut pod = serde_json::to_value(&fleet.spec.as_ref().expect("a spec").template).expect("JSON");
    let name = format!("{deployment}-{:04x}", rand::random::<u16>());
    pod["metadata"]["name"] = name.clone().into();
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    rig.api::<Pod>().create(&PostParams::default(), &pod).await.expect("Pod Security and schema take it");
    rig.run_pod(&name, address).await;
    let count = fleet.spec.as_ref().and_then(|spec| spec.replicas).expect("replicas");
    let status = json!({"status": {
        "observedGeneration": fleet.metadata.generation, "replicas": count, "readyReplicas": count,
        "availableReplicas": count, "updatedReplicas": count,
    }});
    let patch = rig.api::<Deployment>().patch_status(deployment, &PatchParams::default(), &Patch::Merge(status)).await;
    patch.expect("the status is taken");
    (service, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_at_zero_is_warmed_for_a_job_that_starts_then() {
    let rig = Rig::new("warm").await;
    let _operator = rig.operator();
    let none = json!({"minReplicas": 0});
    rig.create::<RewardPool>(pool(json!({"detector": {"scaling": none}, "sandbox": {"scaling": none}}))).await;
    condition(&rig, "Ready", "True", "Idle").await;
    replicas(&rig, "pool-sandbox", 0).await;

    rig.create::<RealTrainingJob>(ppo("ppo")).await;
    replicas(&rig, "pool-detector", 1).await;
    replicas(&rig, "pool-sandbox", 1).await;
    rig.phase("ppo", "Pending", "RewardPoolNotReady").await;
    assert!(rig.api::<Job>().get_opt("ppo-1").await.unwrap().is_none(), "the job does not wait for the pool");

    let _detector = roll_out(&rig, "pool-detector", "real-detector").await;
    let _sandbox = roll_out(&rig, "pool-sandbox", "real-sandbox").await;
    let ready = condition(&rig, "Ready", "True", "FleetsReady").await;
    let status = ready.status.expect("a status");
    let isolation = status.conditions.iter().find(|found| found.type_ == "IsolationVerified").expect("it is said");
    assert!(isolation.status == "True" && isolation.message.contains("tier"), "{isolation:?}");
    assert_eq!(status.consumers, Some(1));
    rig.phase("ppo", "Starting", "AttemptStarted").await;
    let attempt =
        rig.api::<Job>().get("ppo-1").await.unwrap().spec.expect("a spec").template.metadata.expect("metadata");
    let config = attempt.annotations.expect("annotations")["real-rl.dev/trainer.json"].clone();
    for fleet in ["detector", "sandbox"] {
        let url = format!("http://pool-{fleet}-pods.{}.svc:8080", rig.namespace);
        assert!(config.contains(&url), "{url} is not in {config}");
    }

    let pods = rig.make_pods("ppo-1").await;
    let rank = address();
    let _says = rank_0(rank).await;
    rig.run_pod(&pods[0], rank).await;
    rig.phase("ppo", "Running", "AllPodsRun").await;
    rig.api::<RewardPool>().delete("pool", &DeleteParams::default()).await.expect("it can be deleted");
    rig.phase("ppo", "Running", "RunningWithoutRewards").await;
    assert!(rig.api::<Job>().get("ppo-1").await.unwrap().metadata.deletion_timestamp.is_none(), "the job goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_grows_with_the_work_that_waits() {
    let rig = Rig::new("load").await;
    let _operator = rig.operator();
    rig.create::<RewardPool>(pool(json!({"scaling": {"targetQueueDepthPerReplica": 1}}))).await;
    replicas(&rig, "pool-sandbox", 1).await;
    let _detector = roll_out(&rig, "pool-detector", "real-detector").await;
    let (sandbox, _) = roll_out(&rig, "pool-sandbox", "real-sandbox").await;
    condition(&rig, "Ready", "True", "FleetsReady").await;
    let request = json!({
        "program": "import time; time.sleep(60)", "limits": {"wallSeconds": 60},
        "tests": vec![json!({"kind": "stdin", "stdin": "", "stdout": ""}); 6],
    });
    let url = format!("{}/v1/batch", sandbox.url());
    let work = tokio::spawn(async move { reqwest::Client::new().post(url).json(&request).send().await });
    let grown = rig
        .until("pool-sandbox", "more replicas", |fleet: &Deployment| {
            fleet.spec.as_ref().and_then(|spec| spec.replicas).is_some_and(|replicas| replicas > 1)
        })
        .await;
    let grown = grown.spec.and_then(|spec| spec.replicas).expect("replicas");
    assert!((2..=6).contains(&grown), "{grown} replicas for 6 requests");
    replicas(&rig, "pool-detector", 1).await;
    rig.until("pool", "the queue is in the status", |pool: &RewardPool| {
        pool.status.as_ref().and_then(|status| status.queue.as_ref()).is_some_and(|queue| queue.depth > 0)
    })
    .await;
    work.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_fixed_size_is_scaled_by_hand_and_keeps_what_is_its_own() {
    let rig = Rig::new("manual").await;
    let operator = rig.operator();
    let fixed = json!({"scaling": {"mode": "manual"}, "sandbox": {"replicas": 1}, "detector": {"replicas": 1}});
    rig.create::<RewardPool>(pool(fixed)).await;
    replicas(&rig, "pool-sandbox", 1).await;
    let scale = ["scale", "rewardpool", "pool", "--replicas=3", "--namespace", &rig.namespace];
    shared().kubectl(&scale, None).expect_success();
    replicas(&rig, "pool-sandbox", 3).await;

    // Put right: deleted, and edited by hand.
    rig.api::<KubeService>().delete("pool-sandbox", &DeleteParams::default()).await.expect("it can be deleted");
    rig.until("pool-sandbox", "the Service is back", |_: &KubeService| true).await;
    rig.merge::<Deployment>("pool-sandbox", json!({"spec": {"replicas": 9}})).await;
    replicas(&rig, "pool-sandbox", 3).await;
    // A way out that somebody opened for hostile code is shut.
    rig.merge::<NetworkPolicy>("pool-sandbox", json!({"spec": {"egress": [{}]}})).await;
    rig.until("pool-sandbox", "no way out", |policy: &NetworkPolicy| {
        policy.spec.as_ref().is_some_and(|spec| spec.egress.as_ref().is_none_or(Vec::is_empty))
    })
    .await;
    // What is taken out of the pool goes from its pods too.
    let selector = |fleet: &Deployment| {
        let pod = fleet.spec.as_ref().and_then(|spec| spec.template.spec.clone()).unwrap_or_default();
        pod.node_selector.unwrap_or_default().contains_key("disk")
    };
    rig.merge::<RewardPool>("pool", json!({"spec": {"sandbox": {"podPatch": {"nodeSelector": {"disk": "ssd"}}}}}))
        .await;
    rig.until("pool-sandbox", "a node selector", |fleet: &Deployment| selector(fleet)).await;
    rig.merge::<RewardPool>("pool", json!({"spec": {"sandbox": {"podPatch": null}}})).await;
    rig.until("pool-sandbox", "no node selector", |fleet: &Deployment| !selector(fleet)).await;
    // Theirs: a variable more is no difference, and nothing is written for ever.
    let set = ["set", "env", "deployment/pool-sandbox", "THEIRS=1", "--namespace", &rig.namespace];
    shared().kubectl(&set, None).expect_success();
    rig.quiet().await;
    operator.stop().await.expect("a graceful end");

    let writes = rig.proxy.writes();
    let next = rig.operator();
    next.has_looked_by("pool").await;
    rig.quiet().await;
    assert_eq!(rig.proxy.writes(), writes, "a new operator writes again what is there: {:#?}", rig.write_log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_somebody_else_is_left_alone() {
    let rig = Rig::new("foreign").await;
    let theirs = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pool-sandbox"}, "spec": {"ports": [{"port": 9}]}});
    rig.create::<KubeService>(theirs).await;
    let _operator = rig.operator();
    rig.create::<RewardPool>(pool(json!({"queue": {}}))).await;
    let pool = rig
        .until("pool", "Stalled", |pool: &RewardPool| {
            let conditions = pool.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            conditions.iter().any(|found| found.type_ == "Stalled" && found.status == "True")
        })
        .await;
    let text = serde_json::to_string(&pool.status).expect("JSON");
    assert!(text.contains("pool-sandbox") && text.contains("belongs to"), "{text}");
    let found = rig.api::<KubeService>().get("pool-sandbox").await.unwrap();
    assert!(
        found.owner_references().is_empty() && found.spec.unwrap().ports.unwrap()[0].port == 9,
        "it was taken over"
    );
}
