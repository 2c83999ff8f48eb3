//! Training jobs to try things on.

use serde_json::{Value, json};

use crate::cluster::{Namespace, condition};

/// The pool that `examples/quickstart.yaml` names, of a size for a small node.
pub(crate) const POOL: &str = include_str!("../../../examples/rewardpool-small.yaml");
const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");
/// Steps of a short job.
pub(crate) const STEPS: u64 = 6;
/// Seconds within which a short job has to be over, whatever happens to it.
pub(crate) const LONGEST: u64 = 300;

/// The quickstart, cut to some seconds: small batches, no evaluation, a checkpoint each step in a volume.
pub(crate) fn short(name: &str) -> Value {
    let mut job: Value = serde_saphyr::from_str(QUICKSTART).expect("YAML");
    job["metadata"]["name"] = name.into();
    let spec = &mut job["spec"];
    spec["algorithm"]["ppo"]["steps"] = STEPS.into();
    spec["algorithm"]["ppo"]["batchSize"] = 64.into();
    spec["evaluation"] = json!({"everySteps": 0, "beforeTraining": false});
    spec["datasets"]["eval"] = json!([]);
    spec["checkpoint"] = json!({
        "everySteps": 1, "retain": 2, "storage": {"persistentVolumeClaim": {"claimName": name}},
    });
    spec["trainer"] = json!({"terminationGracePeriodSeconds": 60});
    spec["restartPolicy"] = json!({"backoffLimit": 3});
    job
}

/// Creates a short job with its volume.
pub(crate) fn start(namespace: &Namespace<'_>, job: &Value) {
    let name = crate::cluster::name(job);
    namespace.apply(
        &json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        })
        .to_string(),
    );
    namespace.apply(&job.to_string());
}

/// Creates the small pool, and waits until it can judge.
pub(crate) fn pool(namespace: &Namespace<'_>, manifest: &str) {
    namespace.apply(manifest);
    namespace.kubectl(&["wait", "--for=condition=Ready", "rwp/quickstart", "--timeout=120s"]).expect_success();
}

/// Steps done, as the status has them.
pub(crate) fn step(job: &Value) -> u64 {
    job["status"]["progress"]["step"].as_u64().unwrap_or(0)
}

/// Waits for the end of a job that has to end well.
pub(crate) fn complete(namespace: &Namespace<'_>, name: &str, seconds: u64) -> Value {
    let job = namespace.until("rtj", name, seconds, "over", |job| {
        condition(job, "Complete") == "True" || condition(job, "Failed") == "True"
    });
    assert_eq!(condition(&job, "Complete"), "True", "{name}: {}", job["status"]);
    job
}
