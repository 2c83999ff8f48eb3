//! A checkpoint that is written while the run goes on.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::{Checkpoint, CheckpointError, write};

/// The writing of a checkpoint, by a thread of its own. Dropped, it is still finished: a thread is not taken back.
#[derive(Debug)]
pub struct Writing {
    path: PathBuf,
    thread: JoinHandle<Result<Checkpoint, CheckpointError>>,
}

impl Writing {
    /// Begins [`write`]. `fill` must not depend on what the run changes meanwhile.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start<E: Into<anyhow::Error>>(
        folder: &Path,
        step: u64,
        fill: impl FnOnce(&Path) -> Result<(), E> + Send + 'static,
    ) -> Result<Self, CheckpointError> {
        let (place, path) = (folder.to_path_buf(), folder.join(format!("step-{step}")));
        let builder = std::thread::Builder::new().name(format!("checkpoint-{step}"));
        let thread = builder
            .spawn(move || write(&place, step, fill))
            .map_err(CheckpointError::io("start a thread to write", &path))?;
        Ok(Self { path, thread })
    }

    /// Whether it is done, well or not: [`Writing::wait`] does not wait then.
    pub fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`write`].
    pub fn wait(self) -> Result<Checkpoint, CheckpointError> {
        let panicked = |_| CheckpointError::Content {
            path: self.path,
            source: anyhow::anyhow!("the thread that wrote it ended by a panic"),
        };
        self.thread.join().unwrap_or_else(|panic| Err(panicked(panic)))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::channel;

    use super::super::{list, newest};
    use super::*;

    #[test]
    fn it_is_not_there_until_it_is_whole_and_nobody_waits_for_it_meanwhile() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), 1, |inside| std::fs::write(inside.join("state.json"), "1")).expect("writable");
        let (go, may_go) = channel::<()>();
        let writing = Writing::start(folder.path(), 2, move |inside| -> io::Result<()> {
            std::fs::write(inside.join("state.json"), "2")?;
            may_go.recv().map_err(io::Error::other)
        })
        .expect("a thread");
        // The writer cannot go on before it is told: as after a kill, the one before is the newest.
        assert!(!writing.is_done());
        let found = newest(folder.path()).expect("readable").0;
        assert_eq!(found.map(|found| found.step), Some(1));
        go.send(()).expect("the writer waits");
        assert_eq!(writing.wait().expect("whole").step, 2);
        assert_eq!(list(folder.path()).expect("readable").len(), 2);
    }

    #[test]
    fn a_failure_or_a_panic_of_the_writer_is_told_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failing = Writing::start(folder.path(), 3, |_| Err(anyhow::anyhow!("no space left on device")));
        let error = failing.expect("a thread").wait().expect_err("it failed");
        assert!(format!("{:#}", anyhow::Error::from(error)).contains("step-3: no space left"));
        let panicking = Writing::start(folder.path(), 4, |_| -> io::Result<()> { panic!("a bug") });
        let error = panicking.expect("a thread").wait().expect_err("it panicked");
        assert!(format!("{:#}", anyhow::Error::from(error)).contains("panic"));
        assert!(list(folder.path()).expect("readable").is_empty());
    }
}
