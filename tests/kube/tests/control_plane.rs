//! The control plane itself: it starts, is reached in every way, and leaves nothing behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use real_test_kube::{ControlPlane, shared};
use serde_json::json;

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);

fn config_map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

/// The command lines of the running processes that mention `folder`.
fn processes_of(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(&*folder.to_string_lossy())).collect()
}

#[tokio::test]
async fn the_server_says_its_version_and_answers_kubectl_and_helm() {
    let cluster = shared();
    let version = cluster.client().apiserver_version().await.unwrap();
    assert!(version.git_version.starts_with("v1."), "{version:?}");
    let told = cluster.kubectl(&["version", "-o", "json"], None).expect_success();
    assert!(told.contains(&version.git_version), "{told}");
    let namespaces = cluster.kubectl(&["get", "namespaces", "-o", "name"], None).expect_success();
    assert!(namespaces.contains("namespace/default"), "{namespaces}");
    assert_eq!(cluster.helm(&["list", "--short"]).expect_success().trim(), "");
}

#[tokio::test]
async fn kubectl_reads_standard_input_and_says_what_is_wrong() {
    let cluster = shared();
    let namespace = cluster.namespace("stdin").await;
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: value}}";
    cluster.kubectl(&["apply", "-n", &namespace, "-f", "-"], Some(manifest)).expect_success();
    let read = Api::<ConfigMap>::namespaced(cluster.client(), &namespace).get("a").await.unwrap();
    assert_eq!(read.data.unwrap()["key"], "value");
    let missing = cluster.kubectl(&["get", "configmap", "b", "-n", &namespace], None);
    assert!(!missing.success && missing.stderr.contains("NotFound"), "{missing:?}");
}

#[tokio::test]
async fn namespaces_are_fresh_and_take_pods() {
    let cluster = shared();
    let (first, second) = (cluster.namespace("pods").await, cluster.namespace("pods").await);
    assert_ne!(first, second);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "none" }] },
    }))
    .unwrap();
    let made = Api::namespaced(cluster.client(), &first).create(&PostParams::default(), &pod).await.unwrap();
    assert_eq!(made.spec.unwrap().service_account_name.as_deref(), Some("default"));
}

#[tokio::test]
async fn a_service_account_may_do_what_rbac_allows_it_and_no_more() {
    let cluster = shared();
    let namespace = cluster.namespace("rbac").await;
    let client = cluster.client_with_token(&cluster.token(&namespace, "default").await);
    let maps = Api::<ConfigMap>::namespaced(client.clone(), &namespace);
    let refused = maps.list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("system:serviceaccount:{namespace}:default")), "{refused}");
    let subject = format!("--serviceaccount={namespace}:default");
    for arguments in [
        ["create", "role", "reader", "--verb=list", "--resource=configmaps"],
        ["create", "rolebinding", "reader", "--role=reader", &subject],
    ] {
        cluster.kubectl(&[&arguments[..], &["-n", &namespace]].concat(), None).expect_success();
    }
    // The authorizer learns of a new role by a watch.
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = maps.list(&ListParams::default()).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = Api::<Secret>::namespaced(client, &namespace).list(&ListParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
}

#[tokio::test]
async fn users_and_groups_are_those_of_the_certificate() {
    let cluster = shared();
    let nobody = cluster.client_as("nobody", None).unwrap();
    let refused = Api::<Namespace>::all(nobody).list(&ListParams::default()).await.unwrap_err().to_string();
    assert!(refused.contains("User \"nobody\""), "{refused}");
    let admin = cluster.client_as("another", Some("system:masters")).unwrap();
    Api::<Namespace>::all(admin).list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn what_was_written_outlives_the_api_server() {
    let cluster = ControlPlane::start().unwrap();
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), "default");
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();
    cluster.stop_api_server();
    let refused = maps.get("kept").await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "{refused}");
    cluster.start_api_server().unwrap();
    maps.get("kept").await.unwrap();
    cluster.restart_api_server().unwrap();
    maps.get("kept").await.unwrap();
    let folder = cluster.folder().to_owned();
    assert_eq!(processes_of(&folder).len(), 3, "{:?}", processes_of(&folder));
    cluster.stop();
    assert_eq!((processes_of(&folder), folder.exists()), (Vec::new(), false));
}

#[test]
fn an_api_server_that_does_not_start_says_why() {
    let error = ControlPlane::start_with(&["--no-such-flag"]).unwrap_err().to_string();
    assert!(error.contains("kube-apiserver ended") && error.contains("unknown flag: --no-such-flag"), "{error}");
}

/// Not a test but what the next one runs: it says where it is and waits to be killed.
#[test]
#[ignore = "run by nothing_is_left_of_a_test_that_is_killed"]
fn a_test_that_waits_to_be_killed() {
    let cluster = shared();
    let file = std::env::var_os("REAL_TEST_KUBE_TELL").expect("the test that runs this one says where to tell");
    std::fs::write(file, cluster.folder().to_str().unwrap()).unwrap();
    std::thread::sleep(Duration::from_mins(10));
}

#[test]
fn nothing_is_left_of_a_test_that_is_killed() {
    let told = tempfile::NamedTempFile::new().unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_test_that_waits_to_be_killed"])
        .env("REAL_TEST_KUBE_TELL", told.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let wait = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let folder = || PathBuf::from(std::fs::read_to_string(told.path()).unwrap());
    wait("the control plane has not started", &|| folder().is_dir());
    let folder = folder();
    assert!(processes_of(&folder).iter().any(|line| line.contains("kube-apiserver")));
    test.kill().unwrap();
    test.wait().unwrap();
    wait("processes or files remain", &|| processes_of(&folder).is_empty() && !folder.exists());
}
