//! A runtime of tokio whose end waits for nothing.

use std::io;
use std::ops::Deref;

use tokio::runtime::Builder;

/// A runtime that is left to itself where it is dropped. A name that is being looked up cannot be taken back, and tokio's own would wait for
/// it, which may take a minute.
#[derive(Debug)]
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// One whose tasks are run by whoever waits.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    /// One with two threads.
    pub(crate) fn of_threads() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)))
    }
}

impl Deref for Runtime {
    type Target = tokio::runtime::Runtime;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_blocks_in_it_is_not_waited_for() {
        for runtime in [Runtime::of_this_thread(), Runtime::of_threads()] {
            let runtime = runtime.expect("a runtime");
            let ((begun, has_begun), (end, ended)) = (channel::<()>(), channel::<()>());
            runtime.spawn_blocking(move || {
                begun.send(()).expect("somebody listens");
                let _ = ended.recv();
            });
            has_begun.recv().expect("it begins");
            drop(runtime);
            end.send(()).expect("it was still waiting");
        }
    }
}
