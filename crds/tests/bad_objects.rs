//! What a user sees for each kind of mistake.

#[path = "cases/bad_objects.rs"]
mod cases;

use real_crds::validate::parse_manifest;

use cases::Table;

/// Line 1 is `apiVersion`.
const JOB: &str = "\
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata:
  name: job
spec:
  model:
    storageUri: models/base
  datasets:
    train:
      - name: a
        storageUri: a.jsonl
  algorithm:
    ppo:
      steps: 10
";

const POOL: &str = "\
apiVersion: real-rl.dev/v1alpha1
kind: RewardPool
metadata:
  name: pool
spec:
";

/// The errors of `text`, one a line; empty where it is valid.
fn errors(text: &str) -> String {
    parse_manifest(text, "job.yaml", &[]).err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[track_caller]
fn assert_errors(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|line| format!("job.yaml:{line}")).collect();
    assert_eq!(errors(text), expected.join("\n"), "in\n{text}");
}

/// The job with `from` replaced by `to`.
#[track_caller]
fn edited(from: &str, to: &str) -> String {
    assert!(JOB.contains(from), "{from} is not in the job");
    JOB.replacen(from, to, 1)
}

#[test]
fn the_objects_that_the_cases_start_from_are_valid() {
    let table = Table::read();
    for text in table.valid() {
        assert_eq!(errors(text), "", "in\n{text}");
    }
}

#[test]
fn every_bad_object_gets_the_errors_of_the_table() {
    let table = Table::read();
    let mut wrong = Vec::new();
    for case in &table.cases {
        let text = table.manifest(case);
        let expected: Vec<String> = case.offline.iter().map(|line| format!("job.yaml:{line}")).collect();
        let found = errors(&text);
        if found != expected.join("\n") {
            wrong.push(format!("{}:\n{text}\nexpected\n{}\nfound\n{found}", case.case, expected.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), table.cases.len(), wrong.join("\n\n"));
}

#[test]
fn broken_files() {
    for (text, start) in [("spec: [1, 2\n", "job.yaml:"), ("a: b: c\n", "job.yaml:1:")] {
        let message = errors(text);
        assert!(message.starts_with(start) && message.contains("not valid YAML: "), "{text:?}: {message}");
    }
    let tab = errors("spec:\n\ta: 1\n");
    assert!(tab.starts_with("job.yaml:2:1: a tab"), "{tab}");
    let twice = errors("a: 1\na: 2\n");
    assert_eq!(twice, "job.yaml:2:1: the field a is written twice: the first time in line 1");
    assert_errors(
        "just text\n",
        &["1:1: must be an object with apiVersion, kind, metadata and spec, but is the text \"just text\""],
    );
}

#[test]
fn wrong_kinds() {
    for (from, to, expected) in [
        ("apiVersion: real-rl.dev/v1alpha1\n", "", "1:1: apiVersion: is required but missing"),
        ("kind: RealTrainingJob\n", "", "1:1: kind: is required but missing"),
        ("kind: RealTrainingJob", "kind: 7", "2:7: kind: must be text, but is the number 7"),
        (
            "real-rl.dev/v1alpha1",
            "real-rl.dev/v1beta1",
            "1:13: apiVersion: \"real-rl.dev/v1beta1\" is not allowed: RealTrainingJob is of real-rl.dev/v1alpha1",
        ),
        (
            "kind: RealTrainingJob",
            "kind: RealTrainJob",
            "2:7: kind: \"RealTrainJob\" is not a kind of real-rl.dev/v1alpha1: must be one of RealTrainingJob, RewardPool, \
             RealEvalSweep (did you mean RealTrainingJob?)",
        ),
    ] {
        assert_errors(&edited(from, to), &[expected]);
    }
}

#[test]
fn all_errors_of_a_file_come_at_once_in_the_order_of_its_lines() {
    let text = format!(
        "{POOL}  queue: {{maxDepth: 0}}\n---\n{}",
        edited("steps: 10", "steps: 0\n  reward: {alpha: 2, alpah: 1}")
    );
    let found = errors(&text);
    let fields: Vec<&str> = found.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(
        fields,
        ["spec.queue.maxDepth", "spec.algorithm.ppo.steps", "spec.reward.alpha", "spec.reward.alpah"],
        "{found}"
    );
}
