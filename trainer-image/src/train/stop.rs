//! Being told to stop: the first SIGTERM or SIGINT asks, the second one does not.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use tokio::signal::unix::{SignalKind, signal};

/// How often waiting looks up to see whether it should stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Stack of a thread that reads foreign data; that of a main thread.
const STACK: usize = 8 << 20;

const SIGNALS: [Signal; 2] = [Signal::SIGTERM, Signal::SIGINT];

/// Keeps SIGTERM and SIGINT until [`Stop::on_signals`] listens to them, also across `exec`. The first process of a container
/// never gets a signal that it does not listen to, and libtorch takes a moment to load: an end that was asked for then would be
/// forgotten. Call it in the main thread.
///
/// # Errors
/// The system refuses.
pub fn hold_back() -> io::Result<()> {
    Ok(SigSet::from_iter(SIGNALS).thread_block()?)
}

/// Someone asked for the end before there was anything to save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asked to stop before training began")]
pub struct StoppedEarly;

/// Whether the run should come to a good end soon. Clones share one answer.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens to SIGTERM and SIGINT on the present tokio runtime, also to those that [`hold_back`] kept. The second signal ends the process at once with
    /// 128 + its number, as if it had not been caught.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = stop.clone();
        tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = terminate.recv() => libc::SIGTERM,
                    _ = interrupt.recv() => libc::SIGINT,
                };
                if asked.requested() {
                    std::process::exit(128 + number);
                }
                tracing::info!("asked to stop: a checkpoint follows; a second signal ends the process at once");
                asked.request();
            }
        });
        SigSet::from_iter(SIGNALS).thread_unblock()?;
        Ok(stop)
    }

    /// An error where someone asked.
    ///
    /// # Errors
    /// Someone did.
    pub fn check(&self) -> Result<(), StoppedEarly> {
        if self.requested() { Err(StoppedEarly) } else { Ok(()) }
    }

    /// The result of `work`, which runs on a thread of its own so that nobody who asks for the end has to wait for it.
    ///
    /// # Errors
    /// Someone asked; the thread is left to itself.
    ///
    /// # Panics
    /// Where `work` does, or where no thread can be started.
    pub fn unless_requested<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoppedEarly> {
        self.check()?;
        let (sender, receiver) = channel();
        let worker = move || {
            // Nobody listens any more where someone asked for the end.
            let _ = sender.send(work());
        };
        let worker = thread::Builder::new().stack_size(STACK).spawn(worker).expect("a thread");
        loop {
            match receiver.recv_timeout(LOOK_UP) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) => self.check()?,
                Err(RecvTimeoutError::Disconnected) => match worker.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("it ends after it has sent its result"),
                },
            }
        }
    }

    /// What `work` comes to; it is dropped once someone asks for the end.
    ///
    /// # Errors
    /// Someone asked.
    pub async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Result<T, StoppedEarly> {
        let asked = async {
            while !self.requested() {
                tokio::time::sleep(LOOK_UP).await;
            }
        };
        tokio::select! {
            done = work => Ok(done),
            () = asked => Err(StoppedEarly),
        }
    }

    /// Waits until something comes by `told` or nothing can come any more, or until someone asks for the end.
    pub fn wait_for(&self, told: &Receiver<()>) {
        while !self.requested() && told.recv_timeout(LOOK_UP) == Err(RecvTimeoutError::Timeout) {}
    }

    /// Asks for the end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_does_not_end_is_not_waited_for_once_someone_asks() {
        let stop = Stop::default();
        assert_eq!(stop.unless_requested(|| 7), Ok(7));
        let (asks, (never, waiting)) = (stop.clone(), channel::<()>());
        let result = stop.unless_requested(move || {
            asks.request();
            let _ = waiting.recv();
        });
        assert_eq!(result, Err(StoppedEarly));
        drop(never);
        assert_eq!(stop.unless_requested(|| 7), Err(StoppedEarly), "nothing is begun after that");
    }
}
