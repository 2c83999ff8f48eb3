//! `kubectl apply` of the file that `make demo` runs.

use crate::cluster::{Cluster, condition};
use crate::installation::installed;
use crate::jobs;

/// Seconds for the whole of it; two minutes on two quiet cores.
const LONGEST: u64 = 900;

/// Lists of the status, a line an entry.
const CHECKPOINTS: &str =
    r#"--output=jsonpath={range .status.checkpoints[*]}{.step}{"\t"}{.time}{"\t"}{.sizeBytes}{"\t"}{.uri}{"\n"}{end}"#;
const EVALUATIONS: &str = r#"--output=jsonpath={range .status.evaluations[*]}{.suite}{"\t"}{.step}{"\t"}{.decoding}{"\t"}{.n}{"\t"}{.function}{"\t"}{.quality}{"\t"}{.joint}{"\n"}{end}"#;

pub(crate) fn trains(cluster: &Cluster) {
    installed(cluster);
    let namespace = cluster.namespace("quickstart");
    namespace.show(&["apply", "--filename=examples/rewardpool-small.yaml"]);
    namespace.show(&["wait", "--for=condition=Ready", "rwp/quickstart", "--timeout=120s"]);
    namespace.show(&["apply", "--filename=examples/quickstart.yaml"]);
    namespace.show(&["get", "rtj,rwp"]);
    let running = namespace.until("rtj", "quickstart", 120, "running", |job| job["status"]["phase"] == "Running");
    assert_eq!(running["status"]["attempt"], 1);
    namespace.until("rtj", "quickstart", LONGEST, "at step 3", |job| jobs::step(job) >= 3);
    namespace.show(&["get", "rtj", "--output=wide"]);
    namespace.show(&["get", "pods", "--output=wide"]);

    let wait = ["wait", "--for=condition=Complete", "rtj/quickstart", &format!("--timeout={LONGEST}s")];
    namespace.show(&wait);
    namespace.show(&["get", "rtj"]);
    namespace.show(&["get", "rwp"]);
    namespace.show(&["get", "events", "--field-selector=involvedObject.kind=Job"]);
    namespace.show(&["get", "rtj", "quickstart", CHECKPOINTS]);
    namespace.show(&["get", "rtj", "quickstart", EVALUATIONS]);
    let log = namespace.show(&["logs", "job/quickstart-1", "--tail=12"]);
    assert!(log.contains("step 16/16") && !log.contains('\u{1b}'), "the log is not as a user reads it: {log}");

    let job = namespace.get("rtj", "quickstart").expect("it is there");
    let status = &job["status"];
    assert_eq!(status["phase"], "Succeeded");
    assert_eq!((status["progress"]["step"].as_u64(), status["progress"]["percentage"].as_u64()), (Some(16), Some(100)));
    assert_eq!(condition(&job, "Failed"), "False");
    let checkpoints = status["checkpoints"].as_array().expect("checkpoints");
    let steps: Vec<u64> = checkpoints.iter().filter_map(|checkpoint| checkpoint["step"].as_u64()).collect();
    assert_eq!(steps, [16, 8]);
    assert!(checkpoints.iter().all(|checkpoint| checkpoint["sha256"].as_str().is_some_and(|hash| hash.len() == 64)));

    let joint = |step: u64, decoding: &str| -> f64 {
        let evaluations = status["evaluations"].as_array().expect("evaluations");
        let found = evaluations.iter().find(|record| record["step"] == step && record["decoding"] == decoding);
        let record = found.unwrap_or_else(|| panic!("no {decoding} evaluation after step {step}: {evaluations:?}"));
        record["joint"].as_str().and_then(|rate| rate.parse().ok()).expect("a rate")
    };
    for decoding in ["sampled", "greedy"] {
        println!("joint rate, {decoding}: {:.3} -> {:.3}", joint(0, decoding), joint(16, decoding));
    }
    // What scripts/check-demo asks of `make demo`.
    assert!(joint(16, "sampled") >= 3.0 * joint(0, "sampled") && joint(16, "sampled") > 0.0, "training taught nothing");
}
