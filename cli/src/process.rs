//! Child processes that cannot outlive us.
//!
//! Each child is its own process group, so that a Ctrl-C typed at the terminal reaches only `real`, which then stops
//! the children in order. Should `real` itself be killed, the kernel sends the children SIGTERM: a child is started as
//! `real launch --parent PID -- PROGRAM …`, which asks for that signal (it survives `exec`) and becomes PROGRAM.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getppid};
use tokio::process::{Child, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What [`launch`] is asked to become.
#[derive(Debug, clap::Args)]
pub struct LaunchArgs {
    /// Process id of the `real` that starts the program.
    #[arg(long)]
    parent: i32,
    /// Program and arguments.
    #[arg(last = true, required = true)]
    command: Vec<std::ffi::OsString>,
}

/// Asks for SIGTERM on the parent's death and becomes the program; returns only on failure.
pub fn launch(args: &LaunchArgs) -> anyhow::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return anyhow::Error::new(error).context("cannot ask for a signal on the parent's death");
    }
    // The parent may have died before the request was made.
    if getppid() != Pid::from_raw(args.parent) {
        return anyhow::anyhow!("the process that started this one (pid {}) is gone", args.parent);
    }
    become_program(Path::new(&args.command[0]), &args.command[1..])
}

/// Replaces this process by a program; returns only on failure.
pub fn become_program(program: &Path, args: &[std::ffi::OsString]) -> anyhow::Error {
    let error = StdCommand::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot start {}", program.display()))
}

/// How to start a child.
#[derive(Debug)]
pub struct Spec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables besides our own.
    pub env: Vec<(&'static str, String)>,
    /// File that gets standard error, and standard output too unless that is captured.
    pub log: PathBuf,
    /// Whether standard output comes back through a pipe.
    pub capture_stdout: bool,
}

type Request = (StdCommand, oneshot::Sender<io::Result<Child>>);

/// Starts children from one thread that lives as long as the last clone of this handle.
///
/// "The parent's death" in `prctl(2)` is the death of the *thread* that forked, and threads of the runtime come and go.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: std::sync::mpsc::Sender<Request>,
}

impl Spawner {
    /// Starts the thread. Must be called within a Tokio runtime.
    pub fn new() -> io::Result<Self> {
        let (requests, inbox) = std::sync::mpsc::channel::<Request>();
        let runtime = Handle::current();
        std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
            let _runtime = runtime.enter();
            for (command, reply) in inbox {
                let child = Command::from(command).spawn();
                // The receiver is gone only when the caller gave up waiting; dropping the child reaps it later.
                let _ = reply.send(child);
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a child.
    pub async fn spawn(&self, spec: &Spec) -> io::Result<Running> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&spec.log)?;
        let mut command = StdCommand::new(std::env::current_exe()?);
        command
            .args(["launch", "--parent", &std::process::id().to_string(), "--"])
            .arg(&spec.program)
            .args(&spec.args)
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            // Logs are files, and their last lines are shown in messages.
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(if spec.capture_stdout { Stdio::piped() } else { log.try_clone()?.into() })
            .stderr(log)
            .process_group(0);
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.requests.send((command, reply)).map_err(|_| gone())?;
        let child = answer.await.map_err(|_| gone())??;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw).ok_or_else(gone)?;
        Ok(Running { child, pid })
    }
}

/// A child and the process group it leads. Dropping it kills the group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pid: Pid,
}

impl Running {
    /// Process id, also that of the group.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// The captured standard output; `None` the second time or where it was not captured.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for the child to end, then kills what is left of its group. Cancel-safe.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.kill_group();
        Ok(status)
    }

    /// Asks the child to stop.
    pub fn terminate(&self) {
        // ESRCH: it has ended by itself, which is what was asked for.
        let _ = kill(self.pid, Signal::SIGTERM);
    }

    /// Ends the whole group at once.
    pub fn kill_group(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
    }

    /// Asks the child to stop, kills the group after `grace`, and returns how it ended.
    pub async fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.terminate();
        if let Ok(status) = timeout(grace, self.wait()).await {
            return status;
        }
        self.kill_group();
        self.wait().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a child that was not yet waited for still owns its process id.
        if self.child.id().is_some() {
            self.kill_group();
        }
    }
}

/// How a process ended, in words: `exit code 1`, `signal SIGKILL`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().map(Signal::try_from)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(Ok(signal))) => format!("signal {signal}"),
        (None, _) => format!("{status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_described_in_words() {
        assert_eq!(describe(ExitStatus::from_raw(0x100)), "exit code 1");
        assert_eq!(describe(ExitStatus::from_raw(9)), "signal SIGKILL");
    }
}
