//! Pools: as large as the work that waits, or as somebody says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, Namespace, is_ready, wait};
use crate::forward::Forward;
use crate::installation::installed;
use crate::jobs::{self, POOL};

/// Programs that keep the sandboxes busy, and for how many seconds each.
const PROGRAMS: usize = 24;
const EACH_SECONDS: u64 = 5;

fn sandboxes(namespace: &Namespace<'_>) -> (usize, usize) {
    let pods = namespace.list("pods", "app.kubernetes.io/component=sandbox");
    (pods.iter().filter(|pod| is_ready(pod)).count(), pods.len())
}

fn count(namespace: &Namespace<'_>, ready: usize) -> Result<(), String> {
    match sandboxes(namespace) {
        (found, all) if found == ready && all == ready => Ok(()),
        (found, all) => Err(format!("{found} of {all} sandboxes are ready, {ready} wanted")),
    }
}

pub(crate) fn follow_the_load(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("load");
    let mut pool: Value = serde_saphyr::from_str(POOL).expect("YAML");
    pool["spec"]["scaling"] = json!({
        "mode": "operator", "targetQueueDepthPerReplica": 4, "scaleDownStabilizationSeconds": 5, "idleSeconds": 5,
    });
    jobs::pool(&namespace, &pool.to_string());
    assert_eq!(sandboxes(&namespace).0, 1);

    let forward = Forward::to(&namespace, "service/quickstart-sandbox");
    let request = json!({
        "program": format!("import time; time.sleep({EACH_SECONDS}); print('slept')"), "limits": {"wallSeconds": 20},
        "tests": [{"kind": "stdin", "stdin": "", "stdout": "slept"}],
    });
    let url = forward.url.join("v1/batch").expect("a URL");
    let client = reqwest::blocking::Client::builder().timeout(Duration::from_mins(3)).build().expect("a client");
    std::thread::scope(|scope| {
        let work: Vec<_> = (0..PROGRAMS)
            .map(|_| {
                scope.spawn(|| {
                    client.post(url.clone()).json(&request).send().and_then(reqwest::blocking::Response::json::<Value>)
                })
            })
            .collect();
        wait(60, "grown", || count(&namespace, 3));
        namespace.show(&["get", "rwp"]);
        namespace.until("rwp", "quickstart", 60, "seen to answer", |pool| {
            let rate =
                pool["status"]["queue"]["throughputPerSecond"].as_str().and_then(|rate| rate.parse::<f64>().ok());
            rate.is_some_and(|rate| rate > 0.0)
        });
        for answer in work {
            let answer = answer.join().expect("no panic").expect("an answer");
            assert_eq!(answer["results"][0]["status"], "passed", "{answer}");
        }
    });
    wait(120, "small again", || count(&namespace, 1));
    namespace.show(&["get", "rwp"]);
    namespace.show(&["get", "events", "--field-selector=involvedObject.kind=RewardPool"]);
}

pub(crate) fn scaled_by_hand(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("manual");
    let mut pool: Value = serde_saphyr::from_str(POOL).expect("YAML");
    pool["spec"]["scaling"] = json!({"mode": "manual"});
    for fleet in ["detector", "sandbox"] {
        pool["spec"][fleet]["replicas"] = 1.into();
        pool["spec"][fleet].as_object_mut().expect("a fleet").remove("scaling");
    }
    jobs::pool(&namespace, &pool.to_string());
    namespace.show(&["scale", "rwp/quickstart", "--replicas=2"]);
    wait(60, "scaled to two", || count(&namespace, 2));
    // Put right: what is killed comes back, what is scaled behind the pool's back goes back.
    namespace.kubectl(&["scale", "deployment/quickstart-sandbox", "--replicas=3"]).expect_success();
    wait(60, "two again", || count(&namespace, 2));
    namespace.show(&["scale", "rwp/quickstart", "--replicas=1"]);
    wait(60, "scaled to one", || count(&namespace, 1));
}
