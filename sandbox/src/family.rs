//! All processes of a test, as `/proc` shows them.
//!
//! Orphans of a test become children of its first process (PID namespace) or of the zygote (subreaper), so every
//! process of a test is found below one of the two.

use std::time::Duration;

use crate::clock;
use crate::zygote::{children, page_size};

/// Sums over a test's processes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Family {
    /// Processes alive.
    pub(crate) processes: usize,
    /// CPU time of those alive.
    pub(crate) cpu: Duration,
    /// Resident bytes of those alive.
    pub(crate) resident_bytes: u64,
}

/// A bomb is noticed long before this many.
const MAX_MEMBERS: usize = 4096;

/// Everything below the zygote, which runs one test at a time.
pub(crate) fn of_test(zygote: i32, first: i32) -> Family {
    let mut family = Family { cpu: clock::cpu_time(first).unwrap_or_default(), processes: 1, resident_bytes: 0 };
    let below_first = children(first);
    let mut waiting: Vec<i32> = children(zygote).into_iter().filter(|pid| *pid != first).collect();
    if waiting.is_empty() && below_first.is_empty() {
        return family;
    }
    family.resident_bytes = resident_bytes(first);
    waiting.extend(below_first);
    while let Some(pid) = waiting.pop() {
        family.processes += 1;
        family.cpu += clock::cpu_time(pid).unwrap_or_default();
        family.resident_bytes += resident_bytes(pid);
        if family.processes < MAX_MEMBERS {
            waiting.extend(children(pid));
        }
    }
    family
}

/// Kills everything below the zygote, until nothing is left that is not waited for. Says whether all are gone.
pub(crate) fn kill_below(zygote: i32) -> bool {
    let mut waiting = children(zygote);
    let none_left = waiting.is_empty();
    while let Some(pid) = waiting.pop() {
        waiting.extend(children(pid));
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    none_left
}

fn resident_bytes(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page_size()
}
