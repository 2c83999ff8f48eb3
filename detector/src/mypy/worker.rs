//! One warm worker process.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use real_detector_api::TypesVerdict;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::interpreter::interpreter;
use super::output::parse_output;
use super::traces::Traces;

/// One program of two parts.
const ZYGOTE: &str = concat!(include_str!("resident.py"), include_str!("zygote.py"));
/// Importing mypy and filling its cache, on a busy machine.
const START_SECONDS: u64 = 300;
/// The worker itself keeps the time; this is for a worker that hangs.
const GRACE: Duration = Duration::from_secs(10);

/// What one program may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) time: Duration,
    pub(super) cpu_time: Duration,
}

/// How a program is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By mypy's functions, with libraries that are in memory.
    Resident,
    /// By the command line's mypy, in a process of its own, with time enough on a busy machine: slower, and nothing of ours is in it.
    Plain,
}

impl Way {
    fn time(self, limits: Limits) -> Duration {
        match self {
            Self::Resident => limits.time,
            Self::Plain => limits.time.saturating_mul(4),
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// There was no time for this program.
    #[error("no verdict in time")]
    Deadline,
    /// mypy needed more CPU time for this program than it may have.
    #[error("no verdict within the CPU time of a program")]
    Cpu,
    /// mypy needed more memory for this program than there is.
    #[error("no verdict within the memory of a program")]
    Memory,
    /// Time ran out while libraries were read, which is done once for all programs.
    #[error("libraries are still being read")]
    Libraries,
    /// mypy broke on this program.
    #[error("the checker died: {0}")]
    Program(String),
    /// Somebody killed the checker.
    #[error("the checker was killed")]
    Killed,
    /// The worker is of no more use.
    #[error("{0}")]
    Worker(String),
}

#[derive(Deserialize)]
struct Ready {
    folder: PathBuf,
    version: String,
}

#[derive(Serialize)]
struct Request<'a> {
    code: &'a str,
    seconds: f64,
    cpu_seconds: f64,
    plain: bool,
    #[serde(flatten)]
    traces: &'a Traces,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    status: i32,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    left_out: usize,
    #[serde(default)]
    message: String,
    /// Whether libraries were read anew.
    #[serde(default)]
    read: bool,
}

/// A worker; its process ends with it.
#[derive(Debug)]
pub(super) struct Worker {
    process: Child,
    /// Where it works; it removes the folder itself unless it is killed.
    folder: Option<PathBuf>,
    /// `mypy` and its version.
    checker: String,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a worker and waits until it is warm.
    pub(super) fn start() -> Result<Self, Failure> {
        let python = interpreter();
        let mut process = Command::new(&python)
            .args(["-B", "-I", "-X", "utf8", "-c", ZYGOTE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // So that its own children can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(|problem| {
                Failure::Worker(format!(
                    "cannot start {}: {problem}; install Python 3 with mypy and set REAL_PYTHON",
                    python.display()
                ))
            })?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::Worker("no pipes to the worker".to_owned()));
        };
        // A worker that does not read must not block us.
        fcntl(&requests, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
            .map_err(|problem| Failure::Worker(format!("cannot set up the worker's pipe: {problem}")))?;
        let mut worker = Self {
            process,
            folder: None,
            checker: String::new(),
            requests: Some(requests),
            answers: BufReader::new(answers),
        };
        let first = worker.read(Instant::now() + Duration::from_secs(START_SECONDS))?;
        let Ok(Ready { folder, version }) = serde_json::from_str(&first) else {
            let python = python.display();
            return Err(Failure::Worker(format!("{python} cannot run mypy; install mypy there or set REAL_PYTHON")));
        };
        worker.folder = Some(folder);
        worker.checker = format!("mypy {version}");
        Ok(worker)
    }

    /// mypy's verdict. What the program hides from it is left to the caller.
    pub(super) fn check(
        &mut self,
        code: &str,
        traces: &Traces,
        way: Way,
        limits: Limits,
    ) -> Result<TypesVerdict, Failure> {
        let time = way.time(limits);
        let request = Request {
            code,
            seconds: time.as_secs_f64(),
            cpu_seconds: limits.cpu_time.as_secs_f64(),
            plain: way == Way::Plain,
            traces,
        };
        let mut request = serde_json::to_vec(&request).map_err(|problem| Failure::Worker(problem.to_string()))?;
        request.push(b'\n');
        let deadline = Instant::now() + time + GRACE;
        self.write(&request, deadline)?;
        let line = self.read(deadline)?;
        let answer: Answer = serde_json::from_str(&line).map_err(|_| Failure::Worker("the worker died".to_owned()))?;
        match answer.failure.as_deref() {
            Some("deadline" | "cpu") if answer.read => return Err(Failure::Libraries),
            Some("deadline") => return Err(Failure::Deadline),
            Some("cpu") => return Err(Failure::Cpu),
            Some("memory") => return Err(Failure::Memory),
            Some("killed") => return Err(Failure::Killed),
            // mypy may have said which errors it had found so far, but it has not judged the program.
            Some("internal") => return Err(Failure::Program(format!("internal error of mypy: {}", answer.message))),
            Some(other) => return Err(Failure::Program(format!("{other}, status {}", answer.status))),
            None => {}
        }
        // Not by the status: mypy takes every line for a note that has the word somewhere, as the text of a program may.
        let errors = parse_output(&answer.stdout);
        let clean = errors.is_empty() && answer.left_out == 0;
        if clean && answer.status != 0 {
            return Err(Failure::Program(format!("status {} without an error", answer.status)));
        }
        let (left_out, checker) = (answer.left_out, self.checker.clone());
        Ok(TypesVerdict { clean, errors, left_out, unchecked: Vec::new(), checker })
    }

    fn write(&mut self, mut request: &[u8], deadline: Instant) -> Result<(), Failure> {
        let Some(pipe) = &mut self.requests else { return Err(Failure::Worker("the worker is gone".to_owned())) };
        while !request.is_empty() {
            wait(pipe, PollFlags::POLLOUT, deadline)?;
            match pipe.write(request) {
                Ok(count) => request = &request[count..],
                Err(problem) if matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(problem) => return Err(Failure::Worker(format!("cannot reach the worker: {problem}"))),
            }
        }
        Ok(())
    }

    /// A line, or what there is of it where the worker ends.
    fn read(&mut self, deadline: Instant) -> Result<String, Failure> {
        let mut line = vec![];
        loop {
            wait(self.answers.get_ref(), PollFlags::POLLIN, deadline)?;
            let piece = self
                .answers
                .fill_buf()
                .map_err(|problem| Failure::Worker(format!("cannot read from the worker: {problem}")))?;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(piece.len(), |end| end + 1);
            line.extend_from_slice(&piece[..count]);
            self.answers.consume(count);
            if end.is_some() || count == 0 {
                return String::from_utf8(line)
                    .map_err(|_| Failure::Worker("the worker's answer is not UTF-8".to_owned()));
            }
        }
    }
}

/// Waits until a pipe can be read or written.
fn wait(pipe: &impl AsFd, event: PollFlags, deadline: Instant) -> Result<(), Failure> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pipe.as_fd(), event)], timeout) {
            Ok(0) if left.is_zero() => return Err(Failure::Worker("the worker hangs".to_owned())),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(problem) => return Err(Failure::Worker(format!("cannot wait for the worker: {problem}"))),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // End of input lets the worker clean up after itself; if it does not, it is killed.
        drop(self.requests.take());
        if let Ok(leader) = i32::try_from(self.process.id()).map(Pid::from_raw) {
            // Not waited for yet: its number, which is its group's too, stays its own.
            let ended = || waitid(Id::Pid(leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
            for _ in 0..50 {
                if !matches!(ended(), Ok(WaitStatus::StillAlive)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = killpg(leader, Signal::SIGKILL);
        }
        let _ = self.process.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
