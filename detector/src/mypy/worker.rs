//! One warm worker process.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use real_detector_api::TypesVerdict;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::interpreter::interpreter;
use super::output::parse_output;

const ZYGOTE: &str = include_str!("zygote.py");
/// Importing mypy and filling its cache, on a busy machine.
const START_SECONDS: u64 = 300;
/// The worker itself keeps the time; this is for a worker that hangs.
const GRACE: Duration = Duration::from_secs(10);

/// Why there is no verdict.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// mypy took too long on this program.
    #[error("no verdict in time")]
    Deadline,
    /// mypy broke on this program.
    #[error("the checker died: {0}")]
    Program(String),
    /// The worker is of no more use.
    #[error("{0}")]
    Worker(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
}

/// A worker; its process ends with it.
#[derive(Debug)]
pub(super) struct Worker {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a worker and waits until it is warm.
    pub(super) fn start() -> Result<Self, Failure> {
        let python = interpreter();
        let mut process = Command::new(&python)
            .args(["-B", "-I", "-X", "utf8", "-c", ZYGOTE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|problem| {
                Failure::Worker(format!(
                    "cannot start {}: {problem}; install Python 3 with mypy and set REAL_PYTHON",
                    python.display()
                ))
            })?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::Worker("no pipes to the worker".to_owned()));
        };
        let mut worker = Self { process, requests: Some(requests), answers: BufReader::new(answers) };
        let first = worker.read(Duration::from_secs(START_SECONDS))?;
        if first.trim() == "ready" {
            Ok(worker)
        } else {
            Err(Failure::Worker(format!("{} cannot run mypy; install mypy there or set REAL_PYTHON", python.display())))
        }
    }

    pub(super) fn check(&mut self, code: &str, timeout: Duration) -> Result<TypesVerdict, Failure> {
        let request = json!({"code": code, "seconds": timeout.as_secs_f64()});
        let Some(pipe) = &mut self.requests else { return Err(Failure::Worker("the worker is gone".to_owned())) };
        writeln!(pipe, "{request}")
            .and_then(|()| pipe.flush())
            .map_err(|problem| Failure::Worker(format!("cannot reach the worker: {problem}")))?;
        let line = self.read(timeout + GRACE)?;
        let answer: Answer = serde_json::from_str(&line).map_err(|_| Failure::Worker("the worker died".to_owned()))?;
        match answer.failure.as_deref() {
            Some("deadline") => return Err(Failure::Deadline),
            Some(other) => return Err(Failure::Program(format!("{other}, status {}", answer.status))),
            None => {}
        }
        let errors = parse_output(&answer.stdout);
        match (answer.status, errors.is_empty()) {
            (0, true) => Ok(TypesVerdict { clean: true, errors }),
            (1 | 2, false) => Ok(TypesVerdict { clean: false, errors }),
            (status, _) => {
                let last = answer.stderr.lines().last().unwrap_or("nothing on standard error").to_owned();
                Err(Failure::Program(format!("mypy ended with status {status}: {last}")))
            }
        }
    }

    fn read(&mut self, timeout: Duration) -> Result<String, Failure> {
        if self.answers.buffer().is_empty() {
            let wait = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
            let mut watched = [PollFd::new(self.answers.get_ref().as_fd(), PollFlags::POLLIN)];
            match poll(&mut watched, wait) {
                Ok(0) => return Err(Failure::Worker("the worker hangs".to_owned())),
                Ok(_) => {}
                Err(problem) => return Err(Failure::Worker(format!("cannot wait for the worker: {problem}"))),
            }
        }
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(|problem| Failure::Worker(format!("cannot read from the worker: {problem}")))?;
        Ok(line)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // End of input lets the worker clean up after itself; if it does not, it is killed.
        drop(self.requests.take());
        for _ in 0..50 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
