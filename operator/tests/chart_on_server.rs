//! The chart on a real API server: what it renders is accepted, its roles let the operator do what the table says and no
//! more, and installing, upgrading and uninstalling leave what they should.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use real_operator::migrate::migrate;
use real_operator::rbac::{Permission, Scope, TABLE};
use real_test_kube::ControlPlane;
use serde_json::{Value, json};

#[path = "support/access.rs"]
mod access;
#[path = "support/helm.rs"]
mod helm;

use access::may;
use helm::{NAMESPACE, chart, values, ways};

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);

/// Kinds of the Prometheus operator, which is not there.
const ABSENT: [&str; 3] = ["ServiceMonitor", "PodMonitor", "PrometheusRule"];

/// Makes the namespaces the ways of installing name. Pod Security Admission warns of pods that are not restricted.
async fn namespaces(cluster: &ControlPlane) {
    for name in [NAMESPACE, "team-a", "team-b", "2024"] {
        let namespace = json!({
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/warn": "restricted"}},
        });
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        Api::all(cluster.client()).create(&PostParams::default(), &namespace).await.unwrap();
    }
}

fn install(cluster: &ControlPlane, arguments: &[&str]) -> String {
    let chart = chart().display().to_string();
    let arguments = [&["install", "real", &chart, "--namespace", NAMESPACE], arguments].concat();
    cluster.helm(&arguments).expect_success()
}

async fn definitions(cluster: &ControlPlane) -> Vec<CustomResourceDefinition> {
    Api::all(cluster.client()).list(&ListParams::default()).await.unwrap().items
}

/// Names of all objects of the release, in all namespaces and of all kinds that can be listed. Asks again while kinds come
/// or go: the list of kinds is a little behind the definitions.
fn objects(cluster: &ControlPlane) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "--output=name"], None).expect_success();
        let kinds = kinds.lines().collect::<Vec<_>>().join(",");
        let selector = "--selector=app.kubernetes.io/instance=real";
        let output = cluster.kubectl(&["get", &kinds, "--all-namespaces", selector, "--output=name"], None);
        if output.success {
            return output.stdout.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < deadline, "{}", output.stderr);
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_accepts_what_every_way_renders_without_a_warning() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    for way in ways() {
        let documents = helm::template(&["--values", &values(&way)]).unwrap();
        let documents = documents.into_iter().filter(|document| !ABSENT.contains(&document["kind"].as_str().unwrap()));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": documents.collect::<Vec<Value>>()});
        let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-"];
        let output = cluster.kubectl(&arguments, Some(&list.to_string()));
        assert!(output.success, "{way}: {}", output.stderr);
        assert_eq!(output.stderr, "", "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_upgrading_and_uninstalling_leaves_nothing() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    let before = objects(&cluster);
    assert_eq!(before, Vec::<String>::new());

    install(&cluster, &["--values", &values("crds-unkept")]);
    let installed = objects(&cluster);
    assert!(installed.iter().any(|name| name.ends_with("/real-operator")), "{installed:?}");
    assert_eq!(definitions(&cluster).await.len(), 3);

    let chart = chart().display().to_string();
    let everything = ["upgrade", "real", &chart, "--namespace", NAMESPACE, "--values", &values("everything")];
    let switches = ["--set", "crds.keep=false,serviceMonitor.enabled=false,prometheusRule.enabled=false"];
    cluster.helm(&[&everything[..], &switches[..]].concat()).expect_success();
    let upgraded = objects(&cluster);
    assert!(upgraded.iter().any(|name| name.ends_with("/real-everything")), "{upgraded:?}");
    assert!(!upgraded.iter().any(|name| name.ends_with("/real-operator")), "{upgraded:?}");

    cluster.helm(&["uninstall", "real", "--namespace", NAMESPACE]).expect_success();
    assert_eq!(objects(&cluster), Vec::<String>::new());
    assert!(definitions(&cluster).await.is_empty());
}

const POOL: &str =
    r#"{"apiVersion": "real-rl.dev/v1alpha1", "kind": "RewardPool", "metadata": {"name": "judges"}, "spec": {}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn kept_definitions_and_their_objects_outlive_the_chart_and_are_taken_up_again() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    install(&cluster, &[]);
    // A kind is served a moment after its definition is there.
    cluster.kubectl_until(&["get", "rewardpools", "--all-namespaces"], |_| true);
    cluster.kubectl(&["create", "--namespace=team-a", "--filename=-"], Some(POOL)).expect_success();

    cluster.helm(&["uninstall", "real", "--namespace", NAMESPACE]).expect_success();
    let left = objects(&cluster);
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(definitions(&cluster).await.len(), 3);

    install(&cluster, &[]);
    let pools = cluster.kubectl(&["get", "rewardpools", "--namespace=team-a", "--output=name"], None).expect_success();
    assert_eq!(pools.trim(), "rewardpool.real-rl.dev/judges");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_installs_its_own_beside_the_clusters() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    install(&cluster, &["--set-json", r#"watchNamespaces=["2024"]"#]);
    let (chart, values) = (chart().display().to_string(), values("namespaced"));
    let arguments =
        ["install", "real", &chart, "--namespace=team-a", "--values", &values, "--set=priorityClass.create=true"];
    cluster.helm(&arguments).expect_success();
    cluster.helm(&["uninstall", "real", "--namespace=team-a"]).expect_success();
    allowed_exactly(&cluster, "2024", &[Scope::Cluster, Scope::Watched]).await;
    allowed_exactly(&cluster, "team-a", &[Scope::Cluster]).await;
}

/// What Helm does not do with definitions in a chart's folder `crds`.
#[tokio::test(flavor = "multi_thread")]
async fn upgrading_the_chart_upgrades_the_definitions() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    let old = tempfile::tempdir().unwrap();
    let status =
        std::process::Command::new("cp").arg("-r").arg(chart()).arg(old.path().join("chart")).status().unwrap();
    assert!(status.success());
    let file = old.path().join("chart/files/crds/real-rl.dev_realevalsweeps.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let older = text.replace("    shortNames:\n    - esw\n", "");
    assert_ne!(text, older);
    std::fs::write(&file, older).unwrap();

    let old = old.path().join("chart").display().to_string();
    cluster.helm(&["install", "real", &old, "--namespace", NAMESPACE]).expect_success();
    let short_names = || async {
        let name = "realevalsweeps.real-rl.dev";
        Api::<CustomResourceDefinition>::all(cluster.client()).get(name).await.unwrap().spec.names.short_names
    };
    assert_eq!(short_names().await, None);
    let new = chart().display().to_string();
    cluster.helm(&["upgrade", "real", &new, "--namespace", NAMESPACE]).expect_success();
    assert_eq!(short_names().await, Some(vec!["esw".to_owned()]));
}

fn upgrade(cluster: &ControlPlane, versions: &str) -> real_test_kube::Output {
    let chart = chart().display().to_string();
    let versions = format!("crds.versions={{{versions}}}");
    cluster.helm(&["upgrade", "real", &chart, "--namespace", NAMESPACE, "--set", &versions])
}

/// Forth and back, as docs/how-to/platform.md says.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_served_by_a_value_and_leaves_once_no_object_is_stored_in_it() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    install(&cluster, &[]);
    cluster.kubectl(&["create", "--namespace=team-a", "--filename=-"], Some(POOL)).expect_success();

    upgrade(&cluster, "v1beta1,v1alpha1").expect_success();
    let get = ["get", "rewardpools.v1beta1.real-rl.dev", "--namespace=team-a", "--output=name"];
    assert_eq!(cluster.kubectl_until(&get, |said| !said.is_empty()).trim(), "rewardpool.real-rl.dev/judges");
    let backup = tempfile::tempdir().unwrap();
    migrate(&cluster.client(), &backup.path().join("forth"), false).await.unwrap();
    assert!(backup.path().join("forth/rewardpools/team-a/judges.yaml").is_file());

    // An upgrade with the values of before would be refused by the API server, in words that help nobody.
    let refused = upgrade(&cluster, "v1alpha1");
    assert!(!refused.success);
    for word in ["may be stored as v1beta1", "last of crds.versions", "real-operator migrate"] {
        assert!(refused.stderr.contains(word), "{word:?} is not in: {}", refused.stderr);
    }
    upgrade(&cluster, "v1alpha1,v1beta1").expect_success();
    migrate(&cluster.client(), &backup.path().join("back"), false).await.unwrap();
    upgrade(&cluster, "v1alpha1").expect_success();
    let get = ["get", "rewardpools.v1alpha1.real-rl.dev", "--namespace=team-a", "--output=name"];
    assert_eq!(cluster.kubectl_until(&get, |said| !said.is_empty()).trim(), "rewardpool.real-rl.dev/judges");
}

/// Fails unless, in `namespace`, exactly the verbs of the table's permissions in `scopes` are allowed.
async fn allowed_exactly(cluster: &ControlPlane, namespace: &str, scopes: &[Scope]) {
    const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let client = cluster.client();
    for Permission { group, resource, .. } in TABLE {
        for verb in VERBS {
            // Something may be needed in several places.
            let grants = |line: &Permission| {
                (line.group, line.resource) == (*group, *resource)
                    && scopes.contains(&line.scope)
                    && line.verbs.contains(&verb)
            };
            let expected = TABLE.iter().any(grants);
            // The authorizer hears of roles and bindings by watches.
            let deadline = Instant::now() + PATIENCE;
            while may(&client, NAMESPACE, namespace, (group, resource), verb).await != expected {
                assert!(Instant::now() < deadline, "{verb} {resource} in {namespace:?} is not {expected}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    for verb in VERBS {
        assert!(!may(&client, NAMESPACE, namespace, ("", "secrets"), verb).await, "{verb} secrets in {namespace:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_all_namespaces_the_operator_may_do_what_the_table_says() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    install(&cluster, &[]);
    allowed_exactly(&cluster, "", &[Scope::Cluster, Scope::Watched]).await;
    allowed_exactly(&cluster, "team-a", &[Scope::Cluster, Scope::Watched]).await;
    allowed_exactly(&cluster, NAMESPACE, &[Scope::Cluster, Scope::Watched, Scope::Own]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_named_namespaces_the_operator_may_do_nothing_elsewhere() {
    let cluster = ControlPlane::start().unwrap();
    namespaces(&cluster).await;
    install(&cluster, &["--values", &values("namespaced")]);
    allowed_exactly(&cluster, "team-a", &[Scope::Cluster, Scope::Watched]).await;
    allowed_exactly(&cluster, "team-b", &[Scope::Cluster, Scope::Watched]).await;
    allowed_exactly(&cluster, "2024", &[Scope::Cluster]).await;
    allowed_exactly(&cluster, "default", &[Scope::Cluster, Scope::Default]).await;
    allowed_exactly(&cluster, "", &[Scope::Cluster]).await;
    allowed_exactly(&cluster, NAMESPACE, &[Scope::Cluster, Scope::Own]).await;
}
