//! Which files are checked.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ignore::WalkBuilder;
use real_detector::syntax::MAX_BYTES;

/// Something to check, or why it cannot be found.
#[derive(Debug)]
pub(super) struct Source {
    /// What people call it.
    pub(super) name: String,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) enum Place {
    File(PathBuf),
    StandardInput,
    /// A folder that cannot be read, for example.
    Nowhere(String),
}

/// What is meant by paths, in their order; what is in a folder, by name. A file that is named is checked whatever its
/// name is and whatever `.gitignore` says; each is checked once, however often it is named.
pub(super) fn find(paths: &[PathBuf]) -> Vec<Source> {
    let mut sources = named(paths);
    let mut known = HashSet::new();
    sources.retain(|source| match &source.place {
        Place::File(path) => known.insert(path.canonicalize().unwrap_or_else(|_| path.clone())),
        // No path is empty.
        Place::StandardInput => known.insert(PathBuf::new()),
        Place::Nowhere(_) => true,
    });
    sources
}

fn named(paths: &[PathBuf]) -> Vec<Source> {
    let mut sources = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            sources.push(Source { name: "<stdin>".to_owned(), place: Place::StandardInput });
        } else if path.is_dir() {
            in_folder(path, &mut sources);
        } else {
            sources.push(Source { name: path.display().to_string(), place: Place::File(path.clone()) });
        }
    }
    sources
}

fn in_folder(folder: &Path, sources: &mut Vec<Source>) {
    let walk = WalkBuilder::new(folder).require_git(false).sort_by_file_name(Ord::cmp).build();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                if is_file && entry.path().extension().is_some_and(|extension| extension == "py") {
                    let path = entry.into_path();
                    sources.push(Source { name: path.display().to_string(), place: Place::File(path) });
                }
            }
            Err(error) => {
                sources.push(Source { name: folder.display().to_string(), place: Place::Nowhere(error.to_string()) });
            }
        }
    }
}

/// A file's bytes, and one more than are analysed at most: there are files without an end.
fn limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Source {
    /// Its text.
    ///
    /// # Errors
    /// It cannot be read, or is no UTF-8 text, in words.
    pub(super) fn read(&self) -> Result<String, String> {
        let cannot = |error: io::Error| format!("cannot be read: {error}");
        let bytes = match &self.place {
            Place::File(path) => fs::File::open(path).and_then(limited).map_err(cannot)?,
            Place::StandardInput => limited(io::stdin().lock()).map_err(cannot)?,
            Place::Nowhere(why) => return Err(why.clone()),
        };
        if bytes.len() > MAX_BYTES {
            return Err(format!("has more than {MAX_BYTES} bytes, the most that are analysed"));
        }
        String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            format!("is not UTF-8: line {line} holds a byte that is not; other encodings are not read")
        })
    }
}
