//! mypy's lines → diagnostics.

use real_detector_api::TypeDiagnostic;

/// The errors among mypy's output lines (`program.py:3:5: error: message  [code]`); notes are left out.
pub fn parse_output(output: &str) -> Vec<TypeDiagnostic> {
    output.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<TypeDiagnostic> {
    let (place, message) = line.split_once(": error: ")?;
    let mut place = place.split(':').skip(1);
    let line = place.next().and_then(|number| number.trim().parse().ok()).unwrap_or(1);
    let column = place.next().and_then(|number| number.trim().parse().ok()).unwrap_or(0);
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
}
