//! Why a data set could not be loaded.

use std::path::PathBuf;

use crate::kind::DatasetKind;

/// Why a data set could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The URI's scheme is one we do not read.
    #[error(
        "{uri}: the scheme `{scheme}` is not supported yet; use bundled://NAME, https://…, hf://datasets/ORG/NAME/FILE, s3://BUCKET/KEY (gs://, az://), file:///PATH or a path to a .jsonl, .json or .parquet file"
    )]
    UnsupportedScheme {
        /// The URI as given.
        uri: String,
        /// Its scheme.
        scheme: String,
    },
    /// What is elsewhere cannot be had.
    #[error(transparent)]
    Source(#[from] real_sources::SourceError),
    /// The URI cannot be taken apart.
    #[error("{uri}: {message}")]
    InvalidUri {
        /// The URI as given.
        uri: String,
        /// What is wrong with it.
        message: String,
    },
    /// No bundled data set of that name.
    #[error("bundled://{name}: no such bundled {what}; there are {}", known.join(", "))]
    UnknownBundled {
        /// The name as given.
        name: String,
        /// `data set` or `demonstrations`.
        what: &'static str,
        /// Names that exist.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
    /// The file's name says nothing of its format.
    #[error("{}: unknown file type; a data set is a .jsonl, .ndjson or .json file, plain or with .gz or .zst behind it, or a .parquet file", path.display())]
    UnknownFileType {
        /// The file.
        path: PathBuf,
    },
    /// A line of a JSONL file is not what it should be.
    #[error("{place}:{line}: {message}")]
    Line {
        /// File or bundled name.
        place: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Not a readable Parquet file.
    #[error("{}: not a readable Parquet file: {reason}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: parquet::errors::ParquetError,
    },
    /// A Parquet file whose columns are those of no known data set.
    #[error("{}: Parquet file of an unknown schema: it has the columns {}; {}; `real datasets convert --map prompt=COLUMN --map tests=COLUMN …` makes tasks of others", path.display(), found.join(", "), DatasetKind::requirements())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// Its top-level columns.
        found: Vec<String>,
    },
    /// A Parquet file without a column that the asked-for data set needs.
    #[error(
        "{}: not a file of {kind}: it lacks {}; it has the columns {}{}; {kind} needs {}",
        path.display(),
        missing.join(", "),
        found.join(", "),
        looks_like.map(|other| format!(" (it looks like {other})")).unwrap_or_default(),
        kind.columns().join(", ")
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The data set asked for.
        kind: DatasetKind,
        /// Columns that are not there, nested ones dotted.
        missing: Vec<String>,
        /// Top-level columns that are there.
        found: Vec<String>,
        /// The data set whose columns the file has, if any.
        looks_like: Option<DatasetKind>,
    },
    /// A row of a Parquet file does not hold what it should.
    #[error("{}: row {row}, column {column}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Row number, from 1.
        row: usize,
        /// Column, nested ones dotted.
        column: String,
        /// What is wrong.
        message: String,
    },
    /// Two tasks share an id.
    #[error(
        "{place}: tasks {first} and {second} (counted from 1) have the id `{id}`; ids are unique within a data set"
    )]
    DuplicateId {
        /// The data set.
        place: String,
        /// The id.
        id: String,
        /// Which task has it first, from 1.
        first: usize,
        /// Which has it again.
        second: usize,
    },
    /// The data set holds nothing.
    #[error("{place}: no {what} in it")]
    Empty {
        /// The data set.
        place: String,
        /// `tasks` or `demonstrations`.
        what: &'static str,
    },
}
