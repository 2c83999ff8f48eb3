//! One program → its findings: the pure function that everything else calls.

use std::time::{Duration, Instant};

use real_detector_api::{AnalysisError, AnalysisErrorKind, Finding, OriginKind};

use crate::rules::registry;
use crate::syntax::{Position, Positions, parse};
use crate::{cfg, entry, taint};

/// Stack for one analysis: syntax trees are walked recursively, and are at most [`crate::syntax::MAX_DEPTH`] deep.
const STACK_BYTES: usize = 512 << 20;

/// How deep code in constants of code in constants is looked at.
const MAX_CODE_DEPTH: usize = 3;

/// What to look for, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// CWE numbers to report; all where absent.
    pub cwes: Option<Vec<u32>>,
    /// Whose values count; everybody's where absent.
    pub origins: Option<Vec<OriginKind>>,
    /// Time for one program.
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
/// `Syntax` and `TooLarge` are about the program; `Deadline` and `Internal` are ours.
pub fn analyze(code: &str, options: &Options) -> Result<Vec<Finding>, AnalysisError> {
    on_large_stack(|| analyze_here(code, options)).unwrap_or_else(|problem| Err(internal(&problem)))
}

/// Runs what walks syntax trees on a stack that is large enough for it.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err("the analysis panicked; this is a bug of the detector".to_owned()),
            Err(problem) => Err(format!("cannot start a thread: {problem}")),
        }
    })
}

/// Like [`analyze`], on the stack of the caller: for threads that have [`STACK_BYTES`] of it.
fn analyze_here(code: &str, options: &Options) -> Result<Vec<Finding>, AnalysisError> {
    unit(code, options, Instant::now() + options.timeout, 0)
}

/// A program, or at `depth` > 0 code that stands in a constant of one.
fn unit(code: &str, options: &Options, deadline: Instant, depth: usize) -> Result<Vec<Finding>, AnalysisError> {
    let registry = registry().map_err(|problem| internal(&problem.to_string()))?;
    let module = parse(code)?;
    let mut program = cfg::lower(&module, &|path| registry.never_returns(path));
    program.fragment = depth > 0;
    entry::expose(&mut program, registry);
    let solved = taint::solve_program(&program, registry, deadline).map_err(|_| AnalysisError {
        kind: AnalysisErrorKind::Deadline,
        message: format!("the analysis took longer than {} s", options.timeout.as_secs_f64()),
        line: None,
    })?;
    let positions = Positions::new(code);
    let wanted = |cwe| options.cwes.as_ref().is_none_or(|cwes| cwes.contains(&cwe));
    let counts = |kind| options.origins.as_ref().is_none_or(|kinds| kinds.contains(&kind));
    let mut findings = taint::find(&solved, &positions, &wanted, &counts);
    if depth < MAX_CODE_DEPTH {
        for (text, span) in taint::constant_code(&solved) {
            let at = positions.at(span.start as usize);
            // What is no Python raises when it is run.
            let inner = match unit(&text, options, deadline, depth + 1) {
                Err(error) if error.kind.is_verdict() => continue,
                inner => inner?,
            };
            findings.extend(inner.into_iter().map(|finding| relocated(finding, at)));
        }
        findings.sort_by(|a, b| (a.line, a.column, &a.rule).cmp(&(b.line, b.column, &b.rule)));
        findings.dedup_by(|a, b| (a.line, a.column, &a.rule) == (b.line, b.column, &b.rule));
    }
    Ok(findings)
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

fn internal(message: &str) -> AnalysisError {
    AnalysisError { kind: AnalysisErrorKind::Internal, message: message.to_owned(), line: None }
}
