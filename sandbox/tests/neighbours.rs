//! Tests that run at the same time under one user take no processes from each other.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::os::unix::process::CommandExt;

use real_sandbox_api::{Status, TestResult};
use serde_json::{Value, json};

use server::Server;

/// As many as a test may have beside its first.
const PROCESSES: u32 = 24;
/// Makes processes or threads until it may not, says whether it got all that it may have, and keeps them for a while.
const GREEDY: &str = r#"
import os, threading, time

def processes():
    made = 0
    while True:
        try:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
        except BlockingIOError:
            return made
        made += 1

def threads():
    made = 0
    while True:
        try:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        except RuntimeError:
            return made
        made += 1

what, seconds, limit = input().split()
made = {"processes": processes, "threads": threads}[what]()
# On a busy machine the kernel may count one that is not there any more.
print("all" if int(limit) - 1 <= made <= int(limit) else made, flush=True)
time.sleep(float(seconds))
os._exit(0)
"#;
/// Starts and ends processes and threads, a few at a time.
const MODEST: &str = r#"
import subprocess, sys, threading

for _ in range(40):
    threads = [threading.Thread(target=lambda: None) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
for _ in range(3):
    subprocess.run([sys.executable, "-c", "pass"], check=True)
print("done")
"#;

/// A service of a tier.
struct Under {
    tier: &'static str,
    server: Server,
    /// Whether the kernel counts a test by itself, else a watch does.
    exact: bool,
}

fn services() -> impl Iterator<Item = Under> {
    let root = nix::unistd::geteuid().is_root();
    let usual = [("A", true), ("B", root)]
        .into_iter()
        .filter_map(|(tier, exact)| Some(Under { tier, server: Server::under(tier)?, exact }));
    let one_user = std::iter::once_with(Server::under_one_user).flatten();
    usual.chain(one_user.map(|server| Under { tier: "B, one user", server, exact: false }))
}

async fn run(server: &Server, program: &str, stdin: &str, stdout: &str) -> TestResult {
    let tests: Value = json!([{"kind": "stdin", "stdin": stdin, "stdout": stdout}]);
    let limits = json!({"processes": PROCESSES, "cpuSeconds": 20, "wallSeconds": 60, "memoryMib": 2048});
    server.results(program, json!({"tests": tests, "limits": limits})).await.remove(0)
}

/// Whoever makes as many as it may: the kernel says how many, or the watch ends it.
fn assert_held(under: &Under, result: &TestResult) {
    let wanted = if under.exact { Status::Passed } else { Status::RuntimeError };
    assert_eq!(result.status, wanted, "{}: {result:?}", under.tier);
    assert!(under.exact || result.detail == "more processes than allowed", "{}: {result:?}", under.tier);
}

#[tokio::test]
async fn a_limit_holds_for_processes_and_for_threads() {
    for under in services() {
        for what in ["processes", "threads"] {
            let result = run(&under.server, GREEDY, &format!("{what} 3 {PROCESSES}"), "all").await;
            assert_held(&under, &result);
        }
    }
}

#[tokio::test]
async fn whoever_takes_all_it_may_leaves_its_neighbours_theirs() {
    for under in services() {
        let server = &under.server;
        let taking = ["processes", "threads"].map(|what| format!("{what} 3 {PROCESSES}"));
        // More than a worker each: those that sleep give their places to others.
        let greedy = (0..6).map(|at| run(server, GREEDY, &taking[at % 2], "all"));
        let modest = (0..6).map(|_| run(server, MODEST, "", "done"));
        let (greedy, modest) = tokio::join!(futures::future::join_all(greedy), futures::future::join_all(modest));
        for result in &greedy {
            assert_held(&under, result);
        }
        for result in modest {
            assert_eq!(result.status, Status::Passed, "{}: {result:?}", under.tier);
        }
    }
}

#[tokio::test]
async fn what_else_runs_under_the_same_user_takes_nothing_from_a_test() {
    let Some(server) = Server::under_one_user() else { return };
    // As another pod's: more than any test may have.
    let script = "for i in $(seq 900); do sleep 600 & done; wait";
    let mut crowd = server.as_its_user().args(["sh", "-c", script]).process_group(0).spawn().expect("setpriv");
    let mut results = Vec::new();
    for _ in 0..3 {
        results.push(run(&server, MODEST, "", "done").await);
    }
    let group = nix::unistd::Pid::from_raw(crowd.id() as i32);
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).expect("it is there");
    crowd.wait().expect("it was there");
    assert!(results.iter().all(|result| result.status == Status::Passed), "{results:?}");
}

#[tokio::test]
async fn places_come_back_with_every_process_that_ends() {
    let program =
        "import os\nfor _ in range(500):\n    if os.fork() == 0:\n        os._exit(0)\n    os.wait()\nprint('done')";
    for under in services() {
        let result = run(&under.server, program, "", "done").await;
        assert_eq!(result.status, Status::Passed, "{}: {result:?}", under.tier);
    }
}

#[tokio::test]
async fn orphans_that_have_ended_are_none_too_many() {
    // Each leaves a child that its grandparent cannot wait for.
    let program = "import os, time\nfor _ in range(36):\n    if os.fork() == 0:\n        os.fork()\n        os._exit(0)\n    os.wait()\n\
                   time.sleep(0.5)\nprint('done')";
    let Some(server) = Server::under_one_user() else { return };
    let result = run(&server, program, "", "done").await;
    assert_eq!(result.status, Status::Passed, "{result:?}");
}
