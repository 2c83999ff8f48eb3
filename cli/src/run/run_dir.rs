//! The run directory: who may write to it, and what is in it already.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use real_terminal::OrRefused as _;

use crate::summary::{Phase, Summary};

/// Why a run directory cannot be used. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunDirError {
    /// It holds a run and nothing says what to do with that.
    #[error(
        "the run directory {} already holds a run{state}; add --resume to go on with it, --fresh to move it aside, or choose \
         another with --run-dir", path.display()
    )]
    Exists {
        /// The directory.
        path: PathBuf,
        /// `, finished` or nothing.
        state: &'static str,
    },
    /// It is something else.
    #[error("the run directory {} is {what}; choose another with --run-dir", path.display())]
    NotARun {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// There is nothing to resume.
    #[error("cannot resume: there is no run in {}; leave --resume out to start one", path.display())]
    NothingToResume {
        /// The directory.
        path: PathBuf,
    },
    /// There is nothing to resume in either place.
    #[error(
        "cannot resume: there is no run in {}, and no checkpoint in {uri} (spec.checkpoint.storage.objectStore.uri); leave \
         --resume out to start one", path.display()
    )]
    NothingElsewhere {
        /// The directory.
        path: PathBuf,
        /// The bucket's.
        uri: String,
    },
    /// Another `real run` uses it.
    #[error("another `real run` is using the run directory {}; wait for it, or choose another with --run-dir", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be written to.
    #[error("cannot write to the run directory {}: {source}; choose another with --run-dir", path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Looks for a checkpoint in a bucket, for a directory that holds no run. Whole ones have a manifest.
pub(crate) async fn look_elsewhere(path: &Path, uri: &str) -> anyhow::Result<()> {
    if path.join("spec.yaml").exists() {
        return Ok(());
    }
    let there = real_sources::Shelf::from_environment(uri).or_refused()?.list("checkpoints").await.or_refused()?;
    let is_whole = there.iter().any(|item| item.name.ends_with("/manifest.json"));
    let nothing = || RunDirError::NothingElsewhere { path: path.to_owned(), uri: uri.to_owned() };
    is_whole.then_some(()).ok_or_else(nothing).or_refused()
}

/// What the user said about a directory that already holds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Nothing: refuse.
    Refuse,
    /// `--resume`: go on with it.
    Resume,
    /// `--resume` where checkpoints lie in a bucket: go on with it, or with what lies there.
    ResumeElsewhere,
    /// `--fresh`: move it aside.
    MoveAside,
}

/// A look at the directory: what will be done with it. Changes nothing.
pub(crate) fn inspect(path: &Path, existing: Existing) -> Result<(), RunDirError> {
    let owned = || path.to_owned();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries.flatten().count(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(RunDirError::NotARun { path: owned(), what: "a file, not a directory" });
        }
        Err(source) => return Err(RunDirError::Unwritable { path: owned(), source }),
    };
    let is_run = path.join("trainer.json").exists() || path.join("spec.yaml").exists();
    match existing {
        Existing::Resume if !is_run => return Err(RunDirError::NothingToResume { path: owned() }),
        Existing::Resume => {}
        _ if entries == 0 => {}
        // Moving somebody's other files aside is as bad as writing among them.
        _ if !is_run => return Err(RunDirError::NotARun { path: owned(), what: "not empty and holds no run" }),
        Existing::MoveAside | Existing::ResumeElsewhere => {}
        Existing::Refuse => {
            let finished = Summary::read(path).is_some_and(|s| s.phase == Phase::Complete);
            let state = if finished { ", a finished one" } else { "" };
            return Err(RunDirError::Exists { path: owned(), state });
        }
    }
    match File::open(path.join(LOCK)) {
        Ok(lock) if matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) => {
            Err(RunDirError::Busy { path: owned() })
        }
        _ => Ok(()),
    }
}

const LOCK: &str = ".lock";

/// A run directory that this process alone uses.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// The kernel lets go of the lock when this is closed, however the process ends.
    _lock: File,
}

impl RunDir {
    /// Makes the directory (after moving another run aside if asked to), and locks it.
    pub(crate) fn open(path: &Path, existing: Existing) -> Result<Self, RunDirError> {
        inspect(path, existing)?;
        let unwritable = |source| RunDirError::Unwritable { path: path.to_owned(), source };
        if existing == Existing::MoveAside && path.join("spec.yaml").exists() {
            let aside = free_name(path);
            fs::rename(path, &aside).map_err(unwritable)?;
            tracing::info!("the earlier run was moved to {}", aside.display());
        }
        fs::create_dir_all(path.join("logs")).map_err(unwritable)?;
        let lock =
            File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RunDirError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unwritable(source)),
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Folder of the processes' logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Step of the newest checkpoint that was written to its end.
    pub(crate) fn newest_checkpoint(&self) -> Option<u64> {
        checkpoints(&self.path).last().map(|checkpoint| checkpoint.step)
    }
}

/// A checkpoint that was written to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// Tells it from another one of the same step.
    inode: u64,
}

/// Checkpoints of a run directory that were written to their end, oldest first.
pub(crate) fn checkpoints(run_dir: &Path) -> Vec<Checkpoint> {
    let entries = fs::read_dir(run_dir.join("checkpoints")).into_iter().flatten().flatten();
    let whole = entries.filter(|entry| entry.path().join("manifest.json").exists());
    let read = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some(Checkpoint { step, inode: entry.ino() })
    };
    let mut checkpoints: Vec<Checkpoint> = whole.filter_map(read).collect();
    checkpoints.sort_unstable();
    checkpoints
}

/// `PATH.1`, or the first number that is free.
fn free_name(path: &Path) -> PathBuf {
    let numbered = (1..u32::MAX).map(|n| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    });
    numbered.into_iter().find(|candidate| !candidate.exists()).unwrap_or_else(|| path.with_extension("aside"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_run_is_never_written_to_unless_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        drop(RunDir::open(&path, Existing::Refuse).unwrap());
        fs::write(path.join("spec.yaml"), "old").unwrap();
        let message = RunDir::open(&path, Existing::Refuse).unwrap_err().to_string();
        assert!(message.contains("--resume") && message.contains("--run-dir"), "{message}");
        drop(RunDir::open(&path, Existing::Resume).unwrap());
        drop(RunDir::open(&path, Existing::MoveAside).unwrap());
        assert_eq!(fs::read_to_string(dir.path().join("run.1/spec.yaml")).unwrap(), "old");
        assert!(!path.join("spec.yaml").exists());
    }

    #[test]
    fn two_runs_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunDir::open(dir.path(), Existing::Refuse).unwrap();
        fs::write(dir.path().join("spec.yaml"), "").unwrap();
        let error = RunDir::open(dir.path(), Existing::Resume).unwrap_err();
        assert!(matches!(error, RunDirError::Busy { .. }), "{error}");
        drop(first);
        RunDir::open(dir.path(), Existing::Resume).unwrap();
    }

    #[test]
    fn a_run_whose_checkpoints_lie_in_a_bucket_goes_on_in_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        assert!(matches!(RunDir::open(&path, Existing::Resume), Err(RunDirError::NothingToResume { .. })));
        drop(RunDir::open(&path, Existing::ResumeElsewhere).unwrap());
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        for existing in [Existing::Refuse, Existing::MoveAside, Existing::ResumeElsewhere] {
            let error = RunDir::open(dir.path(), existing).unwrap_err();
            assert!(matches!(error, RunDirError::NotARun { .. }), "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_whole_checkpoints_count() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path(), Existing::Refuse).unwrap();
        assert_eq!(run.newest_checkpoint(), None);
        for name in ["step-5", "step-10", "step-15", "superseded-step-20"] {
            fs::create_dir_all(dir.path().join("checkpoints").join(name)).unwrap();
        }
        for name in ["step-10", "superseded-step-20"] {
            fs::write(dir.path().join("checkpoints").join(name).join("manifest.json"), "{}").unwrap();
        }
        assert_eq!(run.newest_checkpoint(), Some(10));
    }
}
