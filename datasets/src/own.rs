//! A user's own columns: which of them are what, and what each may hold.

use std::str::FromStr;

use real_sandbox_api::{Check, Comparison, Group, Limits, Setup, Test};
use real_terminal::described;
use serde_json::Value;

use crate::humaneval::joined;
use crate::record::{Record, RowError, text};
use crate::{Message, QualityCheck, Solution, SolutionKind, Task, apps, python_json, python_tests};

/// What a column can be.
const ROLES: [(&str, &str); 9] = [
    ("id", "the task's name; its number where there is none"),
    ("prompt", "a text, or a list of chat messages"),
    (
        "tests",
        "assertions or other tests in Python, tests of the canonical form, or {\"inputs\": […], \"outputs\": […]}",
    ),
    ("entry", "the function that check(candidate) is about"),
    ("setup", "Python that is executed before the program"),
    ("solution", "a program that passes the tests"),
    ("split", "train, eval or test"),
    ("cwes", "a CWE number, or a list of them"),
    ("quality", "security, types, or both"),
];

/// Which columns of a user's own are what: `prompt=question`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pairs: Vec<(String, String)>,
}

impl Mapping {
    /// Of `ROLE=COLUMN` each.
    ///
    /// # Errors
    /// A role that does not exist, or is given twice.
    pub fn new(pairs: impl IntoIterator<Item = ColumnRole>) -> Result<Self, String> {
        let mut mapping = Self::default();
        for ColumnRole { role, column } in pairs {
            if mapping.column(&role).is_some() {
                return Err(format!("--map {role}=… is given twice"));
            }
            mapping.pairs.push((role, column));
        }
        Ok(mapping)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn column(&self, role: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == role).map(|(_, column)| column.as_str())
    }
}

/// One `ROLE=COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRole {
    role: String,
    column: String,
}

impl FromStr for ColumnRole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let roles = || ROLES.map(|(role, what)| format!("{role} ({what})")).join(", ");
        match text.split_once('=') {
            Some((role, column)) if ROLES.iter().any(|(known, _)| *known == role) && !column.is_empty() => {
                Ok(Self { role: role.to_owned(), column: column.to_owned() })
            }
            _ => Err(format!("\"{text}\" is not ROLE=COLUMN; the roles are {}", roles())),
        }
    }
}

/// A row as a task of the data set `dataset`; its number is its name where no column is.
pub(crate) fn task(record: &Record, mapping: &Mapping, dataset: &str, number: usize) -> Result<Task, RowError> {
    let columns = Columns { record, mapping };
    // A name that no row has is a slip of the pen, and not a field that happens to be empty.
    if number == 1 {
        columns.are_there()?;
    }
    let solution = columns.text("solution")?.map(|code| unfenced(&code));
    let setup = columns.text("setup")?.unwrap_or_default();
    let (tests, prelude, comparison) = columns.tests(&setup)?;
    Ok(Task {
        id: columns.text("id")?.unwrap_or_else(|| number.to_string()),
        dataset: dataset.to_owned(),
        split: columns.text("split")?.unwrap_or_else(|| "train".to_owned()),
        prompt: columns.prompt()?,
        setup: Setup { script: None, prelude: joined(&[&setup, &prelude]) },
        tests,
        comparison,
        limits: Limits::default(),
        quality: columns.quality()?,
        cwes: columns.cwes()?,
        attacks: Vec::new(),
        solutions: solution.map(|code| Solution { kind: SolutionKind::Reference, code }).into_iter().collect(),
        stub: None,
    })
}

struct Columns<'a> {
    record: &'a Record,
    mapping: &'a Mapping,
}

impl Columns<'_> {
    /// The column of a role: as it is mapped, or of the role's own name.
    fn name<'s>(&'s self, role: &'s str) -> &'s str {
        self.mapping.column(role).unwrap_or(role)
    }

    fn are_there(&self) -> Result<(), RowError> {
        let found = || self.record.fields().keys().cloned().collect::<Vec<_>>().join(", ");
        for role in ["prompt", "tests"] {
            // Null is the row's, and said where the row is read.
            if self.absent(self.name(role)) {
                let message = format!(
                    "is not in the first row, and a task needs it: --map {role}=COLUMN names another; the columns are {}",
                    found()
                );
                return Err(RowError::new(self.name(role), message));
            }
        }
        match self.mapping.pairs.iter().find(|(_, column)| self.absent(column)) {
            Some((role, column)) => {
                Err(RowError::new(column, format!("is no column (--map {role}={column}); the columns are {}", found())))
            }
            None => Ok(()),
        }
    }

    fn absent(&self, column: &str) -> bool {
        self.record.field(column).is_none() && !self.record.fields().contains_key(column)
    }

    fn text(&self, role: &str) -> Result<Option<String>, RowError> {
        self.record.optional_text(self.name(role))
    }

    fn prompt(&self) -> Result<Vec<Message>, RowError> {
        let column = self.name("prompt");
        match self.record.field(column) {
            Some(Value::String(text)) if !text.trim().is_empty() => {
                Ok(vec![Message { role: "user".to_owned(), content: text.clone() }])
            }
            Some(Value::Array(_)) => self.record.messages(column),
            Some(other) => Err(RowError::new(
                column,
                format!("is {}; a text or a list of chat messages is needed", described(other)),
            )),
            None => Err(RowError::new(column, "is null; a text or a list of chat messages is needed")),
        }
    }

    fn tests(&self, setup: &str) -> Result<(Vec<Test>, String, Comparison), RowError> {
        let column = self.name("tests");
        let wrong = |message: String| RowError::new(column, message);
        let value = self.record.field(column).ok_or_else(|| wrong("is null; tests are needed".to_owned()))?;
        // JSON within a text is as usual as Python.
        let inner = match value {
            Value::String(text) if text.trim_start().starts_with(['[', '{']) => serde_json::from_str(text).ok(),
            _ => None,
        };
        let entry = self.text("entry")?;
        let of_python = |source: &str| {
            let read = python_tests::of_source(source, entry.as_deref(), setup).map_err(wrong)?;
            Ok((read.tests, read.prelude, read.comparison))
        };
        match inner.as_ref().unwrap_or(value) {
            Value::String(source) => of_python(source),
            Value::Array(list) if list.iter().all(Value::is_string) && !list.is_empty() => {
                let all: Vec<String> = list.iter().map(|one| text(one, column)).collect::<Result<_, _>>()?;
                of_python(&all.join("\n"))
            }
            Value::Array(list) => {
                let mut tests = Vec::new();
                for (index, one) in list.iter().enumerate() {
                    tests.push(canonical(one).map_err(|message| wrong(format!("test {}: {message}", index + 1)))?);
                }
                if tests.is_empty() {
                    Err(wrong("holds no test".to_owned()))
                } else {
                    Ok((tests, String::new(), Comparison::Exact))
                }
            }
            table @ Value::Object(_) => {
                // As text: numbers of any size are kept.
                let json = match value {
                    Value::String(json) => json.clone(),
                    _ => table.to_string(),
                };
                let cases = python_json::parse(&json).map_err(wrong)?;
                let (tests, comparison) = apps::tests(&cases, false, false).map_err(wrong)?;
                Ok((tests, String::new(), comparison))
            }
            other => Err(wrong(format!("is {}; tests are a text, a list or an object", described(other)))),
        }
    }

    fn quality(&self) -> Result<Vec<QualityCheck>, RowError> {
        let column = self.name("quality");
        let listed = match self.record.field(column) {
            None => return Ok(vec![QualityCheck::Security]),
            Some(Value::Array(_)) => self.record.texts(column)?,
            Some(one) => text(one, column)?.split(',').map(|word| word.trim().to_owned()).collect(),
        };
        let check = |word: &String| match word.as_str() {
            "security" => Ok(QualityCheck::Security),
            "types" => Ok(QualityCheck::Types),
            other => Err(RowError::new(column, format!("is \"{other}\"; it must be security, types, or both"))),
        };
        listed.iter().map(check).collect()
    }

    fn cwes(&self) -> Result<Vec<u32>, RowError> {
        let column = self.name("cwes");
        let listed = match self.record.field(column) {
            None => return Ok(Vec::new()),
            Some(Value::Array(_)) => self.record.texts(column)?,
            Some(one) => text(one, column)?.split(',').map(|word| word.trim().to_owned()).collect(),
        };
        let number = |word: &String| {
            let digits = word.trim().trim_start_matches("CWE").trim_start_matches(['-', '_', ' ']);
            digits.parse().map_err(|_| RowError::new(column, format!("is \"{word}\"; a CWE number is needed")))
        };
        listed.iter().filter(|word| !word.is_empty()).map(number).collect()
    }
}

/// A test of the canonical form, or `{"input": …, "output": …}` of a program that reads standard input.
fn canonical(value: &Value) -> Result<Test, String> {
    if let (Some(input), Some(output)) = (value.get("input"), value.get("output")) {
        let (stdin, stdout) = (text(input, "input"), text(output, "output"));
        let (stdin, stdout) = (stdin.map_err(in_words)?, stdout.map_err(in_words)?);
        return Ok(Test { name: None, group: Group::Functional, check: Check::Stdin { stdin, stdout } });
    }
    serde_path_to_error::deserialize(value).map_err(|error| format!("{}: {}", error.path(), error.inner()))
}

fn in_words(RowError { column, message }: RowError) -> String {
    column + " " + &message
}

/// A program without the fences that it may be quoted in.
fn unfenced(code: &str) -> String {
    let trimmed = code.trim();
    let inner = trimmed
        .strip_prefix("```python")
        .or_else(|| trimmed.strip_prefix("```"))
        .and_then(|code| code.strip_suffix("```"));
    inner.map_or_else(|| code.to_owned(), |code| code.trim_matches('\n').to_owned())
}
