//! Writing JSON lines so that the same items are the same bytes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::Serialize;

use crate::files::WholeFile;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {reason}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub reason: std::io::Error,
}

/// Writes one line an item, gzipped where the name ends in `.gz` (without a time stamp). The file appears whole or not
/// at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_jsonl<T: Serialize>(path: &Path, items: impl IntoIterator<Item = T>) -> Result<(), WriteError> {
    let written = lines(items)
        .and_then(|lines| if path.extension().is_some_and(|ending| ending == "gz") { gzip(&lines) } else { Ok(lines) })
        .and_then(|bytes| {
            let mut file = WholeFile::create(path)?;
            file.write_all(&bytes)?;
            file.commit()
        });
    written.map_err(|reason| WriteError { path: path.to_owned(), reason })
}

fn lines<T: Serialize>(items: impl IntoIterator<Item = T>) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, &item)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
