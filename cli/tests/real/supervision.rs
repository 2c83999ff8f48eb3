//! Services are kept going while they are wanted, and never outlive `real`.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::job::program;

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(5);

/// A `real serve` and the addresses it printed.
struct Serving {
    real: Child,
    addresses: Vec<String>,
    logs: tempfile::TempDir,
}

impl Serving {
    fn start() -> Self {
        for name in ["real-detector", "real-sandbox"] {
            program(name);
        }
        let logs = tempfile::tempdir().expect("a temporary folder");
        let mut real = Command::new(env!("CARGO_BIN_EXE_real"))
            .args(["serve", "--log-dir"])
            .arg(logs.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("real starts");
        let stdout = BufReader::new(real.stdout.take().expect("captured"));
        let lines = stdout.lines().take(2).map(|line| line.expect("text"));
        let addresses = lines.map(|line| line.split_once(" http://").expect("a URL").1.to_owned()).collect();
        Self { real, addresses, logs }
    }

    /// Process id of the service that listens on an address, as `/proc` knows it by its command line.
    fn service(&self, name: &str) -> Option<i32> {
        let parent = format!("PPid:\t{}\n", self.real.id());
        let pids = fs::read_dir("/proc").expect("procfs").flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.find(|pid: &i32| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").split('\0').next().is_some_and(|p| p.ends_with(name))
        })
    }

    /// Process ids of both.
    fn services(&self) -> [i32; 2] {
        ["real-detector", "real-sandbox"].map(|name| self.service(name).expect("it runs"))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.real.id() as i32), signal).expect("it runs");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The test has ended; what it checked does not depend on this.
        let _ = self.real.kill();
        let _ = self.real.wait();
        if thread::panicking() {
            for entry in fs::read_dir(self.logs.path()).into_iter().flatten().flatten() {
                eprintln!("{}:\n{}", entry.path().display(), fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }
}

fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}

fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Whether a process runs; one that ended and was not waited for by whoever inherited it does not.
fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn a_crashed_service_comes_back_on_its_port() {
    let serving = Serving::start();
    let [_, sandbox] = serving.addresses.as_slice() else { panic!("two addresses: {:?}", serving.addresses) };
    let first = serving.service("real-sandbox").expect("it runs");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it runs");
    assert!(comes_true(|| { serving.service("real-sandbox").is_some_and(|pid| pid != first) && answers(sandbox) }));
}

#[test]
fn services_end_with_real_even_when_it_is_killed() {
    let mut serving = Serving::start();
    let pids = serving.services();
    serving.real.kill().expect("it runs");
    serving.real.wait().expect("it ran");
    assert!(comes_true(|| pids.iter().all(|&pid| !alive(pid))));
}

#[test]
fn a_request_to_stop_stops_the_services_and_is_no_failure() {
    let mut serving = Serving::start();
    let pids = serving.services();
    serving.signal(Signal::SIGTERM);
    assert!(serving.real.wait().expect("it ran").success());
    assert!(pids.iter().all(|&pid| !alive(pid)));
}
