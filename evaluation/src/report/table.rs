//! A report in a terminal.

use comfy_table::{Cell, CellAlignment, Table, presets};
use real_terminal::{fit, harmless, harmless_lines, wrapped};

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
                .map(|reason| wrapped(&harmless_lines(&format!("{}: no result: {reason}", cell.name)), columns)),
        );
    }
    parts.join("\n")
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
