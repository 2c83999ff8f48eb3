//! Known data sets and how their files are told apart: by columns, never by name.

use std::collections::BTreeSet;
use std::fmt;

use crate::Task;
use crate::record::{Record, RowError};

/// A data set that is known by its columns, in Parquet or in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatasetKind {
    /// SQL injection: programs that query an `SQLite` database with the user's input.
    SafeSql,
    /// Functions over 18 CWEs with capability and safety tests.
    SecCodePlt,
    /// Introductory and interview problems, judged for maintainability.
    Apps,
    /// Functions to complete, with `check(candidate)`: `HumanEval` and what has its schema.
    HumanEval,
    /// Functions after a sentence, with assertions: `MBPP`, full or sanitized, and `MBPP+`.
    Mbpp,
}

impl DatasetKind {
    /// Every known kind.
    pub const ALL: [Self; 5] = [Self::SafeSql, Self::SecCodePlt, Self::Apps, Self::HumanEval, Self::Mbpp];

    /// Columns without which a file cannot be read as this kind; nested ones dotted.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::SafeSql => &[
                "program_id",
                "construct_db",
                "execute_sql",
                "test_cases.input",
                "test_cases.output",
                "test_attacks",
                "prompt.role",
                "prompt.content",
            ],
            Self::SecCodePlt => &[
                "id",
                "CWE_ID",
                "task_description.function_name",
                "ground_truth.code_before",
                "ground_truth.vulnerable_code",
                "ground_truth.patched_code",
                "ground_truth.code_after",
                "unittest.setup",
                "unittest.testcases",
                "prompt.role",
                "prompt.content",
            ],
            Self::Apps => &["problem_id", "solutions", "input_output", "starter_code", "prompt.role", "prompt.content"],
            Self::HumanEval => &["task_id", "prompt", "entry_point", "test"],
            Self::Mbpp => &["task_id", "test_list", "code"],
        }
    }

    /// One sentence that names each kind's columns, for error messages.
    pub(crate) fn requirements() -> String {
        let needs: Vec<String> =
            Self::ALL.iter().map(|kind| format!("{kind} needs {}", kind.columns().join(", "))).collect();
        needs.join("; ")
    }

    /// The kind whose columns are all among these.
    pub(crate) fn of(columns: &BTreeSet<String>) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.missing(columns).is_empty())
    }

    /// Its columns that are not among these.
    pub(crate) fn missing(self, columns: &BTreeSet<String>) -> Vec<String> {
        self.columns().iter().filter(|column| !columns.contains(**column)).map(|column| (*column).to_owned()).collect()
    }

    pub(crate) fn task(self, record: &Record) -> Result<Task, RowError> {
        match self {
            Self::SafeSql => crate::safesql::task(record),
            Self::SecCodePlt => crate::seccodeplt::task(record),
            Self::Apps => crate::apps::task(record),
            Self::HumanEval => crate::humaneval::task(record),
            Self::Mbpp => crate::mbpp::task(record),
        }
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SafeSql => "SafeSQL",
            Self::SecCodePlt => "SecCodePLT+",
            Self::Apps => "APPS+",
            Self::HumanEval => "HumanEval",
            Self::Mbpp => "MBPP",
        })
    }
}

impl std::str::FromStr for DatasetKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "safesql" => Ok(Self::SafeSql),
            "seccodeplt" => Ok(Self::SecCodePlt),
            "apps" => Ok(Self::Apps),
            "humaneval" => Ok(Self::HumanEval),
            "mbpp" => Ok(Self::Mbpp),
            other => Err(format!("unknown data set `{other}`; there are safesql, seccodeplt, apps, humaneval, mbpp")),
        }
    }
}
