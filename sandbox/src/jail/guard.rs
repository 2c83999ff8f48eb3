//! The process outside the jail that ends it.
//!
//! Defends against: tests that outlive a service which was killed. Forked off before the walls are put up; the kernel tells it when
//! the worker's thread is gone, and it adopts whatever a zygote leaves behind, because it is the subreaper above it.
//! Nothing inside the jail can signal it.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};

use super::{JailError, Step};
use crate::zygote::children;

/// Rounds of killing, a pause apart, before the rest is left to whoever stopped us.
const ROUNDS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);

/// Forks. Returns in the child, which is to be walled in; the calling process stays outside as its guard and never
/// returns. `service` is who started us.
pub(super) fn stay_outside(service: Pid) -> Result<(), JailError> {
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGTERM);
    watched.add(Signal::SIGCHLD);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched), Some(&mut before)).step("sigprocmask")?;
    set_child_subreaper(true).step("PR_SET_CHILD_SUBREAPER")?;
    // SAFETY: this process has a single thread.
    match unsafe { fork() }.step("fork")? {
        ForkResult::Parent { child } => guard(child, &watched, service),
        ForkResult::Child => {
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None).step("sigprocmask")?;
            set_pdeathsig(Signal::SIGKILL).step("PR_SET_PDEATHSIG")
        }
    }
}

fn guard(zygote: Pid, watched: &SigSet, service: Pid) -> ! {
    // The control socket is the zygote's alone, so that the parent sees it close.
    // SAFETY: descriptor 0 is the control socket; nothing in this process uses it from here on.
    unsafe { libc::close(0) };
    let told = set_pdeathsig(Signal::SIGTERM).is_ok() && getppid() == service;
    let code = if told { until_end(zygote, watched) } else { 1 };
    let _ = kill(zygote, Signal::SIGKILL);
    end_all_below();
    std::process::exit(code)
}

/// Waits until the zygote or the service has ended; returns the exit status.
fn until_end(zygote: Pid, watched: &SigSet) -> i32 {
    while let Ok(Signal::SIGCHLD) = watched.wait() {
        match waitpid(zygote, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(WaitStatus::Exited(_, own)) => return own,
            _ => break,
        }
    }
    1
}

/// Kills and reaps until nothing is left.
fn end_all_below() {
    for _ in 0..ROUNDS {
        let mut waiting = children(std::process::id() as i32);
        while let Some(pid) = waiting.pop() {
            waiting.extend(children(pid));
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Err(Errno::ECHILD) => return,
                _ => {}
            }
        }
        std::thread::sleep(PAUSE);
    }
}
