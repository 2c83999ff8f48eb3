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

/// How long each thread of a process was runnable without running, by thread.
pub(crate) fn starved_times(pid: i32) -> Vec<(i32, Duration)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let starved = text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)?;
        Some((task.file_name().to_str()?.parse().ok()?, starved))
    };
    tasks.flatten().filter_map(of).collect()
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
