//! mypy's lines → diagnostics.

use real_detector_api::TypeDiagnostic;

/// The errors among mypy's output lines (`program.py:3:5: error: message  [code]`); notes are left out.
pub fn parse_output(output: &str) -> Vec<TypeDiagnostic> {
    output.lines().filter_map(parse_line).collect()
}

/// `FILE: error: …`, `FILE:LINE: error: …` or `FILE:LINE:COLUMN: error: …`.
fn parse_line(line: &str) -> Option<TypeDiagnostic> {
    // The place has no blank, a message may well hold `: error: `.
    let (place, message) = line.split_once(": ")?;
    let message = message.strip_prefix("error: ")?;
    let mut place = place.split(':').skip(1);
    let line = place.next().and_then(|number| number.parse().ok()).unwrap_or(1);
    let column = place.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    let (message, code) = match message.rsplit_once("  [") {
        Some((message, code)) if code.ends_with(']') => (message, code.trim_end_matches(']')),
        _ => (message, ""),
    };
    Some(TypeDiagnostic { line, column, code: code.to_owned(), message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_line_is_taken_apart() {
        let found = parse_output(
            "program.py:3:5: error: Incompatible types: \"a\" [x]  [assignment]\nprogram.py:3:5: note: see here\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].column, found[0].code.as_str()), (3, 5, "assignment"));
        assert_eq!(found[0].message, "Incompatible types: \"a\" [x]");
    }

    #[test]
    fn a_note_that_quotes_an_error_is_a_note() {
        assert_eq!(parse_output("program.py:1:1: note: Revealed type is \"Literal['a: error: b']?\"\n"), []);
    }

    #[test]
    fn a_column_or_a_code_may_be_missing() {
        let found = parse_output("program.py:7: error: Found a loop\nprogram.py: error: Twice\n");
        assert_eq!((found[0].line, found[0].column, found[0].code.as_str()), (7, 0, ""));
        assert_eq!((found[1].line, found[1].message.as_str()), (1, "Twice"));
    }
}
