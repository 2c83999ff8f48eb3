//! One program → its findings: the pure function that everything else calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use real_detector_api::{AnalysisError, AnalysisErrorKind, Finding, OriginKind};

use crate::budget::{Budget, Effort, Expired};
use crate::rules::registry;
use crate::syntax::{Position, Positions, Source};
use crate::{cfg, entry, syntax, taint};

/// Stack for one analysis: syntax trees are walked recursively, and are at most [`crate::syntax::MAX_DEPTH`] deep.
const STACK_BYTES: usize = 512 << 20;
/// Programs of at most this depth and [`syntax::SHORT`] bytes need no such stack: a MiB will do, which every thread has.
const SHALLOW: usize = 32;
pub(crate) const PANICKED: &str = "the analysis panicked; this is a bug of the detector";

/// How deep code in constants of code in constants is looked at.
const MAX_CODE_DEPTH: usize = 3;

/// What to look for, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// CWE numbers to report; all where absent.
    pub cwes: Option<Vec<u32>>,
    /// Whose values count; everybody's where absent.
    pub origins: Option<Vec<OriginKind>>,
    /// Processor time for one program.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cwes: None, origins: None, timeout: Duration::from_secs(10) }
    }
}

/// Findings of one program, by position then rule.
///
/// # Errors
/// See [`AnalysisErrorKind`]. It is one try: [`crate::judge`] makes another where that can help.
pub fn analyze(code: &str, options: &Options) -> Result<Vec<Finding>, AnalysisError> {
    analyze_counting(code, options).0
}

/// [`analyze`], with what it took.
pub fn analyze_counting(code: &str, options: &Options) -> (Result<Vec<Finding>, AnalysisError>, Effort) {
    let mut source = match syntax::read(code) {
        Ok(source) => source,
        Err(error) => return (Err(error), Effort::default()),
    };
    let broken = |kind, message: &str| (Err(Stop::Error(error_of(kind, message))), Effort::default());
    let mut outcome = (Err(Stop::Deep), Effort::default());
    if is_shallow(&source) {
        let here = catch_unwind(AssertUnwindSafe(|| analyze_here(&mut source, options, true)));
        outcome = here.unwrap_or_else(|_| broken(AnalysisErrorKind::Unanalysable, PANICKED));
    }
    if matches!(outcome.0, Err(Stop::Deep)) {
        outcome = match on_large_stack(|| analyze_here(&mut source, options, false)) {
            Ok(outcome) => outcome,
            Err(NoStack::Panicked) => broken(AnalysisErrorKind::Unanalysable, PANICKED),
            Err(NoStack::NoThread(problem)) => broken(AnalysisErrorKind::Internal, &problem),
        };
    }
    let findings = outcome.0.map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Deep => error_of(AnalysisErrorKind::Unanalysable, "the analysis asked for a larger stack twice"),
    });
    (findings, outcome.1)
}

/// Why work on a large stack has no result.
pub(crate) enum NoStack {
    /// It panicked.
    Panicked,
    /// The machine has no room for it.
    NoThread(String),
}

/// Runs what walks syntax trees on a stack that is large enough for it.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NoStack> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(NoStack::Panicked),
            Err(problem) => Err(NoStack::NoThread(format!("cannot start a thread: {problem}"))),
        }
    })
}

/// Why an analysis has no findings to give.
enum Stop {
    Error(AnalysisError),
    /// Code in a constant is too deep for the stack of the caller.
    Deep,
}

fn is_shallow(source: &Source<'_>) -> bool {
    source.depth <= SHALLOW && source.code.len() <= syntax::SHORT
}

/// Like [`analyze_counting`], on the stack of the caller; `small` where that is no large one.
fn analyze_here(source: &mut Source<'_>, options: &Options, small: bool) -> (Result<Vec<Finding>, Stop>, Effort) {
    let budget = Rc::new(Budget::new(options.timeout));
    let findings = Unit { options, budget: &budget, small }.findings(source, 0);
    (findings, budget.effort())
}

/// How a program, and the code that stands in its constants, is looked at.
struct Unit<'a> {
    options: &'a Options,
    budget: &'a Rc<Budget>,
    small: bool,
}

impl Unit<'_> {
    /// Findings of a program, or at `depth` > 0 of code that stands in a constant of one.
    fn findings(&self, source: &mut Source<'_>, depth: usize) -> Result<Vec<Finding>, Stop> {
        let (options, budget) = (self.options, self.budget);
        let registry =
            registry().map_err(|problem| Stop::Error(error_of(AnalysisErrorKind::Internal, &problem.to_string())))?;
        let late = |stage: &'static str| {
            move |Expired| {
                let seconds = options.timeout.as_secs_f64();
                let message = format!("the analysis took more than {seconds} s of processor time ({stage})");
                Stop::Error(error_of(AnalysisErrorKind::TooCostly, &message))
            }
        };
        let module = source.module().map_err(Stop::Error)?;
        budget.check().map_err(late("parsing"))?;
        let never_returns = |path: &str| registry.never_returns(registry.unbound(path).unwrap_or(path));
        let mut program = cfg::lower(&module, &never_returns, budget).map_err(late("control flow"))?;
        program.fragment = depth > 0;
        entry::expose(&mut program, registry);
        let solved = taint::solve_program(&program, registry, budget).map_err(late("data flow"))?;
        let positions = Positions::new(source.code);
        let wanted = |cwe| options.cwes.as_ref().is_none_or(|cwes| cwes.contains(&cwe));
        let counts = |kind| options.origins.as_ref().is_none_or(|kinds| kinds.contains(&kind));
        let mut findings = taint::find(&solved, &positions, &wanted, &counts).map_err(late("findings"))?;
        if depth < MAX_CODE_DEPTH {
            for (text, span) in taint::constant_code(&solved) {
                let at = positions.at(span.start as usize);
                findings.extend(self.inner(&text, depth + 1)?.into_iter().map(|finding| relocated(finding, at)));
            }
            findings.sort_by(|a, b| (a.line, a.column, &a.rule).cmp(&(b.line, b.column, &b.rule)));
            findings.dedup_by(|a, b| (a.line, a.column, &a.rule) == (b.line, b.column, &b.rule));
        }
        Ok(findings)
    }

    /// Findings of code that stands in a constant. What is no Python raises when it is run.
    fn inner(&self, code: &str, depth: usize) -> Result<Vec<Finding>, Stop> {
        let findings = match syntax::read(code) {
            Ok(source) if self.small && !is_shallow(&source) => return Err(Stop::Deep),
            Ok(mut source) => self.findings(&mut source, depth),
            Err(error) => Err(Stop::Error(error)),
        };
        match findings {
            Err(Stop::Error(error)) if error.kind == AnalysisErrorKind::Syntax => Ok(vec![]),
            findings => findings,
        }
    }
}

/// A finding in code that stands in a constant: it is where the code is run.
fn relocated(mut finding: Finding, at: Position) -> Finding {
    (finding.line, finding.column) = (at.line, at.column);
    for step in &mut finding.trace {
        step.note = format!("line {} of the code that is run here: {}", step.line, step.note);
        (step.line, step.column) = (at.line, at.column);
    }
    finding
}

fn error_of(kind: AnalysisErrorKind, message: &str) -> AnalysisError {
    AnalysisError { kind, message: message.to_owned(), line: None }
}
