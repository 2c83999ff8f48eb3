//! The paper's data sets and how their files are told apart: by columns, never by name.

use std::fmt;

/// A data set of the paper, as published in Parquet files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatasetKind {
    /// SQL injection: programs that query an `SQLite` database with the user's input.
    SafeSql,
    /// Functions over 18 CWEs with capability and safety tests.
    SecCodePlt,
    /// Introductory and interview problems, judged for maintainability.
    Apps,
}

impl DatasetKind {
    /// Every known kind.
    pub const ALL: [Self; 3] = [Self::SafeSql, Self::SecCodePlt, Self::Apps];

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
        }
    }

    /// One sentence that names each kind's columns, for error messages.
    pub(crate) fn requirements() -> String {
        let needs: Vec<String> =
            Self::ALL.iter().map(|kind| format!("{kind} needs {}", kind.columns().join(", "))).collect();
        needs.join("; ")
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SafeSql => "SafeSQL",
            Self::SecCodePlt => "SecCodePLT+",
            Self::Apps => "APPS+",
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
            other => Err(format!("unknown data set `{other}`; there are safesql, seccodeplt, apps")),
        }
    }
}
