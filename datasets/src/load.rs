//! Loading tasks from wherever they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::source::Source;
use crate::{DatasetKind, LoadError, Mapping, Task, attacks, bundled, reader, records};

/// How a data set is read, where its own fields do not say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// It has to be of this kind.
    pub kind: Option<DatasetKind>,
    /// Its columns are what this says.
    pub mapping: Mapping,
}

/// Loads the tasks at `uri`: `bundled://NAME`, or a path, `file://`, `https://`, `hf://`, `s3://`, `gs://` or `az://` URI of tasks in JSON (a line each,
/// or an array; plain, gzipped or of Zstandard), or of rows of a [`DatasetKind`] in JSON or Parquet, which are told apart by their fields.
///
/// # Errors
/// Says what could not be read, and where: line or element of a file of JSON, row and column of a Parquet file.
pub fn load(uri: &str) -> Result<Vec<Task>, LoadError> {
    load_with(uri, &Reading::default())
}

/// As [`load`], read as it says.
///
/// # Errors
/// [`LoadError::MissingColumn`] where the file is not of the kind that it has to be of; otherwise as [`load`].
pub fn load_with(uri: &str, reading: &Reading) -> Result<Vec<Task>, LoadError> {
    let mut tasks = Vec::new();
    each_with(uri, reading, |task| tasks.push(task))?;
    Ok(tasks)
}

/// As [`load`], a task at a time: what is not kept costs no memory, so that a data set may be larger than it.
///
/// # Errors
/// As [`load`]; the tasks before the one that is wrong have been given by then.
pub fn each(uri: &str, give: impl FnMut(Task)) -> Result<(), LoadError> {
    each_with(uri, &Reading::default(), give)
}

/// As [`each`], read as it says.
///
/// # Errors
/// As [`load_with`].
pub fn each_with(uri: &str, reading: &Reading, mut give: impl FnMut(Task)) -> Result<(), LoadError> {
    let mut checks = Checks::of(uri);
    let mut take = |task| checks.take(task).map(&mut give);
    match Source::parse(uri)? {
        Source::Bundled(name, parameters) => bundled::tasks(uri, &name, &parameters)?.into_iter().try_for_each(take)?,
        Source::File(place) => reader::each(&place.path()?, reading.kind, &reading.mapping, &mut take)?,
    }
    checks.end()
}

/// Loads a data set that must be of the given kind.
///
/// # Errors
/// As [`load_with`].
pub fn load_as(kind: DatasetKind, uri: &str) -> Result<Vec<Task>, LoadError> {
    load_with(uri, &Reading { kind: Some(kind), mapping: Mapping::default() })
}

/// Gives every object of a file, of whatever form it is: JSON or Parquet. What `give` finds wrong with one is said with its place.
///
/// # Errors
/// What cannot be read, or what `give` says.
pub fn each_value(
    path: &Path,
    mut give: impl FnMut(Map<String, Value>) -> Result<(), String>,
) -> Result<(), LoadError> {
    records::each(path, &mut |item| {
        let fields = item.record()?.into_fields();
        give(fields).map_err(|message| item.problem("", message))
    })
}

/// Checks what the types cannot: something is there, and ids are unique.
struct Checks<'a> {
    place: &'a str,
    /// Hashes of the ids, which may be long: two of a million differ but for one case in 10^26. And which task each is of, from 1.
    seen: HashMap<u128, usize>,
}

impl<'a> Checks<'a> {
    fn of(place: &'a str) -> Self {
        Self { place, seen: HashMap::new() }
    }

    fn take(&mut self, mut task: Task) -> Result<Task, LoadError> {
        let digest = Sha256::digest(task.id.as_bytes());
        let hash = digest.iter().take(16).fold(0_u128, |hash, byte| (hash << 8) | u128::from(*byte));
        let second = self.seen.len() + 1;
        match self.seen.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(second);
                attacks::become_tests(&mut task);
                Ok(task)
            }
            Entry::Occupied(first) => {
                let first = *first.get();
                Err(LoadError::DuplicateId { place: self.place.to_owned(), id: task.id, first, second })
            }
        }
    }

    fn end(&self) -> Result<(), LoadError> {
        if self.seen.is_empty() {
            return Err(LoadError::Empty { place: self.place.to_owned(), what: "tasks" });
        }
        Ok(())
    }
}
