//! Loading tasks from wherever they are.

use std::collections::HashSet;
use std::path::Path;

use crate::source::Source;
use crate::{DatasetKind, LoadError, Task, bundled, jsonl, parquet_rows};

/// Loads the tasks at `uri`: `bundled://NAME`, or a path or `file://` URI of canonical JSONL (`.jsonl`, `.jsonl.gz`) or
/// of one of the paper's Parquet files, which are told apart by their columns.
///
/// # Errors
/// Says what could not be read, and where: the line of a JSONL file, row and column of a Parquet file.
pub fn load(uri: &str) -> Result<Vec<Task>, LoadError> {
    let tasks = match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::tasks(uri, &name, &parameters)?,
        Source::File(path) => match file_type(&path)? {
            FileType::Jsonl => jsonl::read_file(&path)?,
            FileType::Parquet => parquet_rows::load(&path, None)?,
        },
    };
    checked(uri, tasks)
}

/// Loads a Parquet file that must be of the given kind.
///
/// # Errors
/// [`LoadError::MissingColumn`] where the file is of another schema; otherwise as [`load`].
pub fn load_as(kind: DatasetKind, path: &Path) -> Result<Vec<Task>, LoadError> {
    checked(&path.display().to_string(), parquet_rows::load(path, Some(kind))?)
}

/// How a file is read.
pub(crate) enum FileType {
    /// JSON lines, plain or gzipped.
    Jsonl,
    /// Columns.
    Parquet,
}

/// Tells by the file's name.
pub(crate) fn file_type(path: &Path) -> Result<FileType, LoadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let ends = |ending: &str| name.ends_with(ending);
    if ends(".jsonl") || ends(".jsonl.gz") {
        Ok(FileType::Jsonl)
    } else if ends(".parquet") {
        Ok(FileType::Parquet)
    } else {
        Err(LoadError::UnknownFileType { path: path.to_owned() })
    }
}

/// Checks what the types cannot: something is there, and ids are unique.
fn checked(place: &str, tasks: Vec<Task>) -> Result<Vec<Task>, LoadError> {
    if tasks.is_empty() {
        return Err(LoadError::Empty { place: place.to_owned(), what: "tasks" });
    }
    let mut seen = HashSet::new();
    match tasks.iter().find(|task| !seen.insert(task.id.as_str())) {
        Some(task) => Err(LoadError::DuplicateId { place: place.to_owned(), id: task.id.clone() }),
        None => Ok(tasks),
    }
}
