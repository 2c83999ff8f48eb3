//! Services for the time of one command.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A folder for the logs of services that are started for one command. It goes with the command, however that ends: where a
/// service fails, the end of its log is in the error.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder, named after the command.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written to.
    pub(crate) fn new(command: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("real-{command}-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error)
                .with_context(|| format!("cannot make a folder for logs at {}; is TMPDIR right?", path.display())),
            _ => Ok(Self(path)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A left-over in the folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
