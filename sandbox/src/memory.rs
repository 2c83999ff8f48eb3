//! Whether the kernel ended a test because the machine, or our container, was out of memory.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::supervise::Kill;

/// Kills by the kernel that some test has been told of already, in the whole process.
static CLAIMED: Mutex<Option<u64>> = Mutex::new(None);

/// What this process and its tests may use together.
#[derive(Debug)]
pub(crate) struct Memory {
    /// `memory.events` (version 2) or `memory.oom_control` (version 1) of our own group.
    events: Option<PathBuf>,
    /// Bytes of one worker's part.
    share: u64,
}

impl Memory {
    /// Looks for our own group and its limit.
    pub(crate) fn of_this_process(workers: usize) -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own =
            |prefix: &str| groups.lines().find_map(|line| line.split_once(prefix)).map(|(_, path)| path.to_owned());
        let mut places = Vec::new();
        if let Some(path) = own(":memory:") {
            places.push((format!("/sys/fs/cgroup/memory{path}"), "memory.oom_control", "memory.limit_in_bytes"));
        }
        if let Some(path) = own("0::") {
            places.push((format!("/sys/fs/cgroup{path}"), "memory.events", "memory.max"));
        }
        // In a container the path of the host may not exist.
        places.push(("/sys/fs/cgroup".into(), "memory.events", "memory.max"));
        places.push(("/sys/fs/cgroup/memory".into(), "memory.oom_control", "memory.limit_in_bytes"));
        let found = places.into_iter().find(|(folder, events, _)| PathBuf::from(folder).join(events).exists());
        let limit = found.as_ref().and_then(|(folder, _, limit)| {
            fs::read_to_string(PathBuf::from(folder).join(limit)).ok()?.trim().parse::<u64>().ok()
        });
        let total = total_bytes().min(limit.unwrap_or(u64::MAX));
        let memory = Self {
            events: found.map(|(folder, events, _)| PathBuf::from(folder).join(events)),
            share: total / workers.max(1) as u64,
        };
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.is_none() {
            *claimed = Some(memory.kills());
        }
        memory
    }

    /// For a test that died of SIGKILL which we did not send: the memory limit, our failure, or nothing of the kernel's
    /// doing. A test that held more than its part cannot blame the machine.
    pub(crate) fn killed(&self, held_bytes: u64, limit_bytes: u64) -> Option<Kill> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let before = claimed.unwrap_or_default();
        if self.kills() <= before {
            return None;
        }
        *claimed = Some(before + 1);
        Some(blame(held_bytes, limit_bytes, self.share))
    }

    fn kills(&self) -> u64 {
        let text = self.events.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

fn blame(held: u64, limit: u64, share: u64) -> Kill {
    if held >= limit.min(share) { Kill::Memory } else { Kill::Machine }
}

fn total_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_more_than_its_part_cannot_blame_the_machine() {
        assert_eq!(blame(600, 1000, 500), Kill::Memory);
        assert_eq!(blame(600, 500, 1000), Kill::Memory);
        assert_eq!(blame(100, 1000, 500), Kill::Machine);
    }
}
