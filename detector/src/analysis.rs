//! One program → its findings: the pure function that everything else calls.

use std::time::{Duration, Instant};

use real_detector_api::{AnalysisError, AnalysisErrorKind, Finding};

use crate::rules::registry;
use crate::syntax::{Positions, parse};
use crate::{cfg, taint};

/// Stack for one analysis: syntax trees are walked recursively, and are at most [`crate::syntax::MAX_DEPTH`] deep.
const STACK_BYTES: usize = 512 << 20;

/// What to look for, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// CWE numbers to report; all where absent.
    pub cwes: Option<Vec<u32>>,
    /// Time for one program.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cwes: None, timeout: Duration::from_secs(10) }
    }
}

/// Findings of one program, by position then rule.
///
/// # Errors
/// `Syntax` and `TooLarge` are about the program; `Deadline` and `Internal` are ours.
pub fn analyze(code: &str, options: &Options) -> Result<Vec<Finding>, AnalysisError> {
    std::thread::scope(|scope| {
        let worker =
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || analyze_here(code, options));
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(internal("the analysis panicked; this is a bug of the detector")),
            Err(problem) => Err(internal(&format!("cannot start a thread: {problem}"))),
        }
    })
}

/// Like [`analyze`], on the stack of the caller: for threads that have [`STACK_BYTES`] of it.
fn analyze_here(code: &str, options: &Options) -> Result<Vec<Finding>, AnalysisError> {
    let deadline = Instant::now() + options.timeout;
    let registry = registry().map_err(|problem| internal(&problem.to_string()))?;
    let module = parse(code)?;
    let program = cfg::lower(&module, &|path| registry.never_returns(path));
    let solved = taint::solve_program(&program, registry, deadline).map_err(|_| AnalysisError {
        kind: AnalysisErrorKind::Deadline,
        message: format!("the analysis took longer than {} s", options.timeout.as_secs_f64()),
        line: None,
    })?;
    let positions = Positions::new(code);
    let wanted = |cwe| options.cwes.as_ref().is_none_or(|cwes| cwes.contains(&cwe));
    Ok(taint::find(&solved, &positions, &wanted))
}

fn internal(message: &str) -> AnalysisError {
    AnalysisError { kind: AnalysisErrorKind::Internal, message: message.to_owned(), line: None }
}
