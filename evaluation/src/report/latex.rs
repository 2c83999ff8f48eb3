//! A report as a LaTeX table in the shape of the paper's: rows are models, and each suite has Function, Quality and Func.-Qual.

use super::{PAPER, Report};
use crate::statistics::Rate;

/// Needs `booktabs`. The best value of a column is bold; what has no result is a dash.
pub(super) fn latex(report: &Report) -> String {
    let mut rows: Vec<String> = Vec::new();
    for cell in &report.cells {
        if !rows.contains(&cell.row()) {
            rows.push(cell.row());
        }
    }
    let values = |row: &str| -> Vec<Option<Rate>> {
        let of_suite = |suite: &str| {
            let cell = report.of_suite(suite).find(|cell| cell.row() == row);
            PAPER.map(|(_, rate)| cell.and_then(|cell| cell.summary.as_ref()).and_then(rate))
        };
        report.suites.iter().flat_map(|suite| of_suite(&suite.name)).collect()
    };
    let all: Vec<Vec<Option<Rate>>> = rows.iter().map(|row| values(row)).collect();
    let best = |column: usize| {
        all.iter().filter_map(|row| row[column]).map(|rate| rate.value).fold(f64::NEG_INFINITY, f64::max)
    };
    let body = rows.iter().zip(&all).map(|(row, values)| {
        let shown = values.iter().enumerate().map(|(column, rate)| match rate {
            Some(rate) if rate.value >= best(column) && rows.len() > 1 => {
                format!("\\textbf{{{:.1}}}", 100.0 * rate.value)
            }
            Some(rate) => format!("{:.1}", 100.0 * rate.value),
            None => "--".to_owned(),
        });
        format!("{} & {} \\\\", plain(row), shown.collect::<Vec<_>>().join(" & "))
    });
    let suites = report.suites.iter().map(|suite| format!(" & \\multicolumn{{3}}{{c}}{{{}}}", plain(&suite.name)));
    let lines = (0..report.suites.len()).map(|at| format!("\\cmidrule(lr){{{}-{}}}", 3 * at + 2, 3 * at + 4));
    let names = format!("Method{}", " & Function & Quality & Func.-Qual.".repeat(report.suites.len()));
    [
        format!("\\begin{{tabular}}{{l{}}}", "ccc".repeat(report.suites.len())),
        "\\toprule".to_owned(),
        format!("{} \\\\", suites.collect::<String>().trim_start()),
        lines.collect::<Vec<_>>().join(" "),
        format!("{names} \\\\"),
        "\\midrule".to_owned(),
    ]
    .into_iter()
    .chain(body)
    .chain(["\\bottomrule".to_owned(), "\\end{tabular}".to_owned()])
    .collect::<Vec<_>>()
    .join("\n")
}

/// Text that LaTeX sets as it is.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        match c {
            '\\' => plain.push_str("\\textbackslash{}"),
            '~' => plain.push_str("\\textasciitilde{}"),
            '^' => plain.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => plain.extend(['\\', c]),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_command() {
        assert_eq!(plain("\\input{/etc/passwd} 5% a_b"), "\\textbackslash{}input\\{/etc/passwd\\} 5\\% a\\_b");
    }
}
