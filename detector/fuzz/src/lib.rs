//! What every fuzz target asks of the analysis.

#[path = "../../tests/generator/mod.rs"]
pub mod generator;

use std::time::Duration;

use real_detector::{Options, analyze_counting};
use real_detector_api::AnalysisErrorKind;

/// Transfer functions evaluated per instruction and operand, at most.
const STEPS_PER_SIZE: u64 = 12;

/// Analyses a program: anything but a verdict, or more steps than its size explains, is a crash.
pub fn check(code: &str) {
    let options = Options { timeout: Duration::from_secs(20), ..Options::default() };
    let (findings, effort) = analyze_counting(code, &options);
    if let Err(error) = findings {
        let about_the_program = matches!(error.kind, AnalysisErrorKind::Syntax | AnalysisErrorKind::TooLarge);
        assert!(about_the_program, "{error:?}\n{code}");
    }
    assert!(effort.steps <= 2_000 + STEPS_PER_SIZE * effort.size, "{effort:?}\n{code}");
}
