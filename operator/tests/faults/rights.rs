//! The operator with the chart's account and its roles: nothing it does is forbidden, and nothing it may do is unused.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{Resource as _, ResourceExt};
use real_crds::v1alpha1::{RealTrainingJob, RewardPool};
use real_operator::rbac::{Scope, TABLE};
use real_test_kube::shared;
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use crate::access::may;
use crate::life::{NAME, OfAJob};
use crate::lives::{Life as _, play};
use crate::rig::{PATIENCE, Rig, sft};

/// Rights that need something of others in the cluster, and why they are there all the same.
const NOT_HERE: [(&str, &str); 2] = [("scaledobjects", "there is no KEDA"), ("workloads", "there is no Kueue")];

/// What is allowed in the namespace `default` alone is another right.
fn in_its_place(resource: &str, default: bool) -> String {
    if default { format!("{resource} in default") } else { resource.to_owned() }
}

/// Installs the chart for this namespace alone, and gives its account's token.
async fn installed(rig: &Rig) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/real-operator").display().to_string();
    let (namespace, watched) = (rig.namespace.as_str(), format!("watchNamespaces={{{}}}", rig.namespace));
    let arguments = ["install", &format!("real-{namespace}"), &chart, "--namespace", namespace, "--set", &watched];
    let values = ["--set", "crds.enabled=false,fullnameOverride=real-operator"];
    shared().helm(&[arguments.as_slice(), &values].concat()).expect_success();
    // The authorizer hears of roles and bindings by watches.
    let deadline = Instant::now() + PATIENCE;
    for what in TABLE {
        let place = match what.scope {
            Scope::Cluster => "",
            Scope::Default => "default",
            Scope::Watched | Scope::Own => namespace,
        };
        while !may(&rig.client, namespace, place, (what.group, what.resource), what.verbs[0]).await {
            assert!(Instant::now() < deadline, "the operator may not {} {} in {place:?}", what.verbs[0], what.resource);
            sleep(Duration::from_millis(100)).await;
        }
    }
    shared().token(namespace, "real-operator").await
}

/// What a job's children look like after somebody changed them.
async fn spoil_children(rig: &Rig, job: &str) {
    rig.merge::<Service>(job, json!({"spec": {"publishNotReadyAddresses": false}})).await;
    rig.until(job, "the Service is put right", |service: &Service| {
        service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses) == Some(true)
    })
    .await;
    let trainer = format!("{job}-trainer");
    rig.merge::<NetworkPolicy>(&trainer, json!({"spec": {"ingress": null}})).await;
    rig.until(&trainer, "the policy is put right", |policy: &NetworkPolicy| {
        policy.spec.as_ref().and_then(|spec| spec.ingress.as_ref()).is_some_and(|ingress| ingress.len() == 2)
    })
    .await;
}

/// A job whose pods admission refuses.
async fn lack_pods(rig: &Rig) {
    let trainer = json!({"trainer": {"podPatch": {"priorityClassName": "no-such-class"}}});
    rig.create::<RealTrainingJob>(sft("podless", trainer)).await;
    rig.phase("podless", "Starting", "AttemptStarted").await;
    rig.refuse_pods("podless-1").await;
    rig.phase("podless", "Starting", "PodsRefused").await;
}

/// A job that is suspended, edited, resumed, and deleted after its end.
async fn live_a_job(rig: &Rig) {
    rig.create::<RealTrainingJob>(sft("second", json!({"ttlSecondsAfterFinished": 1, "trainer": {"nodes": 2}}))).await;
    rig.phase("second", "Starting", "AttemptStarted").await;
    spoil_children(rig, "second").await;
    for attempt in [1, 2] {
        let every_steps = attempt + 4;
        let edit = json!({"spec": {"suspend": true, "evaluation": {"everySteps": every_steps}}});
        rig.merge::<RealTrainingJob>("second", edit).await;
        rig.phase("second", "Suspending", "Suspending").await;
        rig.collect(&format!("second-{attempt}")).await;
        rig.phase("second", "Suspended", "SuspendedByUser").await;
        rig.merge::<RealTrainingJob>("second", json!({"spec": {"suspend": false}})).await;
        let (next, edited) = (attempt + 1, format!("\"everySteps\":{every_steps}"));
        rig.until(&format!("second-{next}"), "the next attempt, by the spec as it is now", |job: &Job| {
            let template = job.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
            let annotations = template.and_then(|template| template.annotations.as_ref());
            annotations.is_some_and(|all| all["real-rl.dev/trainer.json"].contains(&edited))
        })
        .await;
    }
    let pods = rig.make_pods("second-3").await;
    rig.end_pod(&pods[0], 0, "").await;
    rig.complete_job("second-3").await;
    rig.gone::<RealTrainingJob>("second").await;
}

/// A pool in every mode.
async fn live_a_pool(rig: &Rig) {
    let pool = json!({"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "pool"}, "spec": {"queue": {}}});
    rig.create::<RewardPool>(pool).await;
    rig.until("pool-sandbox", "a Deployment", |_: &Deployment| true).await;
    rig.until("pool-pool", "an account", |_: &ServiceAccount| true).await;
    rig.merge::<ServiceAccount>("pool-pool", json!({"automountServiceAccountToken": true})).await;
    rig.until("pool-pool", "the account is put right", |account: &ServiceAccount| {
        account.automount_service_account_token == Some(false)
    })
    .await;
    rig.until("pool-sandbox", "a PodDisruptionBudget", |_: &PodDisruptionBudget| true).await;
    rig.merge::<PodDisruptionBudget>("pool-sandbox", json!({"spec": {"maxUnavailable": "90%"}})).await;
    rig.until("pool-sandbox", "the budget is put right", |budget: &PodDisruptionBudget| {
        serde_json::to_value(&budget.spec).expect("JSON")["maxUnavailable"] == "25%"
    })
    .await;
    rig.merge::<RewardPool>("pool", json!({"spec": {"scaling": {"mode": "horizontalPodAutoscaler"}}})).await;
    rig.until("pool-sandbox", "an autoscaler", |_: &HorizontalPodAutoscaler| true).await;
    rig.merge::<HorizontalPodAutoscaler>("pool-sandbox", json!({"spec": {"maxReplicas": 7}})).await;
    rig.until("pool-sandbox", "the autoscaler is put right", |scaler: &HorizontalPodAutoscaler| {
        scaler.spec.as_ref().is_some_and(|spec| spec.max_replicas == 50)
    })
    .await;
    let manual = json!({"spec": {"scaling": {"mode": "manual"}, "sandbox": {"replicas": 2}}});
    rig.merge::<RewardPool>("pool", manual).await;
    rig.gone::<HorizontalPodAutoscaler>("pool-sandbox").await;
    rig.until("pool-sandbox", "two replicas", |fleet: &Deployment| {
        fleet.spec.as_ref().and_then(|spec| spec.replicas) == Some(2)
    })
    .await;
    rig.merge::<RewardPool>("pool", json!({"spec": {"sandbox": {"runtimeClassName": "not-there"}}})).await;
    rig.gone::<Deployment>("pool-sandbox").await;
}

/// A sweep that is suspended and resumed twice, evaluates, and is deleted after its end.
async fn live_a_sweep(rig: &Rig) {
    rig.open().await;
    rig.trained("trained", &[8]).await;
    rig.ready_pool().await;
    let results = json!({"persistentVolumeClaim": {"claimName": "results"}});
    let spec = json!({"parallelism": 1, "suspend": true, "ttlSecondsAfterFinished": 1, "results": results});
    rig.create_sweep(spec).await;
    let sweep = rig.sweep_phase("Suspended", "SuspendedByUser").await;
    // An index of its own from before is brought up to date.
    rig.create::<ConfigMap>(json!({"metadata": {
        "name": format!("{}-results", sweep.name_any()), "ownerReferences": [sweep.controller_owner_ref(&())],
    }}))
    .await;
    for suspend in [false, true, false] {
        rig.edit_sweep(json!({ "suspend": suspend })).await;
        let (phase, reason) = if suspend { ("Suspending", "SuspendedByUser") } else { ("Running", "CellsRun") };
        rig.sweep_phase(phase, reason).await;
    }
    for _ in 0..2 {
        let cells = rig.wait_for_cells(1).await;
        rig.evaluate(&cells[0].name_any(), 2, 1).await;
        rig.wait_for_cells(0).await;
    }
    rig.sweep_gone().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_charts_roles_are_all_that_is_needed_and_all_of_it_is() {
    let rig = Rig::new("rights").await;
    let token = installed(&rig).await;
    let operator = rig.operator_as(Some(&token), |options| options.leader_elect = true);
    OfAJob::begin(&rig).await;
    tokio::join!(play::<OfAJob>(&rig), live_a_pool(&rig));
    live_a_job(&rig).await;
    lack_pods(&rig).await;
    live_a_sweep(&rig).await;
    rig.quiet().await;
    operator.stop().await.expect("a graceful end");

    let calls = rig.proxy.calls();
    let forbidden: Vec<_> = calls.iter().filter(|call| call.status == Some(403)).map(ToString::to_string).collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    let used: BTreeSet<(String, String, String)> = calls
        .iter()
        .filter(|call| call.reached && !call.resource.is_empty())
        .flat_map(|call| {
            let resource = match &call.subresource {
                Some(part) => format!("{}/{part}", call.resource),
                None => call.resource.clone(),
            };
            let verb = format!("{:?}", call.verb).to_lowercase();
            // A server-side apply that makes the object needs the right to create it too.
            let creates = (verb == "patch" && call.status == Some(201)).then(|| "create".to_owned());
            // A server that does not stream lists is asked for them page by page.
            let lists = (verb == "watch").then(|| "list".to_owned());
            let resource = in_its_place(&resource, call.namespace.as_deref() == Some("default"));
            creates.into_iter().chain(lists).chain([verb]).map(move |verb| (call.group.clone(), resource.clone(), verb))
        })
        .collect();
    let allowed: BTreeSet<(String, String, String)> = TABLE
        .iter()
        .filter(|permission| NOT_HERE.iter().all(|(resource, _)| *resource != permission.resource))
        .flat_map(|permission| {
            let resource = in_its_place(permission.resource, permission.scope == Scope::Default);
            let row = (permission.group.to_owned(), resource);
            permission.verbs.iter().map(move |verb| (row.0.clone(), row.1.clone(), (*verb).to_owned()))
        })
        .collect();
    assert_eq!(used.difference(&allowed).collect::<Vec<_>>(), Vec::<&_>::new(), "used but not in the table");
    assert_eq!(allowed.difference(&used).collect::<Vec<_>>(), Vec::<&_>::new(), "in the table but not used");
    let job = rig.api::<RealTrainingJob>().get(NAME).await.expect("the job of the life").name_any();
    println!("{job}: {} rights, all used", allowed.len());
}
