//! The answers to score.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use real_crds::validate::nearest;
use real_datasets::{LoadError, Solution, SolutionKind, Task};

use crate::answer_file;
use crate::baseline::{self, BASELINES};

/// Where answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The data set's own solutions: the secure one where there is one, else the first reference.
    References,
    /// The programs that the data set knows to be vulnerable.
    Vulnerable,
    /// Programs that do no work, all of them for every task.
    Baselines,
    /// One of them, by its name.
    Baseline(&'static str),
    /// A file of answers, in one of the forms of [`crate::answer_file`].
    File(PathBuf),
}

/// Sources that are no files.
const NAMES: [&str; 4] = ["references", "vulnerable", "baselines", "nothing"];

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "references" => Self::References,
            "vulnerable" => Self::Vulnerable,
            "baselines" => Self::Baselines,
            "nothing" => Self::Baseline(baseline::NOTHING),
            path => Self::File(path.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::References => f.write_str("the data set's references"),
            Self::Vulnerable => f.write_str("the data set's vulnerable programs"),
            Self::Baselines => f.write_str("programs that do no work"),
            Self::Baseline(name) => write!(f, "the program that does no work: {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// An answer to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The task's id.
    pub id: String,
    /// What the model said.
    pub response: String,
    /// Which baseline it is, if it is one.
    pub baseline: Option<&'static str>,
    /// Why there is none, where a request for it failed: that says nothing about the model.
    pub lost: Option<String>,
}

/// Why answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResponsesError {
    /// The file cannot be read, or a line of it is no answer to one of these tasks.
    #[error("answers: {0}")]
    File(#[from] LoadError),
    /// There is no such file.
    #[error("cannot read the answers {}: {source}{hint}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The source that was perhaps meant.
        hint: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The data set has no such programs.
    #[error("task '{0}' has no {1} program; give a file of answers instead")]
    NoSolution(String, &'static str),
    /// A program with Markdown fences cannot be put between fences.
    #[error("the solution of task '{0}' contains ``` and cannot be quoted as an answer")]
    Unquotable(String),
}

/// The answers of a source, for these tasks. A file may hold several answers to a task, and none to others.
///
/// # Errors
/// What cannot be read or does not belong to these tasks, with file and line.
pub fn read(source: &Source, tasks: &BTreeMap<String, Task>) -> Result<Vec<Answer>, ResponsesError> {
    match source {
        Source::References => {
            quoted(tasks, "reference", |task| find(task, SolutionKind::Secure).or(find(task, SolutionKind::Reference)))
        }
        Source::Vulnerable => quoted(tasks, "vulnerable", |task| find(task, SolutionKind::Vulnerable)),
        Source::Baselines => Ok(ordered(tasks).into_iter().flat_map(|task| doing_no_work(task, |_| true)).collect()),
        Source::Baseline(one) => {
            Ok(ordered(tasks).into_iter().flat_map(|task| doing_no_work(task, |name| name == *one)).collect())
        }
        Source::File(path) => {
            // Looked for first: a name of ours that was misspelt is no file.
            std::fs::metadata(path).map_err(|source| {
                let name = path.to_string_lossy();
                let meant = nearest(&name, NAMES).filter(|_| source.kind() == std::io::ErrorKind::NotFound);
                let hint = match meant {
                    Some(name) => format!(" (did you mean {name}?)"),
                    None if name == "-" => " (standard input is not read here: give a file)".to_owned(),
                    None => String::new(),
                };
                ResponsesError::Missing { path: path.clone(), source, hint }
            })?;
            Ok(answer_file::read(path, tasks)?)
        }
    }
}

/// The baselines with these names as answers.
fn doing_no_work(task: &Task, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Answer> {
    let of = |(name, program): (&'static str, fn(&Task) -> String)| Answer {
        id: task.id.clone(),
        response: format!("```python\n{}\n```", program(task)),
        baseline: Some(name),
        lost: None,
    };
    BASELINES.into_iter().filter(move |(name, _)| wanted(name)).map(of)
}

fn find(task: &Task, kind: SolutionKind) -> Option<&Solution> {
    task.solutions.iter().find(|solution| solution.kind == kind)
}

/// Tasks by id: numbers by value, then the rest.
pub fn ordered(tasks: &BTreeMap<String, Task>) -> Vec<&Task> {
    let mut ordered: Vec<&Task> = tasks.values().collect();
    ordered.sort_by_key(|task| (task.id.parse::<u64>().unwrap_or(u64::MAX), &task.id));
    ordered
}

/// Solutions as answers.
fn quoted(
    tasks: &BTreeMap<String, Task>,
    what: &'static str,
    choose: impl Fn(&Task) -> Option<&Solution>,
) -> Result<Vec<Answer>, ResponsesError> {
    let answer = |task: &Task| {
        let code = &choose(task).ok_or_else(|| ResponsesError::NoSolution(task.id.clone(), what))?.code;
        if code.contains("```") {
            return Err(ResponsesError::Unquotable(task.id.clone()));
        }
        Ok(Answer { id: task.id.clone(), response: format!("```python\n{code}\n```"), baseline: None, lost: None })
    };
    ordered(tasks).into_iter().map(answer).collect()
}

/// Some ids that exist.
pub(crate) fn examples(tasks: &BTreeMap<String, Task>) -> String {
    let mut ids: Vec<&str> = tasks.keys().map(String::as_str).collect();
    ids.sort_unstable();
    ids.truncate(3);
    ids.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> BTreeMap<String, Task> {
        let line = |id: &str| {
            serde_json::json!({
                "id": id, "dataset": "d", "split": "test", "prompt": [], "tests": [], "quality": ["security"],
                "solutions": [{"kind": "reference", "code": format!("x = {id}")}],
            })
        };
        ["10", "9"].map(|id| (id.to_owned(), serde_json::from_value(line(id)).unwrap())).into()
    }

    #[test]
    fn references_are_quoted_in_the_order_of_their_ids() {
        let answers = read(&Source::References, &tasks()).unwrap();
        assert_eq!((answers[0].id.as_str(), answers[0].response.as_str()), ("9", "```python\nx = 9\n```"));
        assert_eq!(answers[1].id, "10");
    }

    #[test]
    fn a_missing_file_and_missing_programs_are_errors_that_name_them() {
        let error = read(&Source::File("/nowhere/answers.jsonl".into()), &tasks()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/answers.jsonl"), "{error}");
        let error = read(&Source::File("refrences".into()), &tasks()).unwrap_err().to_string();
        assert!(error.ends_with("(did you mean references?)"), "{error}");
        let error = read(&Source::Vulnerable, &tasks()).unwrap_err().to_string();
        assert!(error.contains("has no vulnerable program"), "{error}");
    }
}
