//! What a user sees for each kind of mistake.

use real_crds::validate::parse_manifest;

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

const SWEEP: &str = "\
apiVersion: real-rl.dev/v1alpha1
kind: RealEvalSweep
metadata:
  name: sweep
spec:
  runNamespace: evals
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
    for text in [
        JOB,
        &format!("{POOL}  queue: {{}}\n"),
        &format!("{SWEEP}  suites: [{{name: a, storageUri: b}}]\n  targets: {{jobSelector: {{}}}}\n"),
    ] {
        assert_eq!(errors(text), "");
    }
}

#[test]
fn broken_files() {
    for (text, start) in [
        ("spec: [1, 2\n", "job.yaml:"),
        ("a: b: c\n", "job.yaml:1:"),
        ("a: 1\na: 2\n", "job.yaml:2:1: not valid YAML:"),
        ("spec:\n\ta: 1\n", "job.yaml:2:"),
    ] {
        let message = errors(text);
        assert!(message.starts_with(start) && message.contains("not valid YAML: "), "{text:?}: {message}");
    }
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
fn fields_that_are_missing_unknown_or_of_another_type() {
    for (from, to, expected) in [
        ("  name: job", "  labels: {}", "3:1: metadata.name: is required but missing"),
        ("  model:\n    storageUri: models/base\n", "", "5:1: spec.model: is required but missing"),
        (
            "    storageUri: models/base",
            "    initialize: random",
            "6:3: spec.model.storageUri: is required but missing",
        ),
        ("      steps: 10", "      epochs: 2", "13:5: spec.algorithm.ppo.steps: is required but missing"),
        (
            "      - name: a\n        storageUri",
            "      - storageUri",
            "10:9: spec.datasets.train[0].name: is required but missing",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward: {alpah: 1}",
            "15:12: spec.reward.alpah: unknown field (did you mean alpha?)",
        ),
        (
            "steps: 10",
            "steps: 10\n      batchsize: 1",
            "15:7: spec.algorithm.ppo.batchsize: unknown field (did you mean batchSize?)",
        ),
        ("spec:", "sepc: {}\nspec:", "5:1: sepc: unknown field (did you mean spec?)"),
        ("  name: job", "  name: job\n  lables: {}", "5:3: metadata.lables: unknown field (did you mean labels?)"),
        (
            "    ppo:\n      steps: 10",
            "    grpo: {}",
            "13:5: spec.algorithm.grpo: unknown field (known fields: ppo, sft)",
        ),
        (
            "models/base",
            "models/base\n    revision: main",
            "8:5: spec.model.revision: unknown field (known fields: initialize, secretRef, storageUri)",
        ),
        ("steps: 10", "steps: ten", "14:14: spec.algorithm.ppo.steps: must be a whole number, but is the text \"ten\""),
        ("steps: 10", "steps: 10.5", "14:14: spec.algorithm.ppo.steps: must be a whole number, but is the number 10.5"),
        (
            "steps: 10",
            "steps: \"10\"",
            "14:14: spec.algorithm.ppo.steps: must be a whole number, but is the text \"10\"",
        ),
        ("steps: 10", "steps: 10\n  suspend: 1", "15:12: spec.suspend: must be true or false, but is the number 1"),
        ("storageUri: models/base", "storageUri: 5", "7:17: spec.model.storageUri: must be text, but is the number 5"),
        ("steps: 10", "steps: 10\n  rollout: []", "15:12: spec.rollout: must be an object, but is a list of no items"),
        (
            "steps: 10",
            "steps: 10\n  reward: {cwes: 89}",
            "15:18: spec.reward.cwes: must be a list, but is the number 89",
        ),
        ("  name: job", "  name: job\n  labels: {a: 1}", "5:15: metadata.labels.a: must be text, but is the number 1"),
    ] {
        let text = edited(from, to);
        let found = errors(&text);
        let first = found.lines().find(|line| !line.contains("exactly one")).unwrap_or_default();
        assert_eq!(first, format!("job.yaml:{expected}"), "in\n{text}\nall:\n{found}");
    }
}

#[test]
fn values_out_of_bounds() {
    for (from, to, expected) in [
        (
            "steps: 10",
            "steps: 0",
            "14:14: spec.algorithm.ppo.steps: 0 is not allowed: must be at least 1 and at most 10000000",
        ),
        (
            "steps: 10",
            "steps: -3",
            "14:14: spec.algorithm.ppo.steps: -3 is not allowed: must be at least 1 and at most 10000000",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward:\n    alpha: 1.5",
            "16:12: spec.reward.alpha: 1.5 is not allowed: must be at least 0 and at most 1",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward: {penalty: 1}",
            "15:21: spec.reward.penalty: 1 is not allowed: must be at least -100 and at most 0",
        ),
        (
            "steps: 10",
            "steps: 10\n  rollout: {temperature: 0}",
            "15:26: spec.rollout.temperature: 0 is not allowed: must be more than 0 and at most 100",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward: {normalization: batched}",
            "15:27: spec.reward.normalization: \"batched\" is not allowed: must be one of none, batch, running (did you mean batch?)",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward: {profile: reference}",
            "15:21: spec.reward.profile: \"reference\" is not allowed: must be paper",
        ),
        (
            "steps: 10",
            "steps: 10\n  reward: {cwes: [0]}",
            "15:19: spec.reward.cwes[0]: 0 is not allowed: must be at least 1 and at most 100000",
        ),
        (
            "steps: 10",
            "steps: 10\n      betas: [0.9]",
            "15:14: spec.algorithm.ppo.betas: has 1 item, but must have exactly 2",
        ),
        (
            "steps: 10",
            "steps: 10\n      betas: [0.9, 1]",
            "15:14: spec.algorithm.ppo.betas: betas must each be at least 0 and less than 1",
        ),
        (
            "- name: a",
            "- name: A b",
            "10:15: spec.datasets.train[0].name: \"A b\" is not allowed: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        ),
        ("- name: a", "- name: \"\"", "10:15: spec.datasets.train[0].name: must not be empty"),
        (
            "storageUri: a.jsonl",
            "storageUri: a.jsonl\n      - name: a\n        storageUri: b.jsonl",
            "12:15: spec.datasets.train[1].name: \"a\" is used twice: name must be unique in the list",
        ),
        (
            "storageUri: a.jsonl",
            "storageUri: a.jsonl\n        weight: 0",
            "12:17: spec.datasets.train[0].weight: 0 is not allowed: must be more than 0 and at most 1000000",
        ),
    ] {
        assert_errors(&edited(from, to), &[expected]);
    }
    let empty = edited("\n      - name: a\n        storageUri: a.jsonl", " []");
    assert_errors(&empty, &["9:12: spec.datasets.train: has no items, but must have 1 to 32"]);
}

#[test]
fn rules_that_span_fields() {
    for (from, to, expected) in [
        ("steps: 10", "steps: 10\n    sft: {steps: 1}", "12:3: spec.algorithm: exactly one of ppo and sft must be set"),
        ("\n    ppo:\n      steps: 10", " {}", "12:3: spec.algorithm: exactly one of ppo and sft must be set"),
        (
            "steps: 10",
            "steps: 10\n      batchSize: 64\n      miniBatchSize: 128",
            "16:22: spec.algorithm.ppo.miniBatchSize: miniBatchSize (128) must not be more than batchSize · samplesPerPrompt (64)",
        ),
        (
            "steps: 10",
            "steps: 10\n      miniBatchSize: 64\n      microBatchSize: 24",
            "16:23: spec.algorithm.ppo.microBatchSize: microBatchSize (24) must divide miniBatchSize (64)",
        ),
        (
            "steps: 10",
            "steps: 10\n      microBatchSize: 24",
            "15:23: spec.algorithm.ppo.microBatchSize: microBatchSize (24) must divide batchSize · samplesPerPrompt (256)",
        ),
        (
            "steps: 10",
            "steps: 10\n      criticWarmupSteps: 11",
            "15:26: spec.algorithm.ppo.criticWarmupSteps: criticWarmupSteps (11) must not be more than steps (10)",
        ),
        (
            "ppo:\n      steps: 10",
            "sft:\n      steps: 10\n      warmupSteps: 20",
            "15:20: spec.algorithm.sft.warmupSteps: warmupSteps (20) must not be more than steps (10)",
        ),
        (
            "steps: 10",
            "steps: 10\n      miniBatchSize: 64\n  trainer: {nodes: 3}",
            "15:22: spec.algorithm.ppo.miniBatchSize: trainer.nodes · trainer.processesPerNode (3) must divide algorithm.ppo.miniBatchSize (64)",
        ),
        (
            "steps: 10",
            "steps: 10\n  trainer:\n    env:\n      - name: MASTER_ADDR\n        value: x",
            "17:15: spec.trainer.env[0].name: name (\"MASTER_ADDR\") is reserved: the operator sets MASTER_ADDR, MASTER_PORT, \
             WORLD_SIZE, RANK, LOCAL_RANK, NODE_RANK, LOCAL_WORLD_SIZE and REAL_*",
        ),
        (
            "steps: 10",
            "steps: 10\n  checkpoint:\n    storage: {}",
            "16:5: spec.checkpoint.storage: exactly one of persistentVolumeClaim and objectStore must be set",
        ),
        (
            "steps: 10",
            "steps: 10\n  checkpoint:\n    resumeFrom: step-x",
            "16:17: spec.checkpoint.resumeFrom: resumeFrom (\"step-x\") must be latest, none or the name of a checkpoint, such as step-400",
        ),
        (
            "models/base",
            "ftp://models/base",
            "7:17: spec.model.storageUri: storageUri must be a path, or begin with bundled://, file://, hf://, s3://, https:// or pvc://",
        ),
        (
            "steps: 10",
            "steps: 10\n  trainer:\n    podPatch:\n      volumes:\n        - {name: a, mountPath: /a}",
            "18:11: spec.trainer.podPatch.volumes[0]: exactly one of persistentVolumeClaim, configMap, secret and emptyDir must be set",
        ),
    ] {
        let text = edited(from, to);
        let found = errors(&text);
        let place = |line: &str| line.split_once(": ").map_or(String::new(), |(_, rest)| rest.to_owned());
        assert_eq!(place(&found), place(expected), "in\n{text}");
    }
    let long = "a".repeat(49);
    let message = errors(&edited("name: job", &format!("name: {long}")));
    assert!(
        message.ends_with(
            "metadata.name has 49 characters, at most 48 are allowed: pods are named <name>-<attempt>-<index>"
        ),
        "{message}"
    );
    let message = errors(&edited("name: job", "name: My.Job"));
    assert!(message.contains("metadata.name must be lower-case letters, digits and '-'"), "{message}");
}

#[test]
fn pools_and_sweeps() {
    for (text, expected) in [
        (
            format!("{POOL}  sandbox:\n    scaling: {{minReplicas: 9, maxReplicas: 3}}\n"),
            "spec.sandbox.scaling.minReplicas: minReplicas (9) must not be more than maxReplicas (3)",
        ),
        (
            format!("{POOL}  sandbox: {{replicas: 3}}\n"),
            "spec.sandbox.replicas: replicas may be set only with scaling.mode: manual",
        ),
        (
            format!("{POOL}  disruption: {{maxUnavailable: 120%}}\n"),
            "spec.disruption.maxUnavailable: \"120%\" is not allowed: must match ^(100|[1-9]?[0-9])%$",
        ),
        (
            format!("{POOL}  sandbox: {{limits: {{memory: lots}}}}\n"),
            "spec.sandbox.limits.memory: \"lots\" is not allowed: must match ",
        ),
        (
            format!("{SWEEP}  suites: [{{name: a, storageUri: b}}]\n  targets: {{}}\n"),
            "spec.targets: at least one of jobSelector and models must be set",
        ),
        (format!("{SWEEP}  targets: {{jobSelector: {{}}}}\n"), "spec.suites: is required but missing"),
    ] {
        let found = errors(&text);
        assert!(
            found.lines().count() == 1 && found.contains(expected),
            "expected {expected}, found\n{found}\nin\n{text}"
        );
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
