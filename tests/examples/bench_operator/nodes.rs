//! Nodes that are simulated.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::sweep::last_words;

const RUNS_FOR: Duration = Duration::from_secs(1);

/// Scheduler and kubelets: each pod runs, and succeeds a second later.
pub(crate) async fn nodes(pods: Api<Pod>) -> Result<()> {
    let mut known = HashSet::new();
    let mut changes =
        std::pin::pin!(watcher(pods.clone(), watcher::Config::default()).default_backoff().applied_objects());
    while let Some(pod) = changes.try_next().await? {
        if known.insert(pod.uid()) {
            tokio::spawn(live(pods.clone(), pod.name_any(), container(&pod), last_words(&pod)));
        }
    }
    Ok(())
}

fn container(pod: &Pod) -> String {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.containers.first())
        .map(|container| container.name.clone())
        .unwrap_or_default()
}

async fn live(pods: Api<Pod>, name: String, container: String, last_words: Option<String>) -> Result<()> {
    static ADDRESS: AtomicU32 = AtomicU32::new(0);
    // RFC 2544: for benchmarks.
    let [_, _, c, d] = ADDRESS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let address = format!("198.18.{c}.{d}");
    let now = jiff::Timestamp::now().to_string();
    let container = |state: Value, ready: bool| json!([{"name": container, "image": "trainer", "imageID": "", "ready": ready, "restartCount": 0, "state": state}]);
    let condition = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now});
    let running = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
        "conditions": [condition("PodScheduled"), condition("Ready")],
        "containerStatuses": container(json!({"running": {"startedAt": now}}), true),
    }});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&running)).await?;
    tokio::time::sleep(RUNS_FOR).await;
    let mut ended = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": jiff::Timestamp::now().to_string()}, "running": null});
    if let Some(words) = last_words {
        ended["terminated"]["message"] = words.into();
    }
    let ended = json!({"status": {"phase": "Succeeded", "containerStatuses": container(ended, false)}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&ended)).await?;
    Ok(())
}
