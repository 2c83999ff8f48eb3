//! Inside a sandbox pod: how strong its walls are, and whether they let honest programs through.

use serde_json::Value;

use crate::cluster::Cluster;
use crate::forward::Forward;
use crate::installation::installed;
use crate::jobs::{self, POOL};

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
}
