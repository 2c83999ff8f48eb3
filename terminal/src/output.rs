//! Standard output.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bars;
use crate::screen::{Stream, is_terminal};

/// What became of standard output.
#[derive(Debug)]
enum State {
    Open,
    /// Whoever read it has gone: nothing more is written, and that is no failure.
    Closed,
    Failed(io::Error),
}

static STATE: Mutex<State> = Mutex::new(State::Open);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether somebody still reads standard output; a long listing may end where nobody does.
pub fn is_open() -> bool {
    matches!(*state(), State::Open)
}

/// Writes to standard output, unless that failed before.
pub fn write(text: fmt::Arguments<'_>) {
    // Formatted before anything is locked: a value's `Display` may write something itself.
    let text = text.to_string();
    let write = || io::stdout().write_all(text.as_bytes());
    note(|| if is_terminal(Stream::Output) { bars::suspend(write) } else { write() });
}

fn note(write: impl FnOnce() -> io::Result<()>) {
    if !is_open() {
        return;
    }
    if let Err(error) = write() {
        let closed = error.kind() == ErrorKind::BrokenPipe || (is_io_error(&error) && is_a_device());
        *state() = if closed { State::Closed } else { State::Failed(error) };
    }
}

/// `EIO`: what reading and writing a terminal that was hung up gives.
fn is_io_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(5)
}

/// Whether standard output is a device, such as a terminal, and no file on a disk that may have a fault.
fn is_a_device() -> bool {
    fs::metadata("/proc/self/fd/1").is_ok_and(|target| target.file_type().is_char_device())
}

/// Ends a program: writes what is left of standard output, and says why where some of it could not be written. Then
/// success becomes a failure, because what was asked for is not there. A reader that left early (`| head`) had all it wanted.
pub fn finish(code: ExitCode) -> ExitCode {
    note(|| io::stdout().flush());
    match &*state() {
        State::Failed(error) => {
            crate::errln!("error: cannot write to standard output: {error}");
            if code == ExitCode::SUCCESS { crate::exit::FAILED.into() } else { code }
        }
        State::Open | State::Closed => code,
    }
}
