//! From the objects of a file to tasks.

use std::path::Path;

use crate::own::{self, Mapping};
use crate::records::{self, FileType, Item};
use crate::{DatasetKind, LoadError, Task};

/// How the objects of one file become tasks.
enum Form {
    /// They are tasks.
    Canonical,
    /// They are rows of a known data set.
    Known(DatasetKind),
    /// They are what a user says.
    Own { mapping: Mapping, dataset: String },
}

/// Gives every object of a file as a task: as `mapping` says, as of the kind `wanted`, or as its fields show.
pub(crate) fn each(
    path: &Path,
    wanted: Option<DatasetKind>,
    mapping: &Mapping,
    give: &mut dyn FnMut(Task) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut form = if !mapping.is_empty() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let dataset = name.split('.').next().unwrap_or_default().to_owned();
        Some(Form::Own { mapping: mapping.clone(), dataset })
    } else if records::file_type(path)? == FileType::Parquet {
        Some(Form::Known(of_columns(path, wanted)?))
    } else {
        wanted.map(Form::Known)
    };
    let mut checked = false;
    records::each(path, &mut |item| {
        if form.is_none() {
            form = Some(shown_by(&item));
        }
        let task = match form.as_ref().unwrap_or(&Form::Canonical) {
            Form::Canonical => item.parse().map_err(|error| with_hint(error, &item))?,
            Form::Known(kind) => {
                let record = item.record()?;
                if let (Some(kind), false) = (wanted, checked) {
                    let missing = kind.missing(&records::fields(&record));
                    if !missing.is_empty() {
                        let found = record.fields().keys().cloned().collect();
                        let looks_like = DatasetKind::of(&records::fields(&record));
                        return Err(LoadError::MissingColumn {
                            path: path.to_owned(),
                            kind,
                            missing,
                            found,
                            looks_like,
                        });
                    }
                    checked = true;
                }
                kind.task(&record).map_err(|error| item.problem(&error.column, error.message))?
            }
            Form::Own { mapping, dataset } => own::task(&item.record()?, mapping, dataset, item.number())
                .map_err(|error| item.problem(&error.column, error.message))?,
        };
        give(task)
    })
}

/// The kind that a Parquet file's columns show.
fn of_columns(path: &Path, wanted: Option<DatasetKind>) -> Result<DatasetKind, LoadError> {
    let (found, columns) = records::columns(path)?;
    let looks_like = DatasetKind::of(&columns);
    match (wanted, looks_like) {
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err(LoadError::UnknownSchema { path: path.to_owned(), found }),
        (Some(kind), _) => {
            let missing = kind.missing(&columns);
            if missing.is_empty() {
                return Ok(kind);
            }
            Err(LoadError::MissingColumn { path: path.to_owned(), kind, missing, found, looks_like })
        }
    }
}

/// The form that the first object shows. What is no known row is taken for a task, and has to be one.
fn shown_by(item: &Item<'_>) -> Form {
    let canonical = |text: &str| text.contains("\"tests\"") && text.contains("\"quality\"");
    if item.json().is_some_and(canonical) {
        return Form::Canonical;
    }
    let Ok(record) = item.record() else { return Form::Canonical };
    DatasetKind::of(&records::fields(&record)).map_or(Form::Canonical, Form::Known)
}

/// Fields by which other projects' files are known that are no tasks as they are, and what has to be done with such a file.
const FOREIGN_SHAPES: [(&[&str], &str); 3] = [
    (
        &["data_source", "reward_model"],
        "a row of verl's: `prompt` fits as it is; `reward_model.ground_truth` has to become `tests`",
    ),
    (&["messages"], "a chat row: `messages` without the answer is `prompt`; a task needs `tests` besides"),
    (
        &["prompt"],
        "a row with columns of its own: `real datasets convert --map prompt=… --map tests=…` makes a task of it",
    ),
];

fn with_hint(error: LoadError, item: &Item<'_>) -> LoadError {
    let Ok(record) = item.record() else { return error };
    let fields = record.fields();
    // Whoever has these writes tasks, and mistyped something else.
    if fields.contains_key("tests") || fields.contains_key("quality") {
        return error;
    }
    let shape = FOREIGN_SHAPES.iter().find(|(names, _)| names.iter().all(|name| fields.contains_key(*name)));
    let own = || {
        let columns = fields.keys().take(12).cloned().collect::<Vec<_>>().join(", ");
        format!("an object with {columns}: `real datasets convert --map prompt=… --map tests=…` says which is what")
    };
    let what = match shape {
        Some((_, what)) => (*what).to_owned(),
        None if fields.len() > 1 => own(),
        None => return error,
    };
    match error {
        LoadError::Line { place, line, message } => {
            let message = format!("{message}; the line looks like {what} (examples/own-data/README.md has the form)");
            LoadError::Line { place, line, message }
        }
        other => other,
    }
}
