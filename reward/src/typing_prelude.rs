//! The line that the paper puts before a program it type-checks.

use real_detector_api::Analysis;

/// The paper's `mypy_utils` prepends this, and so do its test runners: answers may use `List` without importing it.
const PRELUDE: &str = "from typing import *";

/// A program with the prelude, and how far its lines moved down.
pub(crate) struct Prepared {
    pub(crate) code: String,
    shift: u32,
}

/// Adds the prelude. `from __future__` imports have to stay first, so the prelude follows on the last one's line.
pub(crate) fn add(program: &str) -> Prepared {
    let last_future = program
        .split_inclusive('\n')
        .scan(0, |end, line| {
            *end += line.len();
            Some((*end, line))
        })
        .filter(|(_, line)| line.starts_with("from __future__ import"))
        .last();
    let Some((end, line)) = last_future else {
        return Prepared { code: format!("{PRELUDE}\n{program}"), shift: 1 };
    };
    let statement = line.trim_end();
    if statement.contains(['(', '\\', '#']) {
        // No simple statement to continue; such a program is checked as it is.
        return Prepared { code: program.to_owned(), shift: 0 };
    }
    let cut = end - line.len() + statement.len();
    Prepared { code: format!("{}; {PRELUDE}{}", &program[..cut], &program[cut..]), shift: 0 }
}

impl Prepared {
    /// Lines as in the program that was given.
    pub(crate) fn restore_lines(&self, analysis: &mut Analysis) {
        let back = |line: &mut u32| *line = line.saturating_sub(self.shift).max(1);
        for finding in &mut analysis.findings {
            back(&mut finding.line);
            finding.trace.iter_mut().for_each(|step| back(&mut step.line));
        }
        for error in analysis.types.iter_mut().flat_map(|types| &mut types.errors) {
            back(&mut error.line);
        }
        for place in analysis.types.iter_mut().flat_map(|types| &mut types.unchecked) {
            back(&mut place.line);
        }
        if let Some(line) = analysis.error.as_mut().and_then(|error| error.line.as_mut()) {
            back(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use real_detector_api::{Finding, TraceStep, TypeDiagnostic, TypesVerdict};

    use super::*;

    #[test]
    fn the_prelude_is_a_line_of_its_own() {
        assert_eq!(add("x: List[int] = []").code, "from typing import *\nx: List[int] = []");
    }

    #[test]
    fn future_imports_stay_first_and_no_line_moves() {
        let prepared = add("\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\r\nx = 1\n");
        assert_eq!(
            prepared.code,
            "\"\"\"Doc.\"\"\"\nfrom __future__ import annotations; from typing import *\r\nx = 1\n"
        );
        assert_eq!(prepared.shift, 0);
        let parenthesised = "from __future__ import (\n    annotations,\n)\n";
        assert_eq!(add(parenthesised).code, parenthesised);
    }

    #[test]
    fn lines_are_those_of_the_program() {
        let mut analysis = Analysis {
            id: "0".into(),
            findings: vec![Finding {
                cwe: 89,
                rule: "r".into(),
                line: 3,
                column: 1,
                message: String::new(),
                trace: vec![TraceStep { line: 2, column: 1, note: String::new() }],
                origins: vec![],
            }],
            types: Some(TypesVerdict {
                clean: false,
                errors: vec![TypeDiagnostic { line: 5, column: 1, code: "c".into(), message: String::new() }],
                left_out: 0,
                unchecked: vec![],
                checker: String::new(),
            }),
            error: None,
            millis: 0.0,
        };
        add("x").restore_lines(&mut analysis);
        assert_eq!((analysis.findings[0].line, analysis.findings[0].trace[0].line), (2, 1));
        assert_eq!(analysis.types.unwrap().errors[0].line, 4);
    }
}
