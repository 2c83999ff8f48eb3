//! Files of the cache: one process at a time writes each, and what is there is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::SourceError;

/// The right to write one file of the cache, held for as long as this is there.
pub(crate) struct Claim {
    _lock: File,
}

/// Waits for the right to write `path`, on a thread that may block.
pub(crate) async fn claim(path: &Path) -> Result<Claim, SourceError> {
    let lock = beside(path, ".lock");
    let made = lock.clone();
    let waiting = tokio::task::spawn_blocking(move || {
        if let Some(folder) = made.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(&made)?;
        file.lock()?;
        Ok(file)
    });
    match waiting.await {
        Ok(Ok(file)) => Ok(Claim { _lock: file }),
        Ok(Err(error)) => Err(SourceError::io("lock", &lock, error)),
        Err(error) => Err(SourceError::io("lock", &lock, std::io::Error::other(error))),
    }
}

/// `PATH` with something behind its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a small file whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), SourceError> {
    let partial = beside(path, ".new");
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&partial, text)?;
        fs::rename(&partial, path)
    };
    written().map_err(|error| SourceError::io("write", path, error))
}
