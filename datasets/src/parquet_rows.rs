//! Parquet files, a row a task.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::kind::DatasetKind;
use crate::record::{Record, RowError};
use crate::{LoadError, Task, apps, safesql, seccodeplt};

/// Gives every row of a file as a task of `wanted`, or of the kind its columns show.
pub(crate) fn each(
    path: &Path,
    wanted: Option<DatasetKind>,
    give: &mut dyn FnMut(Task) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let file = File::open(path).map_err(|reason| LoadError::Io { path: path.to_owned(), reason })?;
    let broken = |reason| LoadError::Parquet { path: path.to_owned(), reason };
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let columns = Columns::of(&reader);
    let kind = choose(path, &columns, wanted)?;
    for (number, row) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let record = Record::from(row.map_err(broken)?);
        let task = task(kind, &record).map_err(|RowError { column, message }| LoadError::Row {
            path: path.to_owned(),
            row: number + 1,
            column,
            message,
        })?;
        give(task)?;
    }
    Ok(())
}

fn task(kind: DatasetKind, record: &Record) -> Result<Task, RowError> {
    match kind {
        DatasetKind::SafeSql => safesql::task(record),
        DatasetKind::SecCodePlt => seccodeplt::task(record),
        DatasetKind::Apps => apps::task(record),
    }
}

fn choose(path: &Path, columns: &Columns, wanted: Option<DatasetKind>) -> Result<DatasetKind, LoadError> {
    let looks_like = DatasetKind::ALL.into_iter().find(|kind| columns.missing(*kind).is_empty());
    match (wanted, looks_like) {
        (None, Some(kind)) => Ok(kind),
        (None, None) => Err(LoadError::UnknownSchema { path: path.to_owned(), found: columns.top_level.clone() }),
        (Some(kind), _) => {
            let missing = columns.missing(kind);
            if missing.is_empty() {
                return Ok(kind);
            }
            Err(LoadError::MissingColumn {
                path: path.to_owned(),
                kind,
                missing,
                found: columns.top_level.clone(),
                looks_like,
            })
        }
    }
}

/// The columns of a file: top-level names in order, and every nested path, dotted.
struct Columns {
    top_level: Vec<String>,
    paths: BTreeSet<String>,
}

impl Columns {
    fn of(reader: &SerializedFileReader<File>) -> Self {
        let schema = reader.metadata().file_metadata().schema_descr();
        let top_level = schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
        let mut paths = BTreeSet::new();
        for column in schema.columns() {
            // Writers wrap list elements in groups of these names; they are no part of what a reader calls the column.
            let wrapper = |part: &&String| !matches!(part.as_str(), "list" | "element" | "item" | "array" | "bag");
            let parts: Vec<&str> = column.path().parts().iter().filter(wrapper).map(String::as_str).collect();
            for end in 1..=parts.len() {
                paths.insert(parts[..end].join("."));
            }
        }
        Self { top_level, paths }
    }

    fn missing(&self, kind: DatasetKind) -> Vec<String> {
        let absent = |column: &&&str| !self.paths.contains(**column);
        kind.columns().iter().filter(absent).map(|column| (*column).to_owned()).collect()
    }
}
