//! Results for people and for other programs.

mod csv;
mod html;
mod latex;
mod markdown;
mod plot;
mod table;

pub use html::{Example, html};

use serde::Serialize;

use crate::leak::Leak;
use crate::statistics::Rate;
use crate::summary::Summary;

/// All that a sweep came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the sweep.
    pub name: String,
    /// What was evaluated on.
    pub suites: Vec<SuiteReport>,
    /// What was evaluated, in the sweep's order.
    pub cells: Vec<CellReport>,
}

/// A suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuiteReport {
    /// Its name.
    pub name: String,
    /// Where its tasks are.
    pub storage_uri: String,
    /// Tasks that answers were asked for.
    pub tasks: usize,
    /// Overlap with a training set, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<Leak>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellReport {
    /// Its name.
    pub name: String,
    /// Name of the target.
    pub target: String,
    /// Name of the suite.
    pub suite: String,
    /// What it comes to; absent where it failed or was not started.
    pub summary: Option<Summary>,
    /// Why there is no summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CellReport {
    /// The target and what was varied, without the suite.
    pub(crate) fn row(&self) -> String {
        let varied = self.name.strip_prefix(&format!("{}/{}", self.target, self.suite)).unwrap_or_default();
        format!("{}{}", self.target, varied.replacen('/', " ", 1))
    }
}

/// How a report is written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal.
    Table,
    /// For a page.
    Markdown,
    /// For a spreadsheet: a line a cell.
    Csv,
    /// For programs: all of it.
    Json,
    /// For a paper: rows are models, columns are suites.
    Latex,
}

/// A rate of a summary, by name.
pub(crate) type Column = (&'static str, fn(&Summary) -> Option<Rate>);

/// The paper's three rates.
pub(crate) const PAPER: [Column; 3] =
    [("Function", |s| s.function), ("Quality", |s| s.quality), ("Func.-Qual.", |s| s.joint)];

impl Report {
    /// The report as text, without a line's end at its own. A table is at most `columns` wide where a number is given.
    ///
    /// # Errors
    /// Never, as all of it is plain data.
    pub fn text(&self, format: Format, columns: Option<usize>) -> serde_json::Result<String> {
        Ok(match format {
            Format::Table => table::table(self, columns),
            Format::Markdown => markdown::markdown(self),
            Format::Csv => csv::csv(self),
            Format::Json => serde_json::to_string_pretty(self)?,
            Format::Latex => latex::latex(self),
        })
    }

    /// Cells of a suite.
    pub(crate) fn of_suite(&self, suite: &str) -> impl Iterator<Item = &CellReport> {
        self.cells.iter().filter(move |cell| cell.suite == suite)
    }

    /// Columns that say something of a suite.
    pub(crate) fn columns(&self, suite: &str) -> Vec<Column> {
        let safety: Column = ("safety tests", |s| s.safety);
        let mut summaries = self.of_suite(suite).filter_map(|cell| cell.summary.as_ref());
        let has_safety = summaries.any(|summary| summary.safety.is_some());
        PAPER.into_iter().chain(has_safety.then_some(safety)).collect()
    }
}

/// A share in percent with one decimal; `no result` where there is none.
pub(crate) fn percent(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "no result".to_owned(), |rate| format!("{:.1}", 100.0 * rate.value))
}

/// An interval in percent, empty where there is none.
pub(crate) fn bounds(rate: Option<Rate>) -> String {
    rate.map_or_else(String::new, |rate| format!("{:.1}–{:.1}", 100.0 * rate.low, 100.0 * rate.high))
}

/// What is to be said of a suite in a line.
pub(crate) fn about(suite: &SuiteReport) -> String {
    let leak = suite.leak.as_ref().map_or_else(String::new, |leak| {
        format!(
            "; {} of them are in the training set already ({} by their prompt, {} by the structure of a solution)",
            leak.known, leak.same_prompt, leak.same_structure
        )
    });
    format!("{}: {}{leak}", suite.name, real_terminal::count(suite.tasks, "task"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::summary::tests::row;

    /// Two models on two suites, and a cell that failed. Names are hostile.
    pub(crate) fn report() -> Report {
        let summary = |right: usize| {
            Some(Summary::of(&(0..8).map(|i| row(&i.to_string(), i < right, i % 2 == 0)).collect::<Vec<_>>(), 1))
        };
        let cell = |target: &str, suite: &str, varied: &str, summary: Option<Summary>| CellReport {
            name: format!("{target}/{suite}{varied}"),
            target: target.into(),
            suite: suite.into(),
            reason: summary.is_none().then(|| "the model <b>a_b</b> & co. is \"gone\", 100 %".into()),
            summary,
        };
        let suite = |name: &str| SuiteReport {
            name: name.into(),
            storage_uri: format!("/data/{name}.jsonl"),
            tasks: 8,
            leak: None,
        };
        Report {
            name: "nightly".into(),
            suites: vec![suite("first"), suite("second")],
            cells: vec![
                cell("base", "first", "", summary(2)),
                cell("base", "second", "", summary(8)),
                cell("trained_1", "first", "/temperature=0.8", summary(6)),
                cell("trained_1", "second", "/temperature=0.8", None),
            ],
        }
    }

    #[test]
    fn a_table_fits_eighty_columns_whatever_the_names() {
        let mut report = report();
        report.cells[0].target = "a-model-with-a-name-that-is-longer-than-any-column-of-a-table-would-be".into();
        report.cells[0].name = format!("{}/first", report.cells[0].target);
        report.cells[0].summary.as_mut().unwrap().safety = report.cells[0].summary.as_ref().unwrap().function;
        let table = report.text(Format::Table, Some(80)).unwrap();
        assert!(table.lines().all(|line| real_terminal::text_width(line) <= 80), "{table}");
        assert!(table.contains("no result") || table.contains("is \"gone\""), "{table}");
    }

    #[test]
    fn every_format_has_every_rate_and_says_where_there_is_none() {
        let report = report();
        insta::assert_snapshot!(report.text(Format::Table, Some(80)).unwrap());
        insta::assert_snapshot!(report.text(Format::Markdown, None).unwrap());
        insta::assert_snapshot!(report.text(Format::Csv, None).unwrap());
        insta::assert_snapshot!(report.text(Format::Latex, None).unwrap());
        let json: serde_json::Value = serde_json::from_str(&report.text(Format::Json, None).unwrap()).unwrap();
        assert_eq!(json["cells"][0]["summary"]["function"]["value"], 0.25);
        assert!(json["cells"][3]["summary"].is_null());
    }

    #[test]
    fn a_sweep_of_nothing_is_written_in_every_format() {
        let empty = Report { name: "n".into(), suites: Vec::new(), cells: Vec::new() };
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Json, Format::Latex] {
            empty.text(format, Some(80)).unwrap();
        }
        assert!(html(&empty, &[]).ends_with("</html>\n"));
    }
}
