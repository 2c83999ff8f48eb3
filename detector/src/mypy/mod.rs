//! `mypy --strict` verdicts from warm workers.
//!
//! The errors are those that `python -I -m mypy --strict --show-column-numbers --config-file= program.py` prints, in its
//! order and letter for letter; notes are left out. That holds also where the program switches checks off with
//! `# type: ignore` or `# mypy:` comments: they are part of the program. Configuration files are not read; packages with
//! types that are installed beside mypy are. A worker that dies or runs out of time is never a verdict: the program is
//! tried once more, then reported as [`AnalysisErrorKind::Internal`] or [`AnalysisErrorKind::Deadline`].

mod interpreter;
mod output;
mod unchecked;
mod worker;

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use real_detector_api::{AnalysisError, AnalysisErrorKind, TypesVerdict};

pub use interpreter::interpreter;
pub use output::parse_output;
pub use unchecked::unchecked;
use worker::{Failure, Worker};

/// A pool of warm workers, started when first needed.
#[derive(Debug)]
pub struct TypeChecker {
    idle: Mutex<Idle>,
    freed: Condvar,
    timeout: Duration,
}

#[derive(Debug)]
struct Idle {
    workers: Vec<Worker>,
    /// Workers that may still be started.
    unstarted: usize,
}

impl TypeChecker {
    /// A pool of at most `workers` processes; `timeout` is for one program.
    pub fn new(workers: usize, timeout: Duration) -> Self {
        Self { idle: Mutex::new(Idle { workers: vec![], unstarted: workers.max(1) }), freed: Condvar::new(), timeout }
    }

    /// Checks a program. Blocks until a worker is free.
    ///
    /// # Errors
    /// `Deadline` or `Internal`, after a second try.
    pub fn check(&self, code: &str) -> Result<TypesVerdict, AnalysisError> {
        self.check_once(code).or_else(|_| self.check_once(code)).map_err(|failure| AnalysisError {
            kind: match failure {
                Failure::Deadline => AnalysisErrorKind::Deadline,
                _ => AnalysisErrorKind::Internal,
            },
            message: format!("mypy: {failure}"),
            line: None,
        })
    }

    fn check_once(&self, code: &str) -> Result<TypesVerdict, Failure> {
        let worker = self.take();
        let mut worker = match worker {
            Some(worker) => worker,
            None => match Worker::start() {
                Ok(worker) => worker,
                Err(failure) => {
                    self.put(None);
                    return Err(failure);
                }
            },
        };
        let result = worker.check(code, self.timeout);
        // A worker that failed in any way is replaced.
        self.put(match result {
            Err(Failure::Worker(_)) => None,
            _ => Some(worker),
        });
        result
    }

    fn take(&self) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(worker) = idle.workers.pop() {
                return Some(worker);
            }
            if idle.unstarted > 0 {
                idle.unstarted -= 1;
                return None;
            }
            idle = self.freed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, worker: Option<Worker>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match worker {
            Some(worker) => idle.workers.push(worker),
            None => idle.unstarted += 1,
        }
        self.freed.notify_one();
    }
}
