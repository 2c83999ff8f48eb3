//! Small jobs for the tests of `real-trainer train`: a folder with a model, a configuration and a run directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};

/// A job in a temporary folder.
pub(crate) struct Job {
    folder: tempfile::TempDir,
    pub(crate) config: Value,
}

impl Job {
    /// An SFT job of a random model of two small layers on generated demonstrations.
    pub(crate) fn sft(steps: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = folder.path().join("model");
        fs::create_dir(&model).expect("a writable folder");
        for (name, content) in real_datasets::builder::quickstart_model_files() {
            fs::write(model.join(name), content).expect("a writable folder");
        }
        let mut shape: Value = read_json(&model.join("config.json"));
        for (key, value) in
            [("hidden_size", 32), ("intermediate_size", 48), ("num_hidden_layers", 2), ("num_key_value_heads", 2)]
        {
            shape[key] = value.into();
        }
        fs::write(model.join("config.json"), shape.to_string()).expect("a writable folder");
        let config = json!({
            "job": "test",
            "seed": 5,
            "model": {"uri": model, "initialize": "random"},
            "train": [
                {"name": "a", "uri": "bundled://quickstart-demonstrations?count=100&seed=1", "weight": 1.0},
                {"name": "b", "uri": "bundled://quickstart-demonstrations?count=30&seed=2", "weight": 0.5},
            ],
            "algorithm": {"sft": {
                "steps": steps, "batchSize": 12, "microBatchSize": 5, "learningRate": 0.002, "warmupSteps": 2,
                "schedule": "cosine", "maxGradNorm": 1.0, "weightDecay": 0.01, "betas": [0.9, 0.98], "maxSkippedUpdates": 3,
            }},
            "reward": {
                "alpha": 0.5, "profile": "paper", "penalty": -1.0, "normalization": "running", "quality": "analysis",
                "extraction": "paper", "emptyOutputs": "count",
                "cwes": [], "maxTests": 2, "detectors": [], "sandboxes": [], "timeoutSeconds": 30,
            },
            "rollout": {"maxPromptTokens": 64, "maxResponseTokens": 96, "temperature": 1.0, "topP": 1.0, "topK": 0},
            "checkpoint": {"everySteps": 1, "retain": 10, "keepBest": {"metric": "val/joint", "goal": "max", "count": 1}},
            "evaluation": {
                "everySteps": 0, "beforeTraining": true, "suites": [], "limit": 4, "greedy": true, "samples": 2,
            },
            "compute": {"device": "cpu", "dtype": "f32", "threads": 1},
        });
        Self { folder, config }
    }

    /// The run directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Writes the configuration and gives the command that runs it.
    pub(crate) fn command(&self, extra: &[&str]) -> Command {
        let config = self.folder.path().join("trainer.json");
        fs::write(&config, self.config.to_string()).expect("a writable folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_real-trainer"));
        command.arg("train").arg("--config").arg(config).arg("--run-dir").arg(self.run_dir()).args(extra);
        command
    }

    /// Runs the job to its end.
    pub(crate) fn run(&self, extra: &[&str]) -> Output {
        self.command(extra).output().expect("the program starts")
    }

    /// Runs the job, which has to succeed.
    pub(crate) fn run_well(&self, extra: &[&str]) {
        let output = self.run(extra);
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// `metrics.jsonl` without what clocks say.
    pub(crate) fn metrics(&self) -> Vec<Map<String, Value>> {
        let text = fs::read_to_string(self.run_dir().join("metrics.jsonl")).expect("metrics.jsonl");
        let parse = |line| serde_json::from_str::<Map<String, Value>>(line).expect("a JSON object");
        let timeless = |line: Map<String, Value>| -> Map<String, Value> {
            let clock = |name: &str| name.starts_with("timing_s/") || name.starts_with("perf/");
            line.into_iter().filter(|(name, _)| !clock(name)).collect()
        };
        text.lines().map(parse).map(timeless).collect()
    }

    /// A file of a checkpoint.
    pub(crate) fn checkpoint(&self, step: u64, file: &str) -> PathBuf {
        self.run_dir().join(format!("checkpoints/step-{step}")).join(file)
    }
}

/// What a program said on standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A JSON file's content.
pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a readable file")).expect("JSON")
}
