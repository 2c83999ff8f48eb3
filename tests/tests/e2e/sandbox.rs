//! Inside a sandbox pod: how strong its walls are, and whether they let honest programs through.

use std::time::Instant;

use real_sandbox_attacks::{Aim, Route, Selection, attack, survivors};
use real_tests::bundled::{QUICKSTART, unconfirmed_solutions};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::forward::Forward;
use crate::installation::installed;
use crate::jobs::{self, POOL};

/// Requests at once; the pod has two workers.
const CONCURRENCY: usize = 8;

pub(crate) fn isolated(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("sandbox");
    jobs::pool(&namespace, POOL);
    let forward = Forward::to(&namespace, "service/quickstart-sandbox");
    let client = reqwest::blocking::Client::new();
    let health = client.get(forward.url.join("healthz").expect("a URL")).send().expect("an answer");
    let health: Value = health.json().expect("JSON");
    println!("the sandbox says {health}");
    let tier = health["tier"].as_str().expect("a tier").to_owned();
    assert!(["A", "B", "G"].contains(&tier.as_str()), "programs would run without isolation: {health}");
    let pool = namespace.until("rwp", "quickstart", 60, "verified", |pool| {
        crate::cluster::condition(pool, "IsolationVerified") == "True"
    });
    let conditions = pool["status"]["conditions"].as_array().expect("conditions");
    let verified = conditions.iter().find(|condition| condition["type"] == "IsolationVerified").expect("it is there");
    assert!(
        verified["message"].as_str().is_some_and(|message| message.ends_with(&format!("tier {tier}"))),
        "{verified}"
    );

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let aim = Aim::pod();
    // The sandbox's own tests do it by `/run_code` too.
    let selection = Selection { routes: vec![Route::Batch], ..Selection::default() };
    let report = runtime.block_on(attack(&forward.url, &aim, &selection)).expect("every request is answered");
    println!("{report}");
    assert!(report.wrong().is_empty(), "{}", report.wrong().join("\n"));
    if cluster.own.is_some() {
        assert_eq!(survivors(&aim).expect("/proc"), [""; 0], "processes survive");
    }

    let started = Instant::now();
    let solutions = unconfirmed_solutions(&forward.url, &QUICKSTART, CONCURRENCY);
    let failed = runtime.block_on(solutions).expect("every request is answered");
    println!("the quickstart's solutions: {} do not pass, {:.0} s", failed.len(), started.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{failed:#?}");

    let pods = namespace.list("pods", "app.kubernetes.io/component=sandbox");
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    assert!(pods.iter().all(|pod| restarts(pod) == Some(0)), "an attack ended the pod's program");
}
