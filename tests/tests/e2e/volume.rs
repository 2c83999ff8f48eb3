//! What a trainer wrote to its volume, read by a pod, as on any cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::Namespace;
use crate::installation::registry;

/// Prints every sample of every step, each with its step.
const READER: &str = r"
import glob, json, os, re
for path in glob.glob('/data/**/samples/step-*.jsonl', recursive=True):
    step = int(re.search(r'step-(\d+)', path).group(1))
    for line in open(path):
        print(json.dumps([step, json.loads(line)]))
";

/// What was scored, by step: the parts that do not depend on how long anything took.
pub(crate) type Samples = BTreeMap<u64, Vec<Value>>;

/// Reads the samples of a run.
pub(crate) fn samples(namespace: &Namespace<'_>, claim: &str) -> Samples {
    let pod = format!("{claim}-reader");
    let restricted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let image = format!(
        "{}real-sandbox:{}",
        registry().map(|registry| registry + "/").unwrap_or_default(),
        env!("CARGO_PKG_VERSION")
    );
    let manifest = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsUser": 65_534, "runAsGroup": 65_534, "fsGroup": 65_534},
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
            "containers": [{
                "name": "reader", "image": image, "command": ["python3", "-c", READER], "securityContext": restricted,
                "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": true}],
            }],
        },
    });
    namespace.apply(&manifest.to_string());
    namespace
        .until("pod", &pod, 60, "over", |pod| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
    let text = namespace.kubectl(&["logs", &pod]).expect_success();
    namespace.kubectl(&["delete", "pod", &pod, "--wait=false"]).expect_success();
    let mut samples = Samples::new();
    for line in text.lines() {
        let (step, sample): (u64, Value) = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        samples.entry(step).or_default().push(essence(&sample));
    }
    samples
}

/// A sample without times.
fn essence(sample: &Value) -> Value {
    let scored = &sample["scored"];
    let verdicts = scored["verdicts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let verdicts: Vec<&Value> = verdicts.iter().map(|verdict| &verdict["status"]).collect();
    json!({
        "task": sample["task"], "response": sample["response"], "dropped": sample["dropped"],
        "reward": scored["reward"], "quality": scored["quality"], "function": scored["function"],
        "runnable": scored["runnable"], "verdicts": verdicts,
    })
}
