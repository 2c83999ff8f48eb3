//! A worker's directories, and in tier B the box that its tests write to.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use real_sandbox_api::Tier;

use crate::job::MAX_FILES;

/// Directories of one worker.
#[derive(Debug)]
pub struct Scratch {
    home: PathBuf,
    /// The box, where it lies in our own file tree.
    open_box: Option<PathBuf>,
    uid: u32,
}

impl Scratch {
    /// Makes them below `base`.
    pub fn create(base: &Path, worker: usize, tier: Tier, uid: u32) -> io::Result<Self> {
        let home = base.join(format!("worker-{worker}"));
        fs::create_dir_all(home.join("root"))?;
        let open_box = matches!(tier, Tier::B | Tier::Unisolated).then(|| home.join("box"));
        if let Some(path) = &open_box {
            fs::create_dir_all(path)?;
            if nix::unistd::geteuid().is_root() {
                std::os::unix::fs::chown(path, Some(uid), Some(uid))?;
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { home, open_box, uid })
    }

    /// Where tests write, as they see it.
    pub fn box_dir(&self) -> PathBuf {
        self.open_box.clone().unwrap_or_else(|| PathBuf::from("/box"))
    }

    /// Where the new root is mounted.
    pub fn root_dir(&self) -> PathBuf {
        self.home.join("root")
    }

    /// Uid of the tests where the service runs as root.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Whether the box is in our tree, so that a test's leftovers are ours to remove.
    pub fn is_open(&self) -> bool {
        self.open_box.is_some()
    }

    /// Whether more than `bytes` or too many files lie in the box.
    pub fn usage_exceeds(&self, bytes: u64) -> bool {
        let Some(path) = &self.open_box else { return false };
        let (mut used, mut files) = (0_u64, 0_u64);
        let mut waiting = vec![path.clone()];
        while let Some(folder) = waiting.pop() {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let Ok(data) = entry.metadata() else { continue };
                used += data.blocks() * 512;
                files += 1;
                if used > bytes || files > MAX_FILES {
                    return true;
                }
                if data.is_dir() {
                    waiting.push(entry.path());
                }
            }
        }
        false
    }

    /// Empties the box. Flat: what lies deep is moved up first, so depth costs neither stack nor descriptors.
    pub fn clean(&self) -> io::Result<()> {
        let Some(path) = &self.open_box else { return Ok(()) };
        let trash = self.home.join("trash");
        fs::create_dir_all(&trash)?;
        let mut number = 0_u64;
        let mut waiting = vec![path.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder)?.flatten() {
                // The type of the entry itself: a link is removed, never followed.
                if !entry.file_type()?.is_dir() {
                    fs::remove_file(entry.path())?;
                    continue;
                }
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700))?;
                if fs::remove_dir(entry.path()).is_err() {
                    number += 1;
                    let moved = trash.join(number.to_string());
                    fs::rename(entry.path(), &moved)?;
                    waiting.push(moved);
                }
            }
            if folder != *path {
                fs::remove_dir(&folder)?;
            }
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.clean();
        let _ = fs::remove_dir_all(&self.home);
    }
}
