//! A terminal of its own for a program under test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(10);

/// A program whose standard streams, and controlling terminal, are a pseudo-terminal that we hold the other end of.
pub struct Terminal {
    ours: PtyMaster,
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
        // Closed on exec from the first moment: a child of another test that inherited it would keep the terminal open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let ours = posix_openpt(flags).expect("a pseudo-terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a pseudo-terminal of ours");
        let name = ptsname_r(&ours).expect("a pseudo-terminal has a name");
        let theirs = || {
            let mut open = File::options();
            open.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&name).expect("it can be opened")
        };
        // As a login does it: a session of its own, so that the terminal's end is told to it.
        let script = format!("stty rows 24 cols {columns} && exec \"$0\" \"$@\"");
        // Under `nohup` all programs ignore that a terminal hangs up.
        let child = Command::new("env")
            .args(["--default-signal=HUP", "setsid", "--ctty", "--wait", "sh", "-c", &script])
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
        Self { ours, program: Program(child), text: Vec::new() }
    }

    /// Reads until the text on the terminal satisfies a condition, and gives all of it so far, escape sequences included.
    ///
    /// # Panics
    /// Where the program ends, or ten minutes pass, before that.
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
    /// Where it does not end within ten minutes.
    pub fn finish(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.read(deadline) {}
        let text = String::from_utf8_lossy(&self.text).into_owned();
        (self.program.wait(), text)
    }

    /// Types Ctrl-C.
    ///
    /// # Panics
    /// Where the terminal is gone.
    pub fn interrupt(&mut self) {
        self.ours.write_all(b"\x03").expect("the terminal takes what is typed");
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
    /// Where it does not end within ten minutes.
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
