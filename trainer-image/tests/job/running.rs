//! A job that runs beside its test, is looked at and asked to stop.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_crds::progress::{LastWords, Progress};

use crate::job::{Job, stderr};

/// How often a test looks.
const LOOK: Duration = Duration::from_millis(10);

/// A job that runs; it ends with the test.
pub(crate) struct Running {
    /// None once it was waited for.
    child: Option<Child>,
    address: String,
    words: tempfile::NamedTempFile,
}

impl Running {
    /// Starts a job.
    pub(crate) fn start(job: &Job) -> Self {
        Self::start_with(job, &[], &[])
    }

    /// Starts a job with more arguments and variables.
    pub(crate) fn start_with(job: &Job, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let words = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut command = job.command(&["--listen", "127.0.0.1:0"]);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("REAL_TERMINATION_LOG", words.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
        let address = first.trim().strip_prefix("listening on http://").expect("the address").to_owned();
        Self { child: Some(child), address, words }
    }

    /// What it says of itself.
    pub(crate) fn progress(&self) -> Progress {
        let address = &self.address;
        let mut stream = TcpStream::connect(address).expect("the server listens");
        write!(stream, "GET /v1/progress HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("progress of the API's type")
    }

    /// Waits until its progress is as asked for.
    pub(crate) fn until(&self, is_so: impl Fn(&Progress) -> bool) -> Progress {
        loop {
            let progress = self.progress();
            if is_so(&progress) {
                return progress;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until it has opened a file.
    pub(crate) fn until_it_reads(&self, path: &Path) {
        let open = format!("/proc/{}/fd", self.pid());
        let is_there = |entry: std::io::Result<fs::DirEntry>| {
            entry.and_then(|entry| fs::read_link(entry.path())).is_ok_and(|target| target == path)
        };
        while !fs::read_dir(&open).expect("the process is there").any(is_there) {
            self.progress();
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to stop and waits for its end: exit code, last words, and what it said on standard error.
    pub(crate) fn stop(mut self) -> (Option<i32>, LastWords, String) {
        kill(self.pid(), Signal::SIGTERM).expect("the process is there");
        let output = self.child.take().expect("it runs").wait_with_output().expect("it ends");
        let words = serde_json::from_slice(&fs::read(self.words.path()).expect("last words"));
        (output.status.code(), words.expect("last words of the API's type"), stderr(&output))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.as_ref().expect("it runs").id()).expect("a process id"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
