//! A real service, started as its own process, for tests.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use real_sandbox_api::{BatchRequest, BatchResponse, TestResult};
use serde_json::Value;
use tempfile::TempDir;

/// What has not happened by then does not happen, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(15);

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_real-sandbox");

/// An interpreter that every user may run.
pub(crate) const PUBLIC_PYTHON: &str = "/usr/bin/python3";

/// A running `real-sandbox serve`; killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) address: String,
    client: reqwest::Client,
    /// What [`Self::under_one_user`] made.
    alone: Option<Alone>,
}

struct Alone {
    user: u32,
    /// With its program, which is not to lie where only root may walk.
    _folder: TempDir,
}

impl Server {
    /// Starts one, or says why this machine cannot.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self, String> {
        Self::start_by(Command::new(PROGRAM), arguments)
    }

    /// Starts it by a command that ends in the program.
    pub(crate) fn start_by(mut command: Command, arguments: &[&str]) -> Result<Self, String> {
        let mut process = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().ok_or("no stdout")?);
        stdout.read_line(&mut line).map_err(|error| error.to_string())?;
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            let output = process.wait_with_output().map_err(|error| error.to_string())?;
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        };
        // Logs must not fill the pipe.
        if let Some(stderr) = process.stderr.take() {
            std::thread::spawn(move || {
                BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| eprintln!("{line}"));
            });
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|e| e.to_string())?;
        Ok(Self { address: address.to_owned(), process, client, alone: None })
    }

    /// Starts one under a tier; a tier that the machine does not allow is said and skipped.
    pub(crate) fn under(tier: &str) -> Option<Self> {
        match Self::start(&["--tier", tier, "--workers", "2"]) {
            Ok(server) => Some(server),
            Err(why) if why.contains("no isolation works here") => {
                eprintln!("skipped: tier {tier} is not available here: {why}");
                None
            }
            Err(why) => panic!("the service does not start under tier {tier}: {why}"),
        }
    }

    /// Starts one of tier B whose user is not root and runs more than its tests, as in most pods; where this is no root, tests under a tier
    /// are like that.
    pub(crate) fn under_one_user() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() || !Path::new(PUBLIC_PYTHON).exists() {
            eprintln!("skipped: it takes root to choose a user, and an interpreter for everybody at {PUBLIC_PYTHON}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let program = folder.path().join("real-sandbox");
        std::fs::copy(PROGRAM, &program).expect("a copy");
        // Nobody else's.
        let user = 1_500_000_000 + std::process::id() * 64 + NEXT.fetch_add(1, Ordering::Relaxed);
        let mut command = as_user(user);
        command.arg(&program).env("REAL_PYTHON", PUBLIC_PYTHON);
        match Self::start_by(command, &["--tier", "B", "--workers", "2"]) {
            Ok(mut server) => {
                server.alone = Some(Alone { user, _folder: folder });
                Some(server)
            }
            Err(why) if why.contains("no isolation works here") => {
                eprintln!("skipped: tier B is not available here: {why}");
                None
            }
            Err(why) => panic!("the service does not start without root: {why}"),
        }
    }

    /// A command of the user that [`Self::under_one_user`] has chosen.
    pub(crate) fn as_its_user(&self) -> Command {
        as_user(self.alone.as_ref().expect("a user of its own").user)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client.post(format!("{}{path}", self.address)).json(body).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON"))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    /// Waits until `/v1/status` is as wanted: a request that was sent has not arrived yet.
    pub(crate) async fn until_status(&self, wanted: impl Fn(&Value) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let status = serde_json::from_str(&self.get("/v1/status").await.1).expect("JSON");
            if wanted(&status) {
                return;
            }
            assert!(Instant::now() < end, "{status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn batch(&self, request: &BatchRequest) -> BatchResponse {
        let body = serde_json::to_value(request).expect("a request is JSON");
        let (status, answer) = self.post("/v1/batch", &body).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_value(answer).expect("a batch response")
    }

    /// Runs a batch given as JSON without the program.
    pub(crate) async fn results(&self, program: &str, mut rest: Value) -> Vec<TestResult> {
        rest["program"] = program.into();
        self.batch(&serde_json::from_value(rest).expect("a batch request")).await.results
    }
}

/// A command that goes on as a user.
fn as_user(user: u32) -> Command {
    let user = user.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
