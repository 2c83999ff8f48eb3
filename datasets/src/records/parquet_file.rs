//! Parquet files as objects.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Number, Value};

use super::{At, Content, Give, Item};
use crate::{LoadError, guard};

/// Gives every row of a file.
pub(super) fn each(path: &Path, give: Give<'_>) -> Result<(), LoadError> {
    let reader = open(path)?;
    let place = path.display().to_string();
    let broken = |reason| LoadError::Parquet { path: path.to_owned(), reason };
    let mut rows = guarded(|| reader.get_row_iter(None)).map_err(broken)?;
    for number in 1.. {
        let Some(row) = guarded(|| rows.next().transpose()).map_err(broken)? else { break };
        give(Item { place: &place, at: At::Row(number), content: Content::Value(object(row)) })?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, LoadError> {
    let file = File::open(path).map_err(|reason| LoadError::Io { path: path.to_owned(), reason })?;
    guarded(|| SerializedFileReader::new(file)).map_err(|reason| LoadError::Parquet { path: path.to_owned(), reason })
}

/// What the library does, which panics at some files that are damaged; that is an error of the file as any other. What it was at is not
/// used again.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    guard::guarded(work).unwrap_or_else(|said| Err(ParquetError::General(format!("it is damaged: {said}"))))
}

/// The columns of a file: top-level names in order, and every nested path, dotted.
pub(crate) fn columns(path: &Path) -> Result<(Vec<String>, BTreeSet<String>), LoadError> {
    let reader = open(path)?;
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
    Ok((top_level, paths))
}

fn object(row: Row) -> Value {
    let fields: Map<String, Value> = row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect();
    Value::Object(fields)
}

fn value(field: Field) -> Value {
    let real = |number: f64| Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number);
    match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => truth.into(),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) => number.into(),
        Field::Long(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float(number) => real(f64::from(number)),
        Field::Double(number) => real(number),
        Field::Str(text) => text.into(),
        // Older writers do not say that a text is one. What is none becomes a list of numbers, which nobody takes for a text.
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => text.into(),
            Err(_) => bytes.data().to_vec().into(),
        },
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        Field::MapInternal(map) => {
            let name = |key: &Field| match key {
                Field::Str(text) => text.clone(),
                other => other.to_string(),
            };
            let entries = map.entries().iter().map(|(key, field)| (name(key), value(field.clone())));
            Value::Object(entries.collect())
        }
        other => other.to_string().into(),
    }
}
