//! A terminal of its own for a program under test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program whose standard streams, and controlling terminal, are a pseudo-terminal that we hold the other end of.
pub struct Terminal {
    ours: File,
    program: Program,
    text: Vec<u8>,
}

/// A program whose terminal was closed. Killed when dropped.
pub struct Program(Child);

impl Terminal {
    /// Starts a program in a folder, on a terminal of so many columns and of a kind such as `xterm` or `dumb`.
    ///
    /// # Panics
    /// Where there is no pseudo-terminal, or no `setsid` of util-linux.
    pub fn start(program: &Path, args: &[impl AsRef<OsStr>], folder: &Path, columns: u16, kind: &str) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("a pseudo-terminal");
        let theirs = || File::from(pair.slave.try_clone().expect("a file descriptor"));
        // As a login does it: a session of its own, so that the terminal's end is told to it.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(program)
            .args(args)
            .current_dir(folder)
            .env("TERM", kind)
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("setsid starts");
        Self { ours: pair.master.into(), program: Program(child), text: Vec::new() }
    }

    /// Reads until the text on the terminal satisfies a condition, and gives all of it so far, escape sequences included.
    ///
    /// # Panics
    /// Where the program ends, or two minutes pass, before that.
    pub fn read_until(&mut self, done: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = String::from_utf8_lossy(&self.text).into_owned();
            if done(&text) {
                return text;
            }
            assert!(self.read(deadline), "the program ended, or was too slow, after:\n{text}");
        }
    }

    /// Reads to the program's end.
    ///
    /// # Panics
    /// Where it does not end within two minutes.
    pub fn finish(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.read(deadline) {}
        let text = String::from_utf8_lossy(&self.text).into_owned();
        (self.program.wait(), text)
    }

    /// Closes the terminal under the program.
    pub fn hang_up(self) -> Program {
        self.program
    }

    /// More text; `false` where there is no more.
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(self.ours.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left).expect("minutes fit");
        if poll(&mut ready, timeout).expect("a terminal can be waited for") == 0 {
            return false;
        }
        let mut piece = [0; 4096];
        // EIO: every process on the other end has ended.
        let read = self.ours.read(&mut piece).unwrap_or(0);
        self.text.extend_from_slice(&piece[..read]);
        read > 0
    }
}

impl Program {
    /// Process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end within two minutes.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the program still runs");
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Has ended by itself in every test that passes.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
