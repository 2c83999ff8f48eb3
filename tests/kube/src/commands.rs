//! kubectl and helm, as a user runs them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{ControlPlane, programs};

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether it ended with 0.
    pub success: bool,
}

impl Output {
    /// Runs a command to its end, with `stdin` as its standard input.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn of(mut command: Command, stdin: Option<&str>) -> Self {
        let mut child = command
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", command.get_program().display()));
        let pipe = child.stdin.take();
        let output = std::thread::scope(|scope| {
            // Written beside the reading, since both sides of a pipe may be full.
            scope.spawn(move || {
                if let (Some(mut pipe), Some(text)) = (pipe, stdin) {
                    // A command that fails early reads nothing; what it says tells why.
                    let _ = pipe.write_all(text.as_bytes());
                }
            });
            child.wait_with_output().expect("a child can be waited for")
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { stdout: text(&output.stdout), stderr: text(&output.stderr), success: output.status.success() }
    }

    /// Standard output of a command that must not fail.
    ///
    /// # Panics
    /// Where it did, with what it said.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.success, "the command failed: {}{}", self.stderr, self.stdout);
        self.stdout
    }
}

impl ControlPlane {
    /// Runs kubectl as the administrator, with `stdin` as its standard input.
    pub fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Output {
        self.run("kubectl", arguments, stdin)
    }

    /// Runs kubectl until it succeeds and what it says is as wanted, and gives that.
    ///
    /// For what comes a moment later. `kubectl wait` is no way to get it: it fails where there is no such object yet, and
    /// where the object has no conditions yet.
    ///
    /// # Panics
    /// Where it does not come, with what was said last.
    #[track_caller]
    pub fn kubectl_until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = self.kubectl(arguments, None);
            if said.success && wanted(&said.stdout) {
                return said.stdout;
            }
            assert!(Instant::now() < end, "kubectl {arguments:?}: {}{}", said.stderr, said.stdout);
            sleep(Duration::from_millis(100));
        }
    }

    /// Runs helm as the administrator.
    pub fn helm(&self, arguments: &[&str]) -> Output {
        self.run("helm", arguments, None)
    }

    fn run(&self, name: &str, arguments: &[&str], stdin: Option<&str>) -> Output {
        let program =
            programs::folder().expect("the programs were found when the control plane was started").join(name);
        let mut command = Command::new(&program);
        command
            .args(arguments)
            // Caches and repositories belong to this control plane, not to the user.
            .env("HOME", self.folder())
            .env("KUBECONFIG", self.kubeconfig())
            // A server that gets no share of a busy machine for a while is not gone.
            .env("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "300")
            .env("HTTP2_PING_TIMEOUT_SECONDS", "300")
            .env_remove("KUBECACHEDIR")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
        Output::of(command, stdin)
    }
}
