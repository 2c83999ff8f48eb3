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

/// What the scheduler says of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scheduled {
    /// On a CPU.
    pub(crate) ran: Duration,
    /// Runnable without running. Waits that are over.
    pub(crate) starved: Duration,
}

/// How each thread of a process has been scheduled, by thread.
pub(crate) fn scheduled(pid: i32) -> Vec<(i32, Scheduled)> {
    let of = |thread: i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).ok()?;
        let mut times = text.split_whitespace().map_while(|word| word.parse().ok().map(Duration::from_nanos));
        Some((thread, Scheduled { ran: times.next()?, starved: times.next()? }))
    };
    threads(pid).into_iter().filter_map(of).collect()
}

/// Threads of a process that run or wait for a CPU now.
pub(crate) fn runnable(pid: i32) -> Vec<i32> {
    let is = |thread: &i32| state(&format!("{pid}/task/{thread}")) == Some('R');
    threads(pid).into_iter().filter(is).collect()
}

/// Whether a process has ended, waited for or not.
pub(crate) fn has_ended(pid: i32) -> bool {
    state(&pid.to_string()).is_none_or(|state| "ZX".contains(state))
}

/// How a process or a thread stands, see `proc_pid_stat(5)`.
fn state(of: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn threads(pid: i32) -> Vec<i32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// Fields of `/proc/PID/stat` after the command, which may itself hold spaces and parentheses; see `proc_pid_stat(5)`.
fn numbers(pid: i32) -> Option<Vec<u64>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(|text| text.parse().unwrap_or(0)).collect())
}

/// CPU time of the children that a process has waited for, in ticks of 10 ms.
pub(crate) fn waited_time(pid: i32) -> Option<Duration> {
    let fields = numbers(pid)?;
    let ticks = fields.get(13)? + fields.get(14)?;
    let each = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1) as u64;
    Some(Duration::from_micros(ticks.saturating_mul(1_000_000 / each)))
}
