//! The parent's end of a zygote.

use std::cell::OnceCell;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, send, sendmsg,
    socketpair,
};

use crate::jail::Plan;
use crate::job::request;

/// How long a zygote may take to import everything; machines under load are slow.
const START_TIMEOUT: Duration = Duration::from_mins(5);
/// How long it may take to fork: milliseconds, on a machine that has time for it.
const FORK_TIMEOUT: Duration = Duration::from_mins(2);
/// How long its guard may take to end it.
const GUARD_TIMEOUT: Duration = Duration::from_mins(1);

/// A zygote that does not do its part. Never a verdict.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// It could not be started.
    #[error("cannot start the jail: {0}")]
    Start(std::io::Error),
    /// It ended, or said something else than agreed.
    #[error("the zygote is lost while {0}")]
    Lost(&'static str),
    /// It takes too long.
    #[error("the zygote does not answer while {0}")]
    Silent(&'static str),
    /// The control socket failed.
    #[error("control socket: {0}")]
    Socket(#[from] nix::Error),
}

/// A running zygote.
#[derive(Debug)]
pub struct Zygote {
    guard: Child,
    control: OwnedFd,
    pid: i32,
    mapped_bytes: u64,
}

/// A child of the zygote that has not been waited for.
#[derive(Debug)]
pub struct Running {
    /// Refers to the process for as long as we hold it.
    pub pidfd: OwnedFd,
    pid: OnceCell<Option<i32>>,
}

/// What became of a child.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    /// As from wait(2).
    pub status: i32,
    /// User and system seconds of it and the children that it waited for.
    pub cpu: f64,
    /// Peak resident set.
    pub max_rss_kib: u64,
    /// Whether it has left processes behind, where it is not the kernel that ends them with it.
    pub left: bool,
}

enum Message {
    Plain(Vec<u8>),
    WithDescriptor(OwnedFd),
}

impl Zygote {
    /// Starts the jail and waits until the interpreter in it is ready. Call from the thread that will keep it: the
    /// kernel kills the jail when that thread ends.
    pub fn start(plan: &Plan) -> Result<Self, ZygoteError> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let plan = serde_json::to_string(plan).map_err(|error| ZygoteError::Start(error.into()))?;
        // Also where a newer one has taken its place in the file system: the plan is for this one.
        let guard = Command::new("/proc/self/exe")
            .arg0("real-sandbox")
            .arg("jail")
            .arg(plan)
            .stdin(Stdio::from(theirs))
            // A pipe, like that of a test: the interpreter remembers whether it can seek. Nothing is written to it.
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(ZygoteError::Start)?;
        let mut zygote = Self { guard, control: ours, pid: 0, mapped_bytes: 0 };
        match zygote.receive("importing modules", START_TIMEOUT)? {
            Message::Plain(text) if text.starts_with(b"H") => {}
            _ => return Err(ZygoteError::Lost("starting")),
        }
        zygote.pid = zygote.interpreter_pid();
        zygote.mapped_bytes = mapped_bytes(zygote.pid).unwrap_or(256 << 20);
        Ok(zygote)
    }

    /// Bytes of address space that a fork starts with.
    pub fn mapped_bytes(&self) -> u64 {
        self.mapped_bytes
    }

    /// Pid of the interpreter, in our PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Pid of its guard.
    pub fn guard_pid(&self) -> i32 {
        self.guard.id() as i32
    }

    /// Readable when the zygote has something to say.
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Forks a child that takes over the descriptors: job, stdin, stdout, stderr and result. Its box has room for `disk_bytes`.
    pub fn fork(&mut self, descriptors: &[RawFd], disk_bytes: u64) -> Result<Running, ZygoteError> {
        let request = request(disk_bytes);
        let message = [std::io::IoSlice::new(request.as_bytes())];
        sendmsg::<()>(
            self.control.as_raw_fd(),
            &message,
            &[ControlMessage::ScmRights(descriptors)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )?;
        match self.receive("forking", FORK_TIMEOUT)? {
            Message::WithDescriptor(pidfd) => Ok(Running { pidfd, pid: OnceCell::new() }),
            Message::Plain(_) => Err(ZygoteError::Lost("forking")),
        }
    }

    /// What became of the child; call once [`control`](Self::control) is readable.
    pub fn exit(&mut self) -> Result<Exit, ZygoteError> {
        match self.receive("waiting for a test", FORK_TIMEOUT)? {
            Message::Plain(text) => Exit::read(&text).ok_or(ZygoteError::Lost("waiting for a test")),
            Message::WithDescriptor(_) => Err(ZygoteError::Lost("waiting for a test")),
        }
    }

    /// Has it wait for orphans that we killed. Says whether others are left.
    pub fn reap(&mut self) -> Result<bool, ZygoteError> {
        send(self.control.as_raw_fd(), b"R", MsgFlags::MSG_NOSIGNAL)?;
        match self.receive("reaping", FORK_TIMEOUT)? {
            Message::Plain(text) if text == b"R0" => Ok(false),
            Message::Plain(text) if text == b"R1" => Ok(true),
            _ => Err(ZygoteError::Lost("reaping")),
        }
    }

    fn receive(&self, doing: &'static str, timeout: Duration) -> Result<Message, ZygoteError> {
        let timeout = PollTimeout::try_from(timeout.as_millis() as i32).unwrap_or(PollTimeout::MAX);
        loop {
            let mut set = [PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
            match poll(&mut set, timeout) {
                Ok(0) => return Err(ZygoteError::Silent(doing)),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        let mut buffer = [0_u8; 8192];
        let mut space = cmsg_space!([RawFd; 4]);
        let (length, descriptor) = {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let message =
                recvmsg::<()>(self.control.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
            let mut descriptor = None;
            for part in message.cmsgs()? {
                if let ControlMessageOwned::ScmRights(received) = part {
                    for raw in received {
                        // SAFETY: the kernel has just installed this descriptor for us; nobody else owns it.
                        descriptor = Some(unsafe { OwnedFd::from_raw_fd(raw) });
                    }
                }
            }
            (message.bytes, descriptor)
        };
        if length == 0 {
            return Err(ZygoteError::Lost(doing));
        }
        Ok(descriptor.map_or_else(|| Message::Plain(buffer[..length].to_vec()), Message::WithDescriptor))
    }

    /// The guard's child where there are PID namespaces, else the process that we started.
    fn interpreter_pid(&self) -> i32 {
        let guard = self.guard.id() as i32;
        children(guard).first().copied().unwrap_or(guard)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // The guard ends the zygote and all that it adopts from it, and then itself.
        let guard = nix::unistd::Pid::from_raw(self.guard.id() as i32);
        let _ = nix::sys::signal::kill(guard, nix::sys::signal::Signal::SIGTERM);
        let deadline = Instant::now() + GUARD_TIMEOUT;
        while Instant::now() < deadline && matches!(self.guard.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Exit {
    fn read(message: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(message).ok()?.strip_prefix('X')?.split(' ');
        let mut next = || words.next();
        Some(Self {
            status: next()?.parse().ok()?,
            cpu: next()?.parse().ok()?,
            max_rss_kib: next()?.parse().ok()?,
            left: next()? == "1",
        })
    }
}

impl Running {
    /// In our own PID namespace; nothing where it had ended before we asked.
    pub fn pid(&self) -> Option<i32> {
        *self.pid.get_or_init(|| pid_of(&self.pidfd))
    }

    /// SIGKILL, which needs no cooperation.
    pub fn kill(&self) {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is a live pidfd; the siginfo pointer may be null.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), libc::SIGKILL, no_info, 0) };
    }
}

/// Direct children of a process, from `/proc`.
pub fn children(pid: i32) -> Vec<i32> {
    children_and_threads(pid).0
}

/// Direct children of a process, and how many threads it has.
pub(crate) fn children_and_threads(pid: i32) -> (Vec<i32>, usize) {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return (Vec::new(), 0) };
    let mut found = Vec::new();
    let mut threads = 0;
    for task in tasks.flatten() {
        threads += 1;
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    (found, threads)
}

fn mapped_bytes(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(pages * page_size())
}

/// Bytes of a page.
pub fn page_size() -> u64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().map_or(4096, |size| size as u64)
}

fn pid_of(pidfd: &OwnedFd) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pid:"))
        .and_then(|pid| pid.trim().parse().ok())
        .filter(|pid| *pid > 0)
}
