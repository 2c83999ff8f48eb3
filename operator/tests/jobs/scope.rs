//! How far the operator's hands reach.

use k8s_openapi::api::batch::v1::Job;
use real_crds::v1alpha1::RealTrainingJob;
use real_operator::rbac::{Scope, TABLE};
use serde_json::json;

use crate::rig::{Rig, sft};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_two_namespaces_leaves_a_third_alone() {
    let (one, two, other) = (Rig::new("one").await, Rig::new("two").await, Rig::new("other").await);
    let watched = vec![one.namespace.clone(), two.namespace.clone()];
    let _operator = one.operator_with(|options| options.watch_namespaces = watched);
    let left = other.create::<RealTrainingJob>(sft("job", json!({}))).await;
    for rig in [&one, &two] {
        rig.create::<RealTrainingJob>(sft("job", json!({}))).await;
        rig.phase("job", "Starting", "AttemptStarted").await;
    }
    one.quiet().await;
    let now = other.api::<RealTrainingJob>().get("job").await.unwrap();
    assert_eq!((now.metadata.resource_version, now.status), (left.metadata.resource_version, None));
    assert_eq!(other.all::<Job>().await.len(), 0);
    let reached = one.proxy.count(|call| call.path.contains(&other.namespace));
    assert_eq!(reached, 0, "it does not even read there");
    let of_the_cluster = |resource: &str| {
        TABLE.iter().any(|permission| permission.resource == resource && permission.scope == Scope::Cluster)
    };
    let everywhere = one
        .proxy
        .count(|call| !call.resource.is_empty() && call.namespace.is_none() && !of_the_cluster(&call.resource));
    assert_eq!(everywhere, 0, "nor does it ask for all namespaces: {:#?}", one.proxy.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let rig = Rig::new("dry").await;
    rig.create::<RealTrainingJob>(sft("dry", json!({}))).await;
    let operator = rig.operator_with(|options| (options.dry_run, options.leader_elect) = (true, true));
    operator.has_looked().await;
    rig.merge::<RealTrainingJob>("dry", json!({"spec": {"suspend": true}})).await;
    rig.quiet().await;
    let writes = rig.proxy.count(|call| call.verb.is_write());
    assert_eq!(writes, 0, "{:#?}", rig.write_log());
    operator.stop().await.unwrap();
}
