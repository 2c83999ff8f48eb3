//! A leader that is stopped as by SIGSTOP, or a machine that sleeps, past the end of its lease, and goes on.

use std::fs::{self, DirEntry, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use real_test_kube::Fault;
use tokio::time::{Instant, sleep};

use crate::life::OfAJob;
use crate::lives::{Life as _, play};
use crate::rig::{PATIENCE, Rig};

/// The program itself, through a proxy; killed when dropped, in whatever state it is.
struct Replica {
    process: Child,
    log: PathBuf,
}

impl Replica {
    fn start(rig: &Rig, name: &str, folder: &std::path::Path) -> Self {
        let (kubeconfig, log) = (folder.join(name), folder.join(format!("{name}.log")));
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: '{}'}}}}], \
             users: [{{name: u, user: {{}}}}], contexts: [{{name: c, context: {{cluster: c, user: u}}}}]}}",
            rig.proxy.url()
        );
        fs::write(&kubeconfig, text).expect("a file");
        let written = File::create(&log).expect("a file");
        let process = Command::new(env!("CARGO_BIN_EXE_real-operator"))
            .args(["run", "--listen", "127.0.0.1:0", "--identity", name])
            .args(["--namespace", &rig.namespace, "--watch-namespaces", &rig.namespace])
            .env("KUBECONFIG", kubeconfig)
            .stdout(written.try_clone().expect("a second handle"))
            .stderr(written)
            .spawn()
            .expect("the program starts");
        Self { process, log }
    }

    /// What it has said, and what its threads wait for.
    fn state(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten().flatten();
        let read = |thread: &DirEntry, file| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let told = threads.map(|thread| format!("{} {}\n", read(&thread, "stat"), read(&thread, "wchan")));
        format!("{log}\n{}", told.collect::<String>())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_leader_that_stood_still_past_its_lease_writes_nothing_more_when_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = Rig::new("stopped").await;
    let second = first.beside();
    // It stands still between two writes: the attempt's Job would be next.
    let at = Arc::new(AtomicBool::new(false));
    let reached = at.clone();
    first.proxy.rule(move |call| {
        if call.resource == "networkpolicies" && call.verb.is_write() && !reached.swap(true, Ordering::SeqCst) {
            return Fault::Delay(Duration::from_secs(1));
        }
        Fault::Pass
    });
    let mut leader = Replica::start(&first, "first", folder.path());
    OfAJob::begin(&first).await;
    let deadline = Instant::now() + PATIENCE;
    while !at.load(Ordering::SeqCst) {
        assert!(Instant::now() < deadline, "{:#?}", first.write_log());
        sleep(Duration::from_millis(20)).await;
    }
    leader.signal("-STOP");
    let _standby = Replica::start(&second, "second", folder.path());
    // The standby waits for the end of the lease, and plays it to the end.
    play::<OfAJob>(&second).await;
    let undisturbed = OfAJob::end(&second).await;

    let before = first.write_log().len();
    leader.signal("-CONT");
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = leader.process.try_wait().expect("it is ours") {
            break status;
        }
        assert!(Instant::now() < deadline, "it goes on as if it led:\n{}", leader.state());
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(status.code(), Some(1), "it ends, so that a new process starts afresh");
    let later: Vec<_> =
        first.write_log().split_off(before).into_iter().filter(|call| !call.contains("leases")).collect();
    assert!(later.is_empty(), "{later:#?}");
    assert_eq!(OfAJob::end(&second).await, undisturbed);
}
