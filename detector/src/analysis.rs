//! One program → its findings: the pure function that everything else calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use real_detector_api::{AnalysisError, AnalysisErrorKind, Finding};

use crate::budget::{Budget, Effort, Expired};
use crate::rules::registry;
use crate::syntax::Positions;
use crate::{cfg, syntax, taint};

/// Stack for one analysis: syntax trees are walked recursively, and are at most [`crate::syntax::MAX_DEPTH`] deep.
const STACK_BYTES: usize = 512 << 20;
/// Programs of at most this depth and these bytes need no such stack: a MiB will do, which every thread has.
const SHALLOW: (usize, usize) = (32, 2 << 10);
const PANICKED: &str = "the analysis panicked; this is a bug of the detector";

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
    analyze_counting(code, options).0
}

/// [`analyze`], with what it took.
pub fn analyze_counting(code: &str, options: &Options) -> (Result<Vec<Finding>, AnalysisError>, Effort) {
    let depth = match syntax::check(code) {
        Ok(depth) => depth,
        Err(error) => return (Err(error), Effort::default()),
    };
    if depth <= SHALLOW.0 && code.len() <= SHALLOW.1 {
        let outcome = catch_unwind(AssertUnwindSafe(|| analyze_here(code, options)));
        return outcome.unwrap_or_else(|_| (Err(internal(PANICKED)), Effort::default()));
    }
    std::thread::scope(|scope| {
        let worker =
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || analyze_here(code, options));
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => (Err(internal(PANICKED)), Effort::default()),
            Err(problem) => (Err(internal(&format!("cannot start a thread: {problem}"))), Effort::default()),
        }
    })
}

/// Like [`analyze_counting`], for a checked program whose depth fits the stack of the caller.
fn analyze_here(code: &str, options: &Options) -> (Result<Vec<Finding>, AnalysisError>, Effort) {
    let budget = Rc::new(Budget::new(options.timeout));
    let findings = analyze_within(code, options, &budget);
    (findings, budget.effort())
}

fn analyze_within(code: &str, options: &Options, budget: &Rc<Budget>) -> Result<Vec<Finding>, AnalysisError> {
    let registry = registry().map_err(|problem| internal(&problem.to_string()))?;
    let late = |stage: &'static str| {
        move |Expired| AnalysisError {
            kind: AnalysisErrorKind::Deadline,
            message: format!("the analysis took longer than {} s ({stage})", options.timeout.as_secs_f64()),
            line: None,
        }
    };
    let module = syntax::parse_checked(code)?;
    budget.check().map_err(late("parsing"))?;
    let program = cfg::lower(&module, &|path| registry.never_returns(path), budget).map_err(late("control flow"))?;
    let solved = taint::solve_program(&program, registry, budget).map_err(late("data flow"))?;
    let positions = Positions::new(code);
    let wanted = |cwe| options.cwes.as_ref().is_none_or(|cwes| cwes.contains(&cwe));
    taint::find(&solved, &positions, &wanted).map_err(late("findings"))
}

fn internal(message: &str) -> AnalysisError {
    AnalysisError { kind: AnalysisErrorKind::Internal, message: message.to_owned(), line: None }
}
