//! Ctrl-C, SIGTERM and a terminal that is closed.

use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for the signals that ask this process to stop.
#[derive(Debug)]
pub struct Shutdown {
    interrupt: Signal,
    terminate: Signal,
    /// Absent where whoever started us had it ignored, as `nohup` does.
    hangup: Option<Signal>,
    asked: bool,
}

impl Shutdown {
    /// Starts to listen: from here on the signals no longer end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            asked: false,
        })
    }

    /// Waits for the next request to stop. Cancel-safe.
    ///
    /// A terminal that is closed asks once, and only where nobody asked before: the kernel and the shell each send a
    /// SIGHUP, and the second one must not pass for an impatient second Ctrl-C.
    pub async fn requested(&mut self) {
        let asked = self.asked;
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) if !asked => drop(hangup.recv().await),
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hangup => {}
        }
        self.asked = true;
    }
}

/// Whether SIGHUP was ignored when this process started. The kernel keeps that in a mask whose lowest bit is signal 1.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
