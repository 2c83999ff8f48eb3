//! A report as comma-separated values (RFC 4180).

use super::{Column, Report};

/// Rates and their bounds, shares in [0, 1]; empty where there is no result.
const RATES: [(&str, Column); 6] = [
    ("function", ("", |s| s.function)),
    ("quality", ("", |s| s.quality)),
    ("joint", ("", |s| s.joint)),
    ("safety", ("", |s| s.safety)),
    ("testsPassed", ("", |s| s.tests_passed)),
    ("reward", ("", |s| s.reward)),
];

/// A line a cell, after a line of names.
pub(super) fn csv(report: &Report) -> String {
    let mut names: Vec<String> =
        ["cell", "target", "suite", "tasks", "answers", "dropped", "noCode", "notRunnable"].map(str::to_owned).to_vec();
    names.extend(RATES.iter().flat_map(|(name, _)| [(*name).to_owned(), format!("{name}Low"), format!("{name}High")]));
    names.push("reason".to_owned());
    let mut lines = vec![names.join(",")];
    for cell in &report.cells {
        let mut values = vec![field(&cell.name), field(&cell.target), field(&cell.suite)];
        let summary = cell.summary.as_ref();
        let counts = |s: &crate::summary::Summary| [s.tasks, s.answers, s.dropped, s.no_code, s.not_runnable];
        values.extend(
            summary.map_or_else(|| vec![String::new(); 5], |s| counts(s).iter().map(ToString::to_string).collect()),
        );
        for (_, (_, rate)) in RATES {
            let rate = summary.and_then(rate);
            values.extend(rate.map_or_else(Default::default, |rate| {
                [rate.value, rate.low, rate.high].map(|share| share.to_string())
            }));
        }
        values.push(field(cell.reason.as_deref().unwrap_or_default()));
        lines.push(values.join(","));
    }
    lines.join("\n")
}

/// A text as a field. What a spreadsheet would take for a formula gets a quote before it.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_are_no_formulas() {
        assert_eq!(field("a,b \"c\"\nd"), "\"a,b \"\"c\"\"\nd\"");
        assert_eq!(field("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(field("plain"), "plain");
    }
}
