//! A program → what is known about it: the checks that are asked for, each tried again where it may come to an end yet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use real_detector_api::{Analysis, AnalysisError, AnalysisErrorKind, Checks, Finding, Program};

use crate::analysis::PANICKED;
use crate::hopeless::Hopeless;
use crate::mypy::TypeChecker;
use crate::{Options, analyze};

/// What judges programs, one after another or several at once.
#[derive(Debug)]
pub struct Judge {
    timeout: Duration,
    types: Option<TypeChecker>,
    /// Programs whose findings no try came to.
    hopeless: Hopeless,
}

impl Judge {
    /// With this much processor time for the security analysis of a program; without a type checker no types are looked at.
    pub fn new(timeout: Duration, types: Option<TypeChecker>) -> Self {
        Self { timeout, types, hopeless: Hopeless::default() }
    }

    /// Judges one program.
    ///
    /// The two checks judge on their own: a program that is not Python, or too large for one, still has the other's verdict.
    pub fn judge(&self, program: Program, checks: &Checks) -> Analysis {
        let start = Instant::now();
        let mut analysis = Analysis { id: program.id, findings: vec![], types: None, error: None, millis: 0.0 };
        if checks.security {
            match self.findings(&program.code, checks) {
                Ok(findings) => analysis.findings = findings,
                Err(error) => analysis.error = Some(error),
            }
        }
        if let Some(types) = self.types.as_ref().filter(|_| checks.types) {
            match guarded(|| types.check(&program.code)) {
                Ok(verdict) => analysis.types = Some(verdict),
                // There is room for one error, and what is ours must not be hidden by a verdict.
                Err(error) if analysis.error.as_ref().is_none_or(|other| other.kind.is_verdict()) => {
                    analysis.error = Some(error);
                }
                Err(_) => {}
            }
        }
        analysis.millis = start.elapsed().as_secs_f64() * 1e3;
        analysis
    }

    /// Findings, after a second try where the first one may have had bad luck: processor time is taken away from a program by
    /// neighbours in the same caches, too.
    fn findings(&self, code: &str, checks: &Checks) -> Result<Vec<Finding>, AnalysisError> {
        if let Some(known) = self.hopeless.get(code) {
            return Err(known);
        }
        let options = Options { cwes: checks.cwes.clone(), origins: checks.origins.clone(), timeout: self.timeout };
        let once = || guarded(|| analyze(code, &options));
        let may_be_luck = |error: &AnalysisError| {
            matches!(error.kind, AnalysisErrorKind::TooCostly | AnalysisErrorKind::Unanalysable)
        };
        let result = once().or_else(|error| if may_be_luck(&error) { once() } else { Err(error) });
        if let Some(error) = result.as_ref().err().filter(|error| may_be_luck(error)) {
            self.hopeless.add(code, error);
        }
        result
    }
}

/// A panic is what the program makes of a bug of ours: it is the same again.
fn guarded<T>(check: impl FnOnce() -> Result<T, AnalysisError>) -> Result<T, AnalysisError> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| {
        Err(AnalysisError { kind: AnalysisErrorKind::Unanalysable, message: PANICKED.to_owned(), line: None })
    })
}
