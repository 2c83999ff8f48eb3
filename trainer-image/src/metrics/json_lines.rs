//! A file of JSON lines that never ends in half a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// An append-only file of JSON lines.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl JsonLines {
    /// Opens or creates a file and keeps those of its lines that `keep` wants; lines that are no JSON go.
    pub fn open(path: &Path, keep: impl Fn(&Value) -> bool) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(naming(path, &error)),
        };
        // What a disk has damaged is no line any more; the others are.
        let text = String::from_utf8_lossy(&bytes);
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| serde_json::from_str(line).is_ok_and(|value: Value| keep(&value)))
            .collect();
        if kept.as_bytes() != bytes {
            let temporary = path.with_extension("jsonl.partial");
            fs::write(&temporary, &kept).and_then(|()| fs::rename(&temporary, path)).map_err(|e| naming(path, &e))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|e| naming(path, &e))?;
        Ok(Self { path: path.into(), file, length: kept.len() as u64 })
    }

    /// Appends a line. Where that fails the file is as it was before.
    pub fn append(&mut self, value: &Value) -> io::Result<()> {
        self.append_all(std::slice::from_ref(value))
    }

    /// Appends a line for each value, all or none.
    pub fn append_all(&mut self, values: &[Value]) -> io::Result<()> {
        let lines: String = values.iter().flat_map(|value| [value.to_string(), "\n".to_owned()]).collect();
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            let _ = self.file.set_len(self.length);
            return Err(naming(&self.path, &error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_left_by_a_crash_goes_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lines.jsonl");
        fs::write(&path, b"\xff\0\n{\"step\":1}\n{\"s\xe9\n{\"ste").expect("writable");
        JsonLines::open(&path, |_| true).expect("writable").append(&serde_json::json!({"step": 2})).expect("writable");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "{\"step\":1}\n{\"step\":2}\n");
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let Err(error) = JsonLines::open(Path::new("/nowhere/metrics.jsonl"), |_| true) else {
            panic!("no such folder")
        };
        assert!(error.to_string().contains("/nowhere/metrics.jsonl"), "{error}");
    }
}
