//! What is in a file, an object at a time: lines of JSON, an array of JSON, rows of Parquet. Whoever reads them need not know
//! which it was.

mod array;
mod gzip;
mod lines;
mod parquet_file;
mod text;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::LoadError;
use crate::record::Record;

pub(crate) use parquet_file::columns;

/// Longest object in bytes of JSON: each is held whole.
pub(crate) const LONGEST: usize = 64 << 20;

/// How gzip begins (RFC 1952).
const GZIP: &[u8] = b"\x1f\x8b";

/// How a frame of Zstandard begins (RFC 8878).
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Longest path of a field in a message, bytes.
const LONGEST_PATH: usize = 120;

/// Where an object stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A line, from 1.
    Line(usize),
    /// An element of an array, from 1, and the line that it begins on.
    Element(usize, usize),
    /// A row, from 1.
    Row(usize),
}

enum Content<'a> {
    Json(&'a str),
    Value(Value),
}

/// One object of a file.
pub(crate) struct Item<'a> {
    place: &'a str,
    at: At,
    content: Content<'a>,
}

/// Who is given the objects.
pub(crate) type Give<'a> = &'a mut dyn FnMut(Item<'_>) -> Result<(), LoadError>;

/// Gives every object of a file.
pub(crate) fn each(path: &Path, give: Give<'_>) -> Result<(), LoadError> {
    match file_type(path)? {
        FileType::Parquet => parquet_file::each(path, give),
        FileType::Text => text::each(path, give),
    }
}

/// Gives every object of bytes that may be compressed.
pub(crate) fn each_of(place: &str, bytes: &[u8], give: Give<'_>) -> Result<(), LoadError> {
    text::of_reader(place, bytes, give)
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    /// JSON, plain or compressed.
    Text,
    /// Columns.
    Parquet,
}

/// Tells by the file's name, or by its first bytes: what was fetched or is an answer of an API may be called anything.
pub(crate) fn file_type(path: &Path) -> Result<FileType, LoadError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let failed = |reason| LoadError::Io { path: path.to_owned(), reason };
    let there = fs::metadata(path).map_err(failed)?;
    if there.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !there.is_file() {
        let what = "it is a pipe or a device, and a data set is read more than once: write it into a file first";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, what)));
    }
    let mut first = Vec::new();
    File::open(path).map_err(failed)?.take(256).read_to_end(&mut first).map_err(failed)?;
    let is_parquet = first.starts_with(b"PAR1");
    let is_compressed = first.starts_with(GZIP) || first.starts_with(ZSTD);
    let plain_start = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).trim_ascii_start();
    let is_text = is_compressed || plain_start.starts_with(b"{") || plain_start.starts_with(b"[");
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    if is_parquet || name.ends_with(".parquet") {
        Ok(FileType::Parquet)
    } else if [".jsonl", ".ndjson", ".json"].iter().any(|ending| plain.ends_with(ending)) || is_text {
        Ok(FileType::Text)
    } else {
        Err(LoadError::UnknownFileType { path: path.to_owned() })
    }
}

impl Item<'_> {
    /// The object's number, from 1.
    pub(crate) fn number(&self) -> usize {
        match self.at {
            At::Line(number) | At::Element(number, _) | At::Row(number) => number,
        }
    }

    /// The object as this type; errors name the field they are about.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, LoadError> {
        let parsed = match &self.content {
            Content::Json(text) => parse(text),
            Content::Value(value) => serde_path_to_error::deserialize(value).map_err(|error| said(&error, "")),
        };
        parsed.map_err(|message| match self.json().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            Some(other) if !other.is_object() => self.no_object(&other),
            _ => self.problem("", message),
        })
    }

    /// The object as named fields.
    pub(crate) fn record(&self) -> Result<Record, LoadError> {
        let value = match &self.content {
            Content::Json(text) => parse(text).map_err(|message| self.problem("", message))?,
            Content::Value(value) => value.clone(),
        };
        match value {
            Value::Object(fields) => Ok(Record::new(fields)),
            other => Err(self.no_object(&other)),
        }
    }

    fn no_object(&self, value: &Value) -> LoadError {
        self.problem("", format!("is {}; an object with fields is needed", real_terminal::described(value)))
    }

    /// That something is wrong with a field of the object, or with all of it where `field` is empty.
    pub(crate) fn problem(&self, field: &str, message: impl Into<String>) -> LoadError {
        let (place, message) = (self.place.to_owned(), message.into());
        let about = if field.is_empty() { message.clone() } else { format!("{field}: {message}") };
        match self.at {
            At::Line(line) => LoadError::Line { place, line, message: about },
            At::Element(number, line) => {
                LoadError::Line { place, line, message: format!("element {number} of the array: {about}") }
            }
            At::Row(row) => {
                let column = if field.is_empty() { "all columns".to_owned() } else { field.to_owned() };
                LoadError::Row { path: place.into(), row, column, message }
            }
        }
    }

    /// The object's own text, where it is JSON.
    pub(crate) fn json(&self) -> Option<&str> {
        match &self.content {
            Content::Json(text) => Some(text),
            Content::Value(_) => None,
        }
    }
}

/// One object.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| said(&error, text))?;
    deserializer.end().map_err(|error| {
        let message = of_one_line(&error.to_string());
        format!("after the object: {message}; one object a line, and nothing besides")
    })?;
    Ok(parsed)
}

/// That a text is of one line is known: the column alone helps.
fn of_one_line(message: &str) -> String {
    message.replace(" at line 1 column ", " at column ")
}

fn said(error: &serde_path_to_error::Error<serde_json::Error>, text: &str) -> String {
    let mut path = error.path().to_string();
    if path.len() > LONGEST_PATH {
        let end = (0..=LONGEST_PATH).rev().find(|at| path.is_char_boundary(*at)).unwrap_or(0);
        path.truncate(end);
        path.push('…');
    }
    let place = if matches!(path.as_str(), "." | "?") { String::new() } else { format!("{path}: ") };
    let message = of_one_line(&error.inner().to_string());
    let behind = text.get(error.inner().column().saturating_sub(1)..).unwrap_or_default();
    let begins = text.trim_start().bytes().next();
    let hint = if text.trim() == "{" {
        "; the file may be one object over several lines: a data set has one object a line, or is an array of objects"
    } else if error.inner().is_eof() {
        "; the object does not end: the file may be cut off, or a line ends within a text, where \\n has to stand"
    } else if ["NaN", "Infinity"]
        .iter()
        .any(|word| behind.trim_start_matches('-').starts_with(word) || behind.starts_with(&word[1..]))
    {
        "; NaN and Infinity are no JSON: write null"
    } else if error.inner().is_syntax() && begins.is_some_and(|first| first != b'{') {
        "; a data set has a JSON object a line, or is an array of them"
    } else {
        ""
    };
    format!("{place}{message}{hint}")
}

/// Dotted names of the fields of an object, as Parquet's columns are called.
pub(crate) fn fields(record: &Record) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, value) in record.fields() {
        add(name, value, &mut names);
    }
    names
}

fn add(name: &str, value: &Value, names: &mut BTreeSet<String>) {
    names.insert(name.to_owned());
    // A list is called after what is in it.
    let inner = match value {
        Value::Array(elements) => elements.first().unwrap_or(&Value::Null),
        other => other,
    };
    if let Value::Object(fields) = inner {
        for (inner, value) in fields {
            add(&format!("{name}.{inner}"), value, names);
        }
    }
}
