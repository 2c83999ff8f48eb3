//! A control group of version 2 for each worker, where this machine lets us make one.
//!
//! No controller is needed: every group counts the CPU time of all that ever ran in it, also of children that nobody waited
//! for; lists its processes, which cannot leave it; and has one switch that kills them all. Where there is none, `account`
//! and `pool` do the same by looking, in bounded time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

const PREFIX: &str = "real-sandbox-";

/// One worker's group; ended and removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    /// Held for as long as the service lives: a group whose lock is free belongs to one that was killed.
    _lock: Flock<File>,
}

impl Group {
    /// Makes one below the group that this process is in; nothing where that is not allowed.
    pub(crate) fn create() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = own_group()?;
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        fs::create_dir(&path).ok()?;
        let lock = File::open(&path).ok().and_then(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).ok());
        let usable = path.join("cgroup.kill").exists() && path.join("cpu.stat").exists();
        match lock {
            Some(lock) if usable => Some(Self { path, _lock: lock }),
            _ => {
                let _ = fs::remove_dir(&path);
                None
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// CPU time of everything that ran in it since it was made.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.path.join("cpu.stat")).ok()?;
        let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        micros.trim().parse().ok().map(Duration::from_micros)
    }

    /// Its processes, in our PID namespace.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()
    }

    /// SIGKILL to all of them at once: a fork that is under way dies too.
    pub(crate) fn kill(&self) {
        kill(&self.path);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        remove(&self.path);
    }
}

/// Moves the calling process, and so all that it will start, into the group at `path`.
pub(crate) fn join(path: &Path) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), "0")
}

/// Ends and removes the groups of services that were killed before they could.
pub fn clear_abandoned() {
    let Some(entries) = own_group().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            kill(&path);
            remove(&path);
        }
    }
}

fn kill(path: &Path) {
    let _ = fs::write(path.join("cgroup.kill"), "1");
}

/// A group can be removed once the kernel is done with its last process.
fn remove(path: &Path) {
    for _ in 0..100 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => std::thread::sleep(Duration::from_millis(2)),
            _ => return,
        }
    }
}

/// Directory of this process' own group in the hierarchy of version 2.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    place(&table, &path)
}

/// Where a group is in the file tree: below the first mount of a version 2 hierarchy that shows it.
fn place(mounts: &str, group: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = fields.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        Some(Path::new(mount_point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_below_whatever_the_mount_shows() {
        let hybrid = "30 25 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
        assert_eq!(place(hybrid, "/user/a"), Some(PathBuf::from("/sys/fs/cgroup/unified/user/a")));
        let container = "31 25 0:27 /pod/x /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 ro";
        assert_eq!(place(container, "/pod/x/own"), Some(PathBuf::from("/sys/fs/cgroup/own")));
        assert_eq!(place(container, "/other"), None);
        assert_eq!(place("", "/"), None);
    }
}
