//! A report in a terminal.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use real_terminal::{harmless, text_width};

use super::{Report, about, bounds, percent};

/// A table a suite, and what else there is to say of it.
pub(super) fn table(report: &Report, columns: Option<usize>) -> String {
    let mut parts = Vec::new();
    for suite in &report.suites {
        parts.push(wrapped(&harmless(&about(suite)), columns));
        parts.push(fit(rates(report, &suite.name), columns));
        parts.extend(pass_at(report, &suite.name).map(|table| fit(table, columns)));
    }
    for cell in &report.cells {
        parts.extend(
            cell.reason
                .as_ref()
                .map(|reason| wrapped(&harmless(&format!("{}: no result: {reason}", cell.name)), columns)),
        );
    }
    parts.join("\n")
}

fn fit(mut table: Table, columns: Option<usize>) -> String {
    if let Some(columns) = columns.and_then(|columns| u16::try_from(columns).ok()) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table.to_string()
}

/// A text in lines of at most so many columns, broken between words where that is possible.
fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|columns| *columns > 0) else { return text.to_owned() };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word;
        loop {
            let line = lines.last_mut().expect("there is a line");
            let gap = usize::from(!line.is_empty());
            if text_width(line) + gap + text_width(rest) <= columns {
                line.extend((gap > 0).then_some(' '));
                line.push_str(rest);
                break;
            }
            if line.is_empty() {
                // A word that is longer than a line; each character takes two columns at most.
                let end = rest.char_indices().nth((columns / 2).max(1)).map_or(rest.len(), |(end, _)| end);
                line.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            lines.push(String::new());
        }
    }
    lines.join("\n")
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn rates(report: &Report, suite: &str) -> Table {
    let columns = report.columns(suite);
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let names = columns.iter().map(|(name, _)| right((*name).to_owned()));
    table.set_header([Cell::new("% of tasks"), right("n".into())].into_iter().chain(names));
    for cell in report.of_suite(suite) {
        let summary = cell.summary.as_ref();
        let count = summary.map_or_else(String::new, |summary| match summary.dropped {
            0 => summary.tasks.to_string(),
            dropped => format!("{}\n{dropped} dropped", summary.tasks),
        });
        let rates = columns.iter().map(|(_, rate)| {
            let rate = summary.and_then(rate);
            right(format!("{}\n{}", percent(rate), bounds(rate)))
        });
        table.add_row([Cell::new(harmless(&cell.row())), right(count)].into_iter().chain(rates));
    }
    table
}

/// pass@k, where there are several answers a task.
fn pass_at(report: &Report, suite: &str) -> Option<Table> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        Cell::new("pass@k, %"),
        right("k".into()),
        right("Function".into()),
        right("Func.-Qual.".into()),
    ]);
    for cell in report.of_suite(suite) {
        for at in cell.summary.iter().flat_map(|summary| &summary.pass_at) {
            let rate = |rate| right(format!("{} ({})", percent(Some(rate)), bounds(Some(rate))));
            table.add_row([
                Cell::new(harmless(&cell.row())),
                right(at.k.to_string()),
                rate(at.function),
                rate(at.joint),
            ]);
        }
    }
    (table.row_count() > 0).then_some(table)
}
