//! `mypy --strict` verdicts from warm workers.
//!
//! The errors are those that `python -I -m mypy --strict --show-column-numbers --config-file= program.py` prints, in its
//! order and letter for letter; notes are left out. That holds also where the program switches checks off with
//! `# type: ignore` or `# mypy:` comments: they are part of the program. Configuration files are not read; packages with
//! types that are installed beside mypy are. A worker that dies or runs out of time is never a verdict: the program is
//! tried once more, then reported as [`AnalysisErrorKind::Internal`] or [`AnalysisErrorKind::Deadline`]. A program that used
//! up its CPU time would do so again: it is reported at once, and remembered.

mod interpreter;
mod output;
mod remembered;
mod traces;
mod unchecked;
mod worker;

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use real_detector_api::{AnalysisError, AnalysisErrorKind, TypesVerdict};

pub use interpreter::interpreter;
pub use output::parse_output;
use remembered::Remembered;
pub use unchecked::unchecked;
use worker::{Failure, Limits, Worker};

/// A pool of warm workers, started when first needed.
#[derive(Debug)]
pub struct TypeChecker {
    idle: Mutex<Idle>,
    freed: Condvar,
    limits: Limits,
    /// Programs that took all the CPU time that one may have.
    too_long: Mutex<Remembered>,
}

/// CPU time that no program needs: what takes longer folds constants such as `9**9**9**9`.
const MOST_CPU_TIME: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Idle {
    workers: Vec<Worker>,
    /// Workers that may still be started.
    unstarted: usize,
}

impl TypeChecker {
    /// A pool of at most `workers` processes; `timeout` is for one program.
    pub fn new(workers: usize, timeout: Duration) -> Self {
        let idle = Mutex::new(Idle { workers: vec![], unstarted: workers.max(1) });
        // A busy machine gives less CPU time than time.
        let limits = Limits { time: timeout, cpu_time: MOST_CPU_TIME.min(timeout / 4) };
        Self { idle, freed: Condvar::new(), limits, too_long: Mutex::default() }
    }

    /// With another bound of CPU time for one program.
    #[must_use]
    pub fn with_cpu_time(mut self, cpu_time: Duration) -> Self {
        self.limits.cpu_time = cpu_time;
        self
    }

    /// Checks a program. Blocks until a worker is free.
    ///
    /// # Errors
    /// `Deadline` or `Internal`, after a second try where that can help.
    pub fn check(&self, code: &str) -> Result<TypesVerdict, AnalysisError> {
        let too_long = || self.too_long.lock().unwrap_or_else(PoisonError::into_inner);
        let result = if too_long().holds(code) {
            Err(Failure::Cpu)
        } else {
            match self.check_once(code) {
                Err(Failure::Deadline | Failure::Program(_) | Failure::Worker(_)) => self.check_once(code),
                result => result,
            }
        };
        if matches!(result, Err(Failure::Cpu)) {
            too_long().add(code);
        }
        result.map_err(|failure| AnalysisError {
            kind: match failure {
                Failure::Deadline | Failure::Cpu => AnalysisErrorKind::Deadline,
                Failure::Program(_) | Failure::Worker(_) => AnalysisErrorKind::Internal,
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
        let result = worker.check(code, self.limits);
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
