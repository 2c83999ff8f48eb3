//! `real-detector-fuzz FIRST COUNT [FILE…]`: analyses COUNT programs from seed FIRST on. Half are made of choices, so that
//! they are Python; the others are the files' text, changed. Anything but a verdict, or more solver steps than the size of
//! the program explains, is written to standard output with its seed and ends the run with 1.

#[path = "../../tests/generator/mod.rs"]
#[allow(dead_code, reason = "tests use all of it")]
mod generator;
mod mutate;

use std::process::ExitCode;
use std::time::Duration;

use real_detector::{Options, analyze_counting};
use real_detector_api::AnalysisErrorKind;
use real_terminal::{errln, outln};

use mutate::{Random, mutated};

/// Transfer functions evaluated per instruction and operand, at most; as in the tests.
const STEPS_PER_SIZE: u64 = 40;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|argument| argument.parse::<u64>().ok());
    let (Some(first), Some(count)) = (number(), number()) else {
        errln!("usage: real-detector-fuzz FIRST COUNT [FILE…]: two whole numbers, then Python programs to change");
        return ExitCode::from(2);
    };
    let mut programs = vec![];
    for path in arguments {
        match std::fs::read_to_string(&path) {
            Ok(program) => programs.push(program),
            Err(problem) => {
                errln!("cannot read {path}: {problem}");
                return ExitCode::from(2);
            }
        }
    }
    let mut verdicts = 0u64;
    for seed in first..first.saturating_add(count) {
        let code = program(seed, &programs);
        match problem(&code) {
            Err(problem) => {
                outln!("# seed {seed}: {problem}\n{code}");
                return ExitCode::FAILURE;
            }
            Ok(analysed) => verdicts += u64::from(analysed),
        }
    }
    outln!("{count} programs from seed {first} on, {verdicts} of them Python: a verdict on each");
    ExitCode::SUCCESS
}

fn program(seed: u64, programs: &[String]) -> String {
    let mut random = Random(seed);
    if programs.is_empty() || random.below(2) == 0 {
        let length = 40 + random.below(900);
        let bytes = random.bytes(length);
        generator::program(&mut generator::Choices::new(&bytes))
    } else {
        mutated(programs, &mut random)
    }
}

/// Whether the program was analysed: it may be no Python.
fn problem(code: &str) -> Result<bool, String> {
    // Steps are what counts: the machine may be busy.
    let options = Options { timeout: Duration::from_mins(10), ..Options::default() };
    let (findings, effort) = analyze_counting(code, &options);
    if let Err(error) = findings {
        let about_the_program = matches!(error.kind, AnalysisErrorKind::Syntax | AnalysisErrorKind::TooLarge);
        return if about_the_program { Ok(false) } else { Err(format!("{error:?}")) };
    }
    if effort.steps > 2_000 + STEPS_PER_SIZE * effort.size {
        return Err(format!("{effort:?}"));
    }
    Ok(true)
}
