//! A sweep over the checkpoints that a job kept and the model that it began with, at two temperatures.

use serde_json::{Value, json};

use crate::cluster::{self, Cluster, condition, wait};
use crate::installation::installed;
use crate::jobs;

const SWEEP: &str = include_str!("../../../examples/eval-sweep.yaml");
/// Seconds for six cells of 32 tasks, two at a time, each with its model to load.
const LONGEST: u64 = 600;
/// Cells with a result, a line each.
const CELLS: &str = r#"--output=jsonpath={range .status.cells[*]}{.joint}{"\t"}{.function}{"\t"}{.quality}{"\t"}{.n}{"\t"}{.target}{"\t"}{.settings}{"\n"}{end}"#;

pub(crate) fn evaluates(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("sweep");
    jobs::pool(&namespace, jobs::POOL);
    let mut job = jobs::short("trained");
    job["metadata"]["labels"] = json!({"team": "quickstart"});
    jobs::start(&namespace, &job);
    let job = jobs::complete(&namespace, "trained", jobs::LONGEST);
    let checkpoints = job["status"]["checkpoints"].as_array().expect("checkpoints").len();

    let mut sweep: Value = serde_saphyr::from_str(SWEEP).expect("YAML");
    let name = namespace.name.clone();
    sweep["metadata"]["name"] = name.clone().into();
    sweep["spec"]["runNamespace"] = name.clone().into();
    sweep["spec"]["suites"][0]["limit"] = 32.into();
    namespace.apply(&sweep.to_string());
    namespace
        .until("esw", &name, 60, "told what it waits for", |sweep| sweep["status"]["reason"] == "NamespaceNotAllowed");
    cluster.kubectl(&["label", "namespace", &name, "real-rl.dev/eval-sweeps=allowed"]).expect_success();
    namespace.until("esw", &name, 120, "running", |sweep| sweep["status"]["phase"] == "Running");
    namespace.show(&["get", "esw", &name, "--output=wide"]);
    let sweep = namespace.until("esw", &name, LONGEST, "over", |sweep| {
        condition(sweep, "Complete") == "True" || condition(sweep, "Failed") == "True"
    });
    namespace.show(&["get", "esw", &name, "--output=wide"]);
    namespace.show(&["get", "esw", &name, CELLS]);
    let status = &sweep["status"];
    assert_eq!(condition(&sweep, "Complete"), "True", "{status}");
    let counts = &status["counts"];
    assert_eq!(
        (counts["total"].as_u64(), counts["succeeded"].as_u64()),
        (Some(2 * (checkpoints as u64 + 1)), counts["total"].as_u64()),
        "{status}"
    );
    for cell in status["cells"].as_array().expect("cells") {
        let answers = if cell["settings"].as_str().is_some_and(|settings| settings.contains("temperature=0.8")) {
            128
        } else {
            32
        };
        assert_eq!((cell["n"].as_u64(), cell["dropped"].as_u64()), (Some(answers), Some(0)), "{cell}");
    }
    cluster.kubectl(&["delete", "esw", &name, "--wait=true", "--timeout=60s"]).expect_success();
    wait(90, "gone", || {
        let left = namespace.list("jobs,pods,networkpolicies,serviceaccounts", &format!("real-rl.dev/sweep={name}"));
        if left.is_empty() { Ok(()) } else { Err(left.iter().map(cluster::name).collect::<Vec<_>>().join(", ")) }
    });
}
