//! JSON lines, plain or gzipped, with errors that name the line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

use crate::LoadError;

/// Reads a file; `.gz` by name.
pub(crate) fn read_file<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, LoadError> {
    let mut items = Vec::new();
    each(path, &mut |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

/// Gives what is in a file, a line at a time; `.gz` by name.
pub(crate) fn each<T: DeserializeOwned>(
    path: &Path,
    give: &mut dyn FnMut(T) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let failed = |reason| LoadError::Io { path: path.to_owned(), reason };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
    }
    let place = path.display().to_string();
    if path.extension().is_some_and(|extension| extension == "gz") {
        read(&place, MultiGzDecoder::new(file), give)
    } else {
        read(&place, file, give)
    }
}

/// Reads gzipped bytes.
pub(crate) fn read_gz<T: DeserializeOwned>(place: &str, bytes: &[u8]) -> Result<Vec<T>, LoadError> {
    let mut items = Vec::new();
    read(place, MultiGzDecoder::new(bytes), &mut |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

fn read<T: DeserializeOwned>(
    place: &str,
    reader: impl Read,
    give: &mut dyn FnMut(T) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    for (index, line) in BufReader::new(reader).lines().enumerate() {
        let problem = |message: String| LoadError::Line { place: place.to_owned(), line: index + 1, message };
        let line = line.map_err(|error| problem(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        give(serde_json::from_str(&line).map_err(|error| problem(error.to_string()))?)?;
    }
    Ok(())
}
