//! How many processes and threads this service's user runs on the whole machine.
//!
//! `RLIMIT_NPROC` counts those of other containers too, which `/proc` does not show. On a node of a cluster many pods have the same user:
//! a limit that leaves them out would have a test's forks fail, now and then. What the kernel counts is told by the limit itself: from
//! that number on it refuses a thread.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How old a count may be: it takes a process of its own.
const AGE: Duration = Duration::from_secs(1);
/// More than a machine runs.
const MOST: u64 = 1 << 22;

/// The count, made again when it is old.
#[derive(Debug, Default)]
pub(crate) struct UserTasks {
    last: Mutex<Option<(Instant, u64)>>,
}

impl UserTasks {
    /// As it is now, or was a second ago.
    pub(crate) fn count(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match *last {
            Some((at, count)) if at.elapsed() < AGE => count,
            _ => {
                let count = ask().unwrap_or_else(visible);
                *last = Some((Instant::now(), count));
                count
            }
        }
    }
}

/// Asks a process that may set its own limit.
fn ask() -> Option<u64> {
    let asked = Command::new("/proc/self/exe")
        .arg0("real-sandbox")
        .arg("count-tasks")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    String::from_utf8(asked.stdout).ok()?.trim().parse().ok()
}

/// What the kernel counts for this process' user, itself left out; nothing where it counts nobody (root). Changes the process' limit: call
/// it in one that does nothing else.
///
/// # Errors
/// Where the limit cannot be read or set.
pub fn count_tasks() -> nix::Result<Option<u64>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NPROC)?;
    let allows = |limit: u64| {
        setrlimit(Resource::RLIMIT_NPROC, limit, hard)?;
        let thread = std::thread::Builder::new().stack_size(1 << 16).spawn(|| {});
        Ok::<bool, nix::Error>(thread.map(std::thread::JoinHandle::join).is_ok())
    };
    let most = hard.min(MOST);
    if allows(1)? {
        return Ok(None);
    }
    // The least limit that allows one more.
    let mut refused = 1;
    let mut allowed = 64.min(most);
    while allowed < most && !allows(allowed)? {
        (refused, allowed) = (allowed, (allowed * 2).min(most));
    }
    while refused + 1 < allowed {
        let middle = u64::midpoint(refused, allowed);
        if allows(middle)? {
            allowed = middle;
        } else {
            refused = middle;
        }
    }
    // The limit is reached by this process, those that are counted, and the thread.
    Ok(Some(allowed - 2))
}

/// Processes and threads of our user in our own PID namespace.
fn visible() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = nix::unistd::geteuid().as_raw();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 1024 };
    let ours = entries.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
            && entry.metadata().is_ok_and(|data| data.uid() == own)
    });
    ours.map(|entry| std::fs::read_dir(entry.path().join("task")).map_or(1, |tasks| tasks.count() as u64)).sum()
}
