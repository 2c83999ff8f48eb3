//! The checks for a GPU, with a tiny model on the CPU: that they work, and that one which fails stops none.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn gpu_check(arguments: &[&str]) -> (Output, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_real-trainer"))
        .args(["gpu-check", "--tiny"])
        .args(arguments)
        .output()
        .expect("the trainer starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report)
}

fn status<'a>(report: &'a Value, check: &str) -> &'a Value {
    let found = report["checks"].as_array().into_iter().flatten().find(|result| result["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {report}"))
}

#[test]
fn every_check_gives_its_figures_on_a_cpu_and_a_peer_that_is_not_there_is_skipped() {
    let (output, report) = gpu_check(&["--device", "cpu", "--python", "/nowhere/python"]);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    for (check, figure) in [
        ("numbers", "logits_max_difference"),
        ("attention", "decode"),
        ("decode-64", "tokens_per_s"),
        ("step", "pg_loss"),
        ("memory-8", "peak_bytes"),
        ("resume", "max_difference"),
    ] {
        let result = status(&report, check);
        assert_eq!(result["status"], "passed", "{result}");
        assert!(!result["figures"][figure].is_null(), "{result}");
    }
    assert_eq!(status(&report, "resume")["figures"]["max_difference"], 0.0);
    let peer = status(&report, "peer-step");
    assert!(peer["status"] == "skipped" && peer["reason"].as_str().is_some_and(|why| !why.is_empty()), "{peer}");
}

#[test]
fn checks_that_fail_or_have_no_time_left_stop_no_other_one() {
    // There is no such device here, or these checks pass on it.
    let (output, report) = gpu_check(&["--only", "numbers,attention"]);
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(2), "{report}");
    assert_eq!(output.status.success(), status(&report, "numbers")["status"] == "passed");
    let (output, report) = gpu_check(&["--device", "cpu", "--seconds", "0", "--only", "resume,step"]);
    assert!(output.status.success());
    assert!(["resume", "step"].iter().all(|check| status(&report, check)["status"] == "skipped"), "{report}");
    let (output, _) = gpu_check(&["--only", "luck"]);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("there are numbers, attention")
    );
}

#[test]
fn the_script_runs_the_program_it_is_given() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/gpu-check");
    let output = Command::new(script)
        .args(["run", "--device", "cpu", "--tiny", "--only", "attention"])
        .env("REAL_TRAINER", env!("CARGO_BIN_EXE_real-trainer"))
        .output()
        .expect("the script starts");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(status(&report, "attention")["status"], "passed", "{report}");
}
