//! What lies where in a cluster's folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::tail;

/// Lines of each log that are shown where a cluster does not start.
const TAIL: usize = 15;

/// The one folder of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The administrator's kubeconfig, which needs no other file.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// Where every program writes what it says, and `pods/` what containers say.
    pub fn logs(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The log of a program.
    pub fn log(&self, program: &str) -> PathBuf {
        self.logs().join(program).with_extension("log")
    }

    /// Where persistent volumes are.
    pub fn volumes(&self) -> PathBuf {
        self.0.join("volumes")
    }

    /// Certificates and keys.
    pub(super) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// Configuration of a program.
    pub(super) fn etc(&self, name: &str) -> PathBuf {
        self.0.join("etc").join(name)
    }

    /// State of a program.
    pub(super) fn var(&self, name: &str) -> PathBuf {
        self.0.join("var").join(name)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    pub(super) fn pid(&self) -> PathBuf {
        self.0.join("pid")
    }

    pub(super) fn create(&self) -> Result<()> {
        for folder in [self.logs(), self.volumes(), self.pki(), self.etc("cni"), self.var("")] {
            fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        fs::write(self.lock(), "")?;
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.0.display()))
            }
            _ => Ok(()),
        }
    }

    /// The ends of all logs.
    pub(super) fn tails(&self) -> String {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.logs()).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        let mut text = format!("the logs, in {}, end with", self.logs().display());
        for file in files.iter().filter(|file| file.is_file()) {
            let name = file.file_name().unwrap_or_default().display();
            text = format!("{text}\n== {name}\n{}", tail(file, TAIL));
        }
        text
    }
}
