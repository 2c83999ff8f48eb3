//! Suspension, deletion, devices.

use serde_json::json;

use crate::cluster::{Cluster, Namespace, condition, name, wait};
use crate::installation::installed;
use crate::jobs::{self, LONGEST, POOL, STEPS};
use crate::volume;

/// Everything that the operator makes for a job.
const KINDS: &str = "jobs,pods,services,configmaps,serviceaccounts,networkpolicies";

/// That nothing of a job is left.
pub(crate) fn nothing_of(namespace: &Namespace<'_>, job: &str) -> Result<(), String> {
    let left = namespace.list(KINDS, &format!("real-rl.dev/job={job}"));
    let left: Vec<String> = left.iter().map(|object| format!("{}/{}", object["kind"], name(object))).collect();
    if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
}

pub(crate) fn suspended_and_resumed(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("suspend");
    jobs::pool(&namespace, POOL);
    jobs::start(&namespace, &jobs::short("pause"));
    namespace.until("rtj", "pause", LONGEST, "at step 2", |job| jobs::step(job) >= 2);
    namespace.show(&["patch", "rtj", "pause", "--type=merge", r#"--patch={"spec":{"suspend":true}}"#]);
    let job = namespace.until("rtj", "pause", 60, "suspended", |job| job["status"]["phase"] == "Suspended");
    let at = jobs::step(&job);
    assert!((2..STEPS).contains(&at), "suspended after step {at}");
    assert_eq!(condition(&job, "Suspended"), "True");
    assert!(namespace.list("pods", "real-rl.dev/job=pause").is_empty(), "pods of a suspended job");
    namespace.show(&["get", "rtj"]);
    namespace.show(&["patch", "rtj", "pause", "--type=merge", r#"--patch={"spec":{"suspend":false}}"#]);
    let job = jobs::complete(&namespace, "pause", LONGEST);
    assert_eq!(jobs::step(&job), STEPS);
    assert_eq!(job["status"]["attempt"], 2);
    let restarts = &job["status"]["restarts"];
    assert!(
        restarts.is_null() || *restarts == json!({"failures": 0, "preemptions": 0}),
        "suspension counts: {restarts}"
    );
    let steps: Vec<u64> = volume::samples(&namespace, "pause").into_keys().collect();
    assert_eq!(steps, (1..=STEPS).collect::<Vec<_>>(), "steps were lost or done in vain");
    namespace.show(&["get", "events", "--field-selector=involvedObject.kind=RealTrainingJob"]);
}

pub(crate) fn deleted(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("delete");
    jobs::pool(&namespace, POOL);
    jobs::start(&namespace, &jobs::short("gone"));
    namespace.until("rtj", "gone", LONGEST, "at step 1", |job| jobs::step(job) >= 1);
    assert!(nothing_of(&namespace, "gone").is_err(), "the label names nothing");
    namespace.show(&["delete", "rtj", "gone"]);
    wait(90, "gone", || nothing_of(&namespace, "gone"));
    namespace.show(&["delete", "rwp", "quickstart"]);
    wait(90, "gone", || {
        let left = namespace.list(
            "deployments,pods,services,networkpolicies,poddisruptionbudgets,serviceaccounts",
            "real-rl.dev/pool=quickstart",
        );
        if left.is_empty() { Ok(()) } else { Err(left.iter().map(name).collect::<Vec<_>>().join(", ")) }
    });
    assert!(namespace.get("pvc", "gone").is_some(), "the volume is the user's");
}

pub(crate) fn waits_for_its_gpu(cluster: &Cluster) {
    if cluster.own.is_none() {
        println!("skipped: the node's devices are not this test's to change");
        return;
    }
    installed(cluster);
    let namespace = cluster.namespace("gpu");
    jobs::pool(&namespace, POOL);
    let mut job = jobs::short("gpu");
    job["spec"]["trainer"]["resourcesPerNode"] = json!({"limits": {"nvidia.com/gpu": "1"}});
    jobs::start(&namespace, &job);
    namespace.until("rtj", "gpu", 60, "told that it has to wait", |job| {
        job["status"]["phase"] == "Starting" && job["status"]["reason"] == "Unschedulable"
    });
    namespace.show(&["get", "rtj", "--output=wide"]);
    capacity(cluster, r#"[{"op":"add","path":"/status/capacity/nvidia.com~1gpu","value":"1"}]"#);
    namespace.until("rtj", "gpu", 120, "running", |job| job["status"]["phase"] == "Running");
    let job = jobs::complete(&namespace, "gpu", LONGEST);
    assert_eq!(job["status"]["attempt"], 1);
    capacity(cluster, r#"[{"op":"remove","path":"/status/capacity/nvidia.com~1gpu"}]"#);
}

/// Changes what the node says it has.
fn capacity(cluster: &Cluster, patch: &str) {
    let node = cluster.kubectl(&["get", "nodes", "--output=name"]).expect_success();
    let patch = format!("--patch={patch}");
    cluster.kubectl(&["patch", node.trim(), "--subresource=status", "--type=json", &patch]).expect_success();
}
