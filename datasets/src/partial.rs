//! A file while it is unfinished: `FILE.partial`, a line for what its lines depend on, then a line for each thing that is done, so
//! that nothing is lost where the work is stopped.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Why an unfinished file cannot be used. What it holds is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// It holds work, and nothing says to go on with it.
    #[error("{} holds the {what} of an earlier start; add --resume to go on with it, or remove it", path.display())]
    Begun {
        /// The unfinished file.
        path: PathBuf,
        /// What its lines are.
        what: &'static str,
    },
    /// Another process writes to it.
    #[error("another process is writing {} ({source}); wait for it, or name another file", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// It is no text, or not of this program.
    #[error("{}, line {line}: it is damaged: {why}; remove the file to begin again", path.display())]
    Damaged {
        /// The unfinished file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The unfinished file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// An unfinished file, which is this process's alone.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    file: BufWriter<File>,
    begun: bool,
}

impl Partial {
    /// Opens the file beside `target`; what an earlier start wrote comes back where `resume` is set: its first line, which says what the
    /// others depend on, and those. Half a last line is cut off.
    ///
    /// # Errors
    /// It cannot be written, another process writes to it, or it holds work and `resume` is not set.
    pub fn open(target: &Path, what: &'static str, resume: bool) -> Result<(Self, Vec<String>), PartialError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        let unwritable = |source| PartialError::Unwritable { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).read(true).append(true).open(&path);
        let file = file.map_err(unwritable)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(PartialError::Busy { path, source: ErrorKind::ResourceBusy.into() });
            }
            // A file system without locks has to do without.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let bytes = fs::read(&path).map_err(unwritable)?;
        let whole = &bytes[..bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)];
        let text = std::str::from_utf8(whole).map_err(|error| PartialError::Damaged {
            path: path.clone(),
            line: String::from_utf8_lossy(&whole[..error.valid_up_to()]).matches('\n').count() + 1,
            why: "it is no UTF-8".to_owned(),
        })?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // A first line alone says what was to be done and was not.
        let begun = lines.len() > 1;
        if begun && !resume {
            return Err(PartialError::Begun { path, what });
        }
        if !begun {
            lines.clear();
        }
        file.set_len(if begun { whole.len() as u64 } else { 0 }).map_err(unwritable)?;
        Ok((Self { path, file: BufWriter::new(file), begun }, lines))
    }

    /// Writes what the other lines depend on, unless there are some.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn head(&mut self, settings: &impl Serialize) -> io::Result<()> {
        if self.begun { Ok(()) } else { self.line(settings) }
    }

    /// Writes a line; it is in the file when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.begun = true;
        self.line(value)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// That a line of it is not what it should be.
    pub fn damaged(&self, line: usize, why: &dyn std::error::Error) -> PartialError {
        PartialError::Damaged { path: self.path.clone(), line, why: why.to_string() }
    }

    /// Takes it away: all that it holds is in its target.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(mut self) -> io::Result<()> {
        // Not by `drop`, which would not say so.
        self.begun = true;
        let removed = fs::remove_file(&self.path);
        removed.map_err(|error| io::Error::new(error.kind(), format!("cannot remove {}: {error}", self.path.display())))
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let written = serde_json::to_writer(&mut self.file, value).map_err(io::Error::from);
        written
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush())
            .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", self.path.display())))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.begun {
            // Settings alone are of no use to anybody.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_do_not_write_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        let (mut first, _) = Partial::open(&target, "lines", false).unwrap();
        first.push(&1).unwrap();
        for resume in [false, true] {
            let error = Partial::open(&target, "lines", resume).unwrap_err();
            assert!(matches!(error, PartialError::Busy { .. }), "{error}");
        }
        drop(first);
        assert_eq!(fs::read_to_string(folder.path().join("out.jsonl.partial")).unwrap(), "1\n");
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (target, partial) = (folder.path().join("out"), folder.path().join("out.partial"));
        let torn = b"{\"seed\":1}\n\"a\"\n\"\xff\xfe\"\n\"b\"\n";
        fs::write(&partial, torn).unwrap();
        for resume in [false, true] {
            let said = Partial::open(&target, "lines", resume).unwrap_err().to_string();
            assert!(said.contains("out.partial, line 3: it is damaged"), "{said}");
            assert_eq!(fs::read(&partial).unwrap(), torn);
        }
        fs::remove_file(&partial).unwrap();
        fs::create_dir(&partial).unwrap();
        let said = Partial::open(&target, "lines", true).unwrap_err().to_string();
        assert!(said.contains("cannot write") && said.contains("directory"), "{said}");
    }

    #[test]
    fn half_a_last_line_is_cut_off_and_a_first_line_alone_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (target, partial) = (folder.path().join("out"), folder.path().join("out.partial"));
        let (mut file, lines) = Partial::open(&target, "lines", false).unwrap();
        file.head(&"settings").unwrap();
        assert!(lines.is_empty() && partial.exists());
        drop(file);
        assert!(!partial.exists());
        fs::write(&partial, "\"settings\"\n").unwrap();
        let (mut file, lines) = Partial::open(&target, "lines", false).unwrap();
        assert!(lines.is_empty());
        file.head(&"settings").unwrap();
        file.push(&1).unwrap();
        drop(file);
        fs::write(&partial, fs::read_to_string(&partial).unwrap() + "[2, ").unwrap();
        assert!(Partial::open(&target, "lines", false).unwrap_err().to_string().contains("add --resume"));
        let (mut file, lines) = Partial::open(&target, "lines", true).unwrap();
        assert_eq!(lines, ["\"settings\"", "1"]);
        file.head(&"settings").unwrap();
        file.push(&2).unwrap();
        assert_eq!(fs::read_to_string(&partial).unwrap(), "\"settings\"\n1\n2\n");
        file.remove().unwrap();
        assert!(!partial.exists());
    }
}
