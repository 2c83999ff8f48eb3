//! A job that could run, in a folder of its own, to be broken by tests.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use real_datasets::{Message, QualityCheck, Task};
use tempfile::TempDir;

/// A folder with a job, a model and a data set.
pub(crate) struct Job {
    folder: TempDir,
}

/// What `real` said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Job {
    pub(crate) fn new() -> Self {
        let job = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let model = job.path("model");
        fs::create_dir(&model).expect("writable");
        for (file, content) in [("config.json", "{}"), ("tokenizer.json", "{}"), ("model.safetensors", "weights")] {
            fs::write(model.join(file), content).expect("writable");
        }
        let line = serde_json::to_string(&task()).expect("a task is JSON");
        fs::write(job.path("tasks.jsonl"), line + "\n").expect("writable");
        job.write(&job.yaml());
        job
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The job's text; `alpha` is in line 18.
    pub(crate) fn yaml(&self) -> String {
        let here = self.folder.path().display();
        format!(
            "apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata:
  name: tiny
spec:
  model:
    storageUri: {here}/model
  datasets:
    train:
      - name: tasks
        storageUri: {here}/tasks.jsonl
  algorithm:
    ppo:
      steps: 2
      batchSize: 2
      microBatchSize: 2
  reward:
    alpha: 0.5
"
        )
    }

    pub(crate) fn write(&self, yaml: &str) {
        fs::write(self.path("job.yaml"), yaml).expect("writable");
    }

    /// Writes the job with a piece of its text replaced.
    pub(crate) fn with(self, from: &str, to: &str) -> Self {
        let yaml = self.yaml();
        assert!(yaml.contains(from), "{from} is not in the job");
        self.write(&yaml.replace(from, to));
        self
    }

    /// `real run job.yaml …` in the folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_real"));
        command.current_dir(self.folder.path()).args(["run", "job.yaml"]).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    /// Names of everything in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("readable").flatten();
        let mut names: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().expect("real starts");
    Said { code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

impl Said {
    /// Checks exit code and that each piece is in the message; prints the message, which is what people would see.
    pub(crate) fn expect(&self, code: i32, pieces: &[&str]) {
        println!("exit code {:?}:\n{}", self.code, self.stderr);
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        for piece in pieces {
            assert!(self.stderr.contains(piece), "`{piece}` is not in:\n{}", self.stderr);
        }
    }
}

/// A program built beside `real`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_real")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --bins` before the tests, as `make test` does",
        path.display()
    );
    path
}

fn task() -> Task {
    Task {
        id: "one".into(),
        dataset: "tiny".into(),
        split: "train".into(),
        prompt: vec![Message { role: "user".into(), content: "Print 1.".into() }],
        setup: real_sandbox_api::Setup::default(),
        tests: vec![real_sandbox_api::Test {
            name: None,
            group: real_sandbox_api::Group::Functional,
            check: real_sandbox_api::Check::Stdin { stdin: String::new(), stdout: "1\n".into() },
        }],
        comparison: real_sandbox_api::Comparison::Exact,
        limits: real_sandbox_api::Limits::default(),
        quality: vec![QualityCheck::Security],
        cwes: Vec::new(),
        attacks: Vec::new(),
        stub: None,
        solutions: Vec::new(),
    }
}
