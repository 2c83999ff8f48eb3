//! A server as a process of the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// A running server; killed and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pid: PathBuf,
}

impl Process {
    /// Starts the program called `name` of the folder `programs`. Its log and its process id go to `folder`.
    pub(crate) fn start(programs: &Path, name: &str, folder: &Path, arguments: &[String]) -> Result<Self> {
        let log = folder.join(name).with_extension("log");
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(programs.join(name))
            .args(arguments)
            // etcd takes any ETCD_* for a flag, and proxies of the environment are not meant for loopback.
            .env_clear()
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} cannot be started", programs.join(name).display()))?;
        let pid = folder.join(name).with_extension("pid");
        let process = Self { child, log, pid };
        fs::write(&process.pid, process.child.id().to_string())?;
        Ok(process)
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        tail(&self.log, 30)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing it holds is worth a graceful end, and its ports are free only once it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its number may soon be another process's.
        let _ = fs::remove_file(&self.pid);
    }
}

/// The last lines of a file; nothing where there is none.
pub(crate) fn tail(file: &Path, count: usize) -> String {
    let text = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
