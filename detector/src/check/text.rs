//! Findings for people.

use std::fmt::Write as _;

use real_detector_api::Finding;
use real_terminal::{Stream, colours, harmless, outln, text_width};

use super::judge::Checked;

/// Characters of a line that are shown around a finding.
const WINDOW: usize = 120;

/// Writes what was found in a file; nothing where it is clean.
pub(super) fn print(checked: &Checked) {
    let text = Page::new(checked, colours(Stream::Output)).text();
    if !text.is_empty() {
        outln!("{}", text.trim_end());
    }
}

struct Page<'a> {
    checked: &'a Checked,
    lines: Vec<&'a str>,
    colour: bool,
}

impl<'a> Page<'a> {
    fn new(checked: &'a Checked, colour: bool) -> Self {
        Self { checked, lines: checked.code.lines().collect(), colour }
    }

    fn text(&self) -> String {
        let name = harmless(&self.checked.name);
        let mut text = String::new();
        for finding in &self.checked.findings {
            let Finding { line, column, .. } = *finding;
            let rule = self.paint("1;31", &format!("CWE-{} {}", finding.cwe, harmless(&finding.rule)));
            let place = self.paint("1", &format!("{name}:{line}:{column}"));
            let _ = writeln!(text, "{place}: {rule}: {}", harmless(&finding.message));
            text.push_str(&self.excerpt(line, column));
            for step in &finding.trace {
                let _ = writeln!(text, "    {}:{}  {}", step.line, step.column, harmless(&step.note));
            }
        }
        for error in &self.checked.types {
            let place = self.paint("1", &format!("{name}:{}:{}", error.line, error.column));
            let code = self.paint("33", &format!("[{}]", harmless(&error.code)));
            let _ = writeln!(text, "{place}: {}  {code}", harmless(&error.message));
            text.push_str(&self.excerpt(error.line, error.column));
        }
        if let Some(failure) = &self.checked.failure {
            let line = failure.line.map(|line| format!(":{line}")).unwrap_or_default();
            let place = self.paint("1", &format!("{name}{line}"));
            let _ = writeln!(text, "{place}: not checked: {}", harmless(&failure.message));
            if let Some(line) = failure.line {
                text.push_str(&self.excerpt(line, 0));
            }
        }
        text
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The line with a mark under the column; both from 1, and 0 is none.
    fn excerpt(&self, line: u32, column: u32) -> String {
        let Some(source) = (line as usize).checked_sub(1).and_then(|index| self.lines.get(index)) else {
            return String::new();
        };
        let (marked, column) = (column > 0, (column as usize).saturating_sub(1));
        let start = if column > WINDOW { column - WINDOW / 2 } else { 0 };
        let shown: Vec<char> = source.chars().skip(start).take(WINDOW).collect();
        let before: String = shown.iter().take(column - start).collect();
        let cut = |cut: bool| if cut { "…" } else { "" };
        let (left, right) = (cut(start > 0), cut(source.chars().nth(start + WINDOW).is_some()));
        let visible = harmless(&shown.iter().collect::<String>().replace('\t', "    "));
        let mut text = format!("{line:>6} | {left}{visible}{right}\n");
        if marked {
            let indent = text_width(left) + text_width(&harmless(&before.replace('\t', "    ")));
            let mark = self.paint("1;31", "^");
            let _ = writeln!(text, "{:>6} | {:indent$}{mark}", "", "");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use real_detector_api::TraceStep;

    use super::*;

    fn checked(code: &str, line: u32, column: u32) -> Checked {
        let finding = Finding {
            cwe: 89,
            rule: "sql-injection".into(),
            line,
            column,
            message: "text".into(),
            origins: Vec::new(),
            trace: vec![TraceStep { line: 1, column: 7, note: "comes in".into() }],
        };
        Checked { name: "a.py".into(), code: code.into(), findings: vec![finding], types: Vec::new(), failure: None }
    }

    #[test]
    fn the_mark_stands_under_the_column_behind_tabs_and_wide_letters() {
        let code = "def f(q):\n\t名 = run(q)\n";
        let text = Page::new(&checked(code, 2, 6), false).text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "a.py:2:6: CWE-89 sql-injection: text");
        assert_eq!(lines[1], "     2 |     名 = run(q)");
        assert_eq!(lines[2], "       |          ^");
        assert_eq!(lines[3], "    1:7  comes in");
    }

    #[test]
    fn a_program_cannot_write_to_the_terminal_through_its_excerpt() {
        let text = Page::new(&checked("x = '\u{1b}[2J\u{202e}'\n", 1, 1), false).text();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
        assert!(text.contains("\\u{1b}[2J"), "{text}");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_column_is_shown() {
        let code = format!("{}here{}\n", "x".repeat(5000), "y".repeat(5000));
        let text = Page::new(&checked(&code, 1, 5001), false).text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("…x") && lines[1].contains("here") && lines[1].ends_with('…'), "{}", lines[1]);
        let column = |line: &str, what: &str| line.chars().position(|c| what.starts_with(c));
        assert_eq!(column(lines[2], "^"), column(lines[1], "h"));
        assert!(lines[1].chars().count() < 140);
    }
}
