//! The control groups under which all pods of a cluster are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::folder::Folder;

/// The group's name below the root of each hierarchy: after the folder, since there may be two clusters.
pub(super) fn name(folder: &Folder) -> String {
    format!("real-cluster{}", folder.path().display().to_string().replace('/', "-"))
}

const MOUNTS: &str = "/sys/fs/cgroup";

/// The hierarchies: one of version 2, or one for each controller of version 1.
pub(super) fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind) = (fields.next()?, fields.next()?);
            (matches!(kind, "cgroup" | "cgroup2") && Path::new(place).starts_with(MOUNTS)).then(|| PathBuf::from(place))
        })
        .collect()
}

/// Makes the group in each hierarchy.
pub(super) fn create(name: &str) -> Result<()> {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        fs::create_dir_all(&group).with_context(|| format!("control group {} cannot be made", group.display()))?;
    }
    Ok(())
}

/// Removes the group with all groups in it. Their processes have ended, but the kernel may still be at it.
pub(super) fn remove(name: &str) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        while group.exists() {
            remove_tree(&group);
            ensure!(
                Instant::now() < end,
                "control group {} cannot be removed: does something run in it?",
                group.display()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// A group's files go with it, and only an empty group can go.
fn remove_tree(group: &Path) {
    let inside = fs::read_dir(group).into_iter().flatten().flatten();
    inside
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .for_each(|entry| remove_tree(&entry.path()));
    // Tried again by the caller.
    let _ = fs::remove_dir(group);
}
