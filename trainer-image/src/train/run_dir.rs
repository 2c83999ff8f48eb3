//! The run directory: where everything that a run leaves behind goes.

use std::fs::{self, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use real_crds::progress::Evaluation;
use serde::Serialize;
use serde_json::Value;

use crate::metrics::JsonLines;

/// Held by the trainer that writes here; `.lock` beside it is that of whoever started it on this machine.
const LOCK: &str = ".trainer.lock";

/// A run directory that exists, can be written to, and is nobody else's for as long as this or a clone of it lives.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf, #[expect(dead_code, reason = "closing the file gives the lock back")] Arc<fs::File>);

impl RunDir {
    /// Makes the directory where it is missing, and tries a write, so that a read-only or full disk is found before
    /// anything was computed.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let failed =
            |error: io::Error| anyhow::anyhow!("cannot write to the run directory {}: {error}", path.display());
        fs::create_dir_all(path.join("checkpoints")).map_err(failed)?;
        fs::create_dir_all(path.join("samples")).map_err(failed)?;
        let probe = path.join(".probe.partial");
        let written = fs::File::create(&probe).and_then(|mut file| {
            file.write_all(&[0; 4096])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&probe);
        written.and(removed).map_err(failed)?;
        let lock = fs::File::options().create(true).append(true).open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "the run directory {} is in use: another trainer holds its .trainer.lock; give each run a directory of its own, or wait for \
                 the other to end",
                path.display()
            ),
            // Some network file systems know no locks.
            Err(TryLockError::Error(error)) => tracing::warn!(%error, "{} cannot be locked", path.display()),
        }
        Ok(Self(path.into(), Arc::new(lock)))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// Opens `evaluations.jsonl` and gives what it holds of steps up to `last_step`.
    pub fn evaluations(&self, last_step: u64) -> anyhow::Result<(JsonLines, Vec<Evaluation>)> {
        let path = self.0.join("evaluations.jsonl");
        let parse = |line: &Value| serde_json::from_value::<Evaluation>(line.clone()).ok();
        let lines = JsonLines::open(&path, |line| parse(line).is_some_and(|record| record.step <= last_step))?;
        let text = fs::read_to_string(&path)?;
        let records = text.lines().filter_map(|line| parse(&serde_json::from_str(line).ok()?)).collect();
        Ok((lines, records))
    }

    /// Opens `warnings.jsonl`, which holds those of all attempts.
    pub fn warnings(&self) -> io::Result<JsonLines> {
        JsonLines::open(&self.0.join("warnings.jsonl"), |_| true)
    }

    /// What `metrics.jsonl` says of one metric, by step; null and other values that are no numbers are left out.
    pub fn metric(&self, name: &str) -> io::Result<Vec<(u64, f64)>> {
        let text = match fs::read_to_string(self.0.join("metrics.jsonl")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let value = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            Some((line.get("step")?.as_u64()?, line.get(name)?.as_f64()?))
        };
        Ok(text.lines().filter_map(value).collect())
    }

    /// Writes `samples/step-N.jsonl`, whole or not at all.
    pub fn write_samples<T: Serialize>(&self, name: &str, samples: &[T]) -> anyhow::Result<()> {
        let path = self.0.join("samples").join(format!("{name}.jsonl"));
        let mut text = String::new();
        for sample in samples {
            text.push_str(&serde_json::to_string(sample)?);
            text.push('\n');
        }
        let partial = path.with_extension("jsonl.partial");
        fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path)).map_err(|error| {
            let _ = fs::remove_file(&partial);
            anyhow::anyhow!("cannot write {}: {error}", path.display())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_directory_that_cannot_be_made_is_named() {
        let error = RunDir::open(Path::new("/proc/run")).expect_err("procfs takes no folders").to_string();
        assert!(error.starts_with("cannot write to the run directory /proc/run"), "{error}");
    }

    #[test]
    fn two_trainers_never_write_to_one_directory() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = RunDir::open(dir.path()).expect("nobody has it");
        let error = RunDir::open(dir.path()).expect_err("the first has it").to_string();
        assert!(error.contains("is in use") && error.contains(&dir.path().display().to_string()), "{error}");
        drop(first);
        RunDir::open(dir.path()).expect("nobody has it any more");
    }
}
