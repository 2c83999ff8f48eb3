//! Workers that are killed or that hang: tried again, then an error of ours, never a verdict, and the pool goes on.
//!
//! Apart from the other tests of types because every child of this process is a worker that may be hit.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use real_detector::mypy::TypeChecker;
use real_detector_api::AnalysisErrorKind;

/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn workers() -> Vec<Pid> {
    let child = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?.parse::<i32>().ok()?);
        (parent == getpid().as_raw() && state != "Z").then_some(Pid::from_raw(pid))
    };
    fs::read_dir("/proc").expect("/proc").filter_map(|entry| child(entry.ok()?)).collect()
}

fn hit(signal: Signal) {
    let workers = workers();
    assert_eq!(workers.len(), 1);
    kill(workers[0], signal).expect("a worker of ours");
}

fn assert_judges(checker: &TypeChecker) {
    assert!(checker.check("x: int = 1\n").expect("a verdict").clean);
    assert!(!checker.check("x: int = ''\n").expect("a verdict").clean);
}

#[test]
fn a_killed_worker_is_replaced() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let checker = TypeChecker::new(1, Duration::from_mins(10));
    assert_judges(&checker);
    hit(Signal::SIGKILL);
    assert_judges(&checker);
}

#[test]
fn a_worker_that_dies_every_time_is_an_internal_error_and_never_a_verdict() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let checker = TypeChecker::new(1, Duration::from_mins(10));
    let stop = AtomicBool::new(false);
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for worker in workers() {
                    let _ = kill(worker, Signal::SIGKILL);
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let outcome = checker.check("x: int = ''\n");
        stop.store(true, Ordering::Relaxed);
        outcome.expect_err("every worker was killed")
    });
    assert_eq!(error.kind, AnalysisErrorKind::Internal, "{error:?}");
    assert_judges(&checker);
}

#[test]
fn a_worker_that_hangs_is_replaced_in_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Enough for a worker to start in, on a machine that does much else.
    let patience = Duration::from_secs(30);
    let checker = TypeChecker::new(1, patience);
    assert_judges(&checker);
    hit(Signal::SIGSTOP);
    let start = Instant::now();
    // More than a pipe holds, so that the request itself cannot be written.
    let code = "x: int = 1\n".to_owned() + &"# padding\n".repeat(20_000);
    assert!(checker.check(&code).expect("a verdict of the next worker").clean);
    assert!(start.elapsed() > patience, "{:?}", start.elapsed());
    assert_judges(&checker);
    drop(checker);
    assert_eq!(workers(), []);
}
