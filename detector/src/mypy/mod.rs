//! `mypy --strict` verdicts from warm workers.
//!
//! The errors are those that `python -I -m mypy --strict --show-column-numbers --config-file= program.py` prints, in its
//! order and letter for letter; notes are left out. That holds also where the program switches checks off with
//! `# type: ignore` or `# mypy:` comments: they are part of the program. Configuration files are not read; packages with
//! types that are installed beside mypy are.
//!
//! A program that gets no verdict is checked once more, by the command line's mypy with time enough. Whether it then is the
//! program's doing is told by what cannot happen by itself: its CPU time or memory is used up again
//! ([`AnalysisErrorKind::TooCostly`]), or mypy breaks again ([`AnalysisErrorKind::Unanalysable`]); such programs are remembered. A
//! worker that dies, a checker that somebody kills and a machine that has no time are never a verdict
//! ([`AnalysisErrorKind::Internal`], [`AnalysisErrorKind::Deadline`]).

mod interpreter;
mod output;
mod traces;
mod unchecked;
mod worker;

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use real_detector_api::{AnalysisError, AnalysisErrorKind, TypesVerdict};

use crate::hopeless::Hopeless;
pub use interpreter::interpreter;
pub use output::parse_output;
use traces::{Traces, traces};
pub use unchecked::unchecked;
use worker::{Failure, Limits, Way, Worker};

/// A pool of warm workers, started when first needed.
#[derive(Debug)]
pub struct TypeChecker {
    idle: Mutex<Idle>,
    freed: Condvar,
    limits: Limits,
    /// Programs that mypy gives no verdict on.
    hopeless: Hopeless,
}

/// CPU time that no program needs: what takes longer folds constants such as `9**9**9**9`.
const MOST_CPU_TIME: Duration = Duration::from_secs(20);
/// How often time may run out while libraries are read. What was read stays, so that each such try gets further.
const MOST_READINGS: u32 = 8;
/// How often a worker may fail at a program for reasons of its own.
const MOST_FAULTS: u32 = 1;

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
        Self { idle, freed: Condvar::new(), limits, hopeless: Hopeless::default() }
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
    /// See [`AnalysisErrorKind`]: after a second try where that can help.
    pub fn check(&self, code: &str) -> Result<TypesVerdict, AnalysisError> {
        if let Some(known) = self.hopeless.get(code) {
            return Err(known);
        }
        let result = self.check_twice(code).map_err(|failure| AnalysisError {
            kind: match failure {
                Failure::Cpu | Failure::Memory => AnalysisErrorKind::TooCostly,
                Failure::Program(_) => AnalysisErrorKind::Unanalysable,
                Failure::Deadline | Failure::Libraries => AnalysisErrorKind::Deadline,
                Failure::Killed | Failure::Worker(_) => AnalysisErrorKind::Internal,
            },
            message: format!("mypy: {failure}"),
            line: None,
        });
        match result {
            // mypy honours what hides code from it; where nothing is clean nothing need be hidden.
            Ok(verdict) if verdict.clean => Ok(TypesVerdict { unchecked: unchecked(code)?, ..verdict }),
            Ok(verdict) => Ok(TypesVerdict { unchecked: unchecked(code).unwrap_or_default(), ..verdict }),
            Err(error) => {
                if error.kind.is_verdict() {
                    self.hopeless.add(code, &error);
                }
                Err(error)
            }
        }
    }

    fn check_twice(&self, code: &str) -> Result<TypesVerdict, Failure> {
        let traces = traces(code);
        let (mut way, mut readings, mut faults) = (Way::Resident, 0, 0);
        loop {
            match self.check_once(code, &traces, way) {
                Err(Failure::Libraries) if readings < MOST_READINGS => readings += 1,
                Err(Failure::Worker(_) | Failure::Killed) if faults < MOST_FAULTS => faults += 1,
                Err(failure) if way == Way::Resident && !matches!(failure, Failure::Worker(_) | Failure::Killed) => {
                    way = Way::Plain;
                }
                result => return result,
            }
        }
    }

    fn check_once(&self, code: &str, traces: &Traces, way: Way) -> Result<TypesVerdict, Failure> {
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
        let result = worker.check(code, traces, way, self.limits);
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
