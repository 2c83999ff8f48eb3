//! Loading tasks from wherever they are.

use std::collections::HashSet;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::source::Source;
use crate::{DatasetKind, LoadError, Task, bundled, jsonl, parquet_rows};

/// Loads the tasks at `uri`: `bundled://NAME`, or a path, `file://`, `https://` or `hf://` URI of canonical JSONL (`.jsonl`, `.jsonl.gz`) or
/// of one of the paper's Parquet files, which are told apart by their columns.
///
/// # Errors
/// Says what could not be read, and where: the line of a JSONL file, row and column of a Parquet file.
pub fn load(uri: &str) -> Result<Vec<Task>, LoadError> {
    let mut tasks = Vec::new();
    each(uri, |task| tasks.push(task))?;
    Ok(tasks)
}

/// As [`load`], a task at a time: what is not kept costs no memory, so that a data set may be larger than it.
///
/// # Errors
/// As [`load`]; the tasks before the one that is wrong have been given by then.
pub fn each(uri: &str, mut give: impl FnMut(Task)) -> Result<(), LoadError> {
    let mut checks = Checks::of(uri);
    let mut take = |task| checks.take(task).map(&mut give);
    match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::tasks(uri, &name, &parameters)?.into_iter().try_for_each(take)?,
        Source::File(place) => {
            let path = place.path()?;
            match file_type(&path)? {
                FileType::Jsonl => jsonl::each(&path, &mut take)?,
                FileType::Parquet => parquet_rows::each(&path, None, &mut take)?,
            }
        }
    }
    checks.end()
}

/// Loads a Parquet file, here or elsewhere, that must be of the given kind.
///
/// # Errors
/// [`LoadError::MissingColumn`] where the file is of another schema; otherwise as [`load`].
pub fn load_as(kind: DatasetKind, uri: &str) -> Result<Vec<Task>, LoadError> {
    let path = match Source::parse(uri)? {
        Source::File(place) => place.path()?,
        Source::Bundled(..) => {
            let message = format!("it is not one of the paper's Parquet files, so it cannot be taken as {kind}");
            return Err(LoadError::InvalidUri { uri: uri.to_owned(), message });
        }
    };
    let (mut checks, mut tasks) = (Checks::of(uri), Vec::new());
    parquet_rows::each(&path, Some(kind), &mut |task| checks.take(task).map(|task| tasks.push(task)))?;
    checks.end()?;
    Ok(tasks)
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
struct Checks<'a> {
    place: &'a str,
    /// Hashes of the ids, which may be long: two of a million differ but for one case in 10^26.
    seen: HashSet<u128>,
}

impl<'a> Checks<'a> {
    fn of(place: &'a str) -> Self {
        Self { place, seen: HashSet::new() }
    }

    fn take(&mut self, task: Task) -> Result<Task, LoadError> {
        let digest = Sha256::digest(task.id.as_bytes());
        let hash = digest.iter().take(16).fold(0_u128, |hash, byte| (hash << 8) | u128::from(*byte));
        if self.seen.insert(hash) {
            return Ok(task);
        }
        Err(LoadError::DuplicateId { place: self.place.to_owned(), id: task.id })
    }

    fn end(&self) -> Result<(), LoadError> {
        if self.seen.is_empty() {
            return Err(LoadError::Empty { place: self.place.to_owned(), what: "tasks" });
        }
        Ok(())
    }
}
