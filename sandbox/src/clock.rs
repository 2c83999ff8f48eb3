//! What a process has used: CPU time, and time spent waiting for a CPU.

use std::time::Duration;

/// CPU time of a process, all its threads together.
pub(crate) fn cpu_time(pid: i32) -> Option<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is valid for writing.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// How long the process' first thread was runnable without running.
pub(crate) fn starved_time(pid: i32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// Whether the process has threads or children, or had children: then its own waiting may be its own doing.
pub(crate) fn has_company(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // Fields after the command, which may itself hold spaces and parentheses; see proc_pid_stat(5).
    let Some((_, fields)) = stat.rsplit_once(") ") else { return true };
    let number = |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let (children_user, children_system, threads) = (number(13), number(14), number(17));
    threads > 1 || children_user + children_system > 0 || !crate::zygote::children(pid).is_empty()
}
