//! `real run` with checkpoints in a bucket of a real server, on a disk that is lost. Skipped where the server is not there.

#[path = "../../sources/tests/store/mod.rs"]
mod store;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_tests::programs;
use serde_json::{Map, Value};
use store::{Fault, Kind, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A machine: a folder with the model and the job, whose checkpoints go to `s3://data/PREFIX`, and no run.
fn machine(prefix: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for (name, content) in real_datasets::builder::quickstart_model_files() {
        fs::write(model.join(name), content).unwrap();
    }
    let mut shape: Value = serde_json::from_slice(&fs::read(model.join("config.json")).unwrap()).unwrap();
    for (key, value) in
        [("hidden_size", 32), ("intermediate_size", 48), ("num_hidden_layers", 2), ("num_key_value_heads", 2)]
    {
        shape[key] = value.into();
    }
    fs::write(model.join("config.json"), shape.to_string()).unwrap();
    let job = format!(
        "apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata: {{name: small}}
spec:
  model: {{storageUri: model, initialize: random}}
  datasets:
    train:
      - {{name: a, storageUri: 'bundled://quickstart-demonstrations?count=60&seed=1'}}
  algorithm:
    sft: {{steps: 4, batchSize: 8, microBatchSize: 8, learningRate: 2.0e-3}}
  rollout: {{maxPromptTokens: 64, maxResponseTokens: 96}}
  reward: {{alpha: 0.5}}
  checkpoint:
    everySteps: 2
    retain: 2
    storage: {{objectStore: {{uri: 's3://data/{prefix}'}}}}
"
    );
    fs::write(folder.path().join("job.yaml"), job).unwrap();
    folder
}

fn real(store: &Store, machine: &Path, arguments: &[&str]) -> Command {
    let mut command = programs::command("real");
    command.current_dir(machine).args(["run", "job.yaml", "--no-progress"]).args(arguments);
    command.envs([
        ("AWS_ENDPOINT_URL", store.proxy.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SESSION_TOKEN", "session"),
        ("REAL_PART_BYTES", "40000"),
    ]);
    command.env("REAL_CACHE", machine.join("cache"));
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `metrics.jsonl` without what clocks say.
fn metrics(machine: &Path) -> Vec<Map<String, Value>> {
    let text = fs::read_to_string(machine.join("runs/small/metrics.jsonl")).unwrap();
    let timeless = |line: &str| -> Map<String, Value> {
        let all: Map<String, Value> = serde_json::from_str(line).unwrap();
        let clock = |name: &str| name.starts_with("timing_s/") || name.starts_with("perf/");
        all.into_iter().filter(|(name, _)| !clock(name)).collect()
    };
    text.lines().map(timeless).collect()
}

#[test]
fn a_run_whose_machine_is_lost_goes_on_on_another_from_the_bucket_as_if_it_had_not_been() {
    let runtime = Runtime::new().unwrap();
    let Some(store) = runtime.block_on(Store::start()) else { return };
    let straight = machine("runs/straight");
    let output = real(&store, straight.path(), &[]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));

    // Killed when the first checkpoint has become whole in the bucket, and with it everything that it started.
    let lost = machine("runs/lost");
    // Known a moment after the rule is.
    let pid = Arc::new(OnceLock::new());
    let doomed = Arc::clone(&pid);
    store.rule(move |asked| {
        let whole = asked.kind == Kind::Put && asked.key.ends_with("step-2/manifest.json");
        if whole {
            kill(*doomed.wait(), Signal::SIGKILL).unwrap();
        }
        whole.then_some(Fault::Lost)
    });
    let child = real(&store, lost.path(), &[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    pid.set(Pid::from_raw(i32::try_from(child.id()).unwrap())).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), None, "it was not killed: {}", stderr(&output));
    drop(lost);
    store.rule(|_| None);

    // Another machine has the job and nothing else.
    let other = machine("runs/lost");
    let refused = real(&store, other.path(), &[]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let said = stderr(&refused);
    assert!(said.contains("s3://data/runs/lost has checkpoints (the newest of step 2): resume"), "{said}");
    fs::remove_dir_all(other.path().join("runs")).unwrap();
    let output = real(&store, other.path(), &["--resume"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("step 2"), "{}", stderr(&output));
    assert_eq!(metrics(other.path()), metrics(straight.path()));
    let weights = |machine: &Path| fs::read(machine.join("runs/small/checkpoints/step-4/model.safetensors")).unwrap();
    assert!(weights(other.path()) == weights(straight.path()), "the weights differ");
    let keys = |prefix: &str| -> Vec<String> {
        let keys = runtime.block_on(store.keys(&format!("{prefix}/checkpoints/")));
        keys.iter().map(|key| key.trim_start_matches(prefix).to_owned()).collect()
    };
    assert_eq!(keys("runs/lost"), keys("runs/straight"));

    // A third has no more than the finished run to fetch, and a fourth looks where nothing lies.
    let third = machine("runs/lost");
    let output = real(&store, third.path(), &["--resume"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(metrics(third.path()).len(), 4);
    let nowhere = machine("runs/typo");
    let output = real(&store, nowhere.path(), &["--resume"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("no checkpoint in s3://data/runs/typo") && said.contains("leave --resume out"), "{said}");
    assert!(!nowhere.path().join("runs").exists() && keys("runs/typo").is_empty(), "nothing was begun");
}
