//! A report as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use real_terminal::harmless;

use super::{Report, about, bounds, percent};
use crate::statistics::Rate;

/// A heading and a table a suite.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    for suite in &report.suites {
        let _ = writeln!(text, "### {}\n", plain(&about(suite)));
        let columns = report.columns(&suite.name);
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(text, "| % of tasks (95 % interval) | n | {} |", names.join(" | "));
        let _ = writeln!(text, "|---|---:|{}", "---:|".repeat(columns.len()));
        for cell in report.of_suite(&suite.name) {
            let summary = cell.summary.as_ref();
            let rates: Vec<String> = columns.iter().map(|(_, rate)| whole(summary.and_then(rate))).collect();
            let count = summary.map_or_else(String::new, |summary| summary.tasks.to_string());
            let _ = writeln!(text, "| {} | {count} | {} |", plain(&cell.row()), rates.join(" | "));
        }
        text.push('\n');
        let several = report.of_suite(&suite.name).filter_map(|cell| Some((cell, cell.summary.as_ref()?)));
        let at: Vec<String> = several
            .flat_map(|(cell, summary)| summary.pass_at.iter().map(move |at| (cell, at)))
            .map(|(cell, at)| {
                format!(
                    "| {} | {} | {} | {} |",
                    plain(&cell.row()),
                    at.k,
                    whole(Some(at.function)),
                    whole(Some(at.joint))
                )
            })
            .collect();
        if !at.is_empty() {
            let _ =
                writeln!(text, "| pass@k, % | k | Function | Func.-Qual. |\n|---|---:|---:|---:|\n{}\n", at.join("\n"));
        }
    }
    for (cell, reason) in report.cells.iter().filter_map(|cell| Some((cell, cell.reason.as_ref()?))) {
        // An item is a line.
        let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "* {}: no result: {}", plain(&cell.name), plain(&reason));
    }
    text.trim_end().to_owned()
}

fn whole(rate: Option<Rate>) -> String {
    if rate.is_some() { format!("{} ({})", percent(rate), bounds(rate)) } else { percent(rate) }
}

/// Text that Markdown shows as it is.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '!' => plain.extend(['\\', c]),
            _ => plain.push(c),
        }
    }
    plain
}
