//! A worker's directories, and in tier B the box that its tests write to.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};
use real_sandbox_api::{Limits, Tier};

use crate::jail::site_customization;
use crate::job::{MAX_FILES, nonce};
use crate::usage::Room;

/// What a service's directory is called, before what is random.
pub const PREFIX: &str = "real-sandbox-";

/// What interpreters read at their start.
const SITE: &str = "sitecustomize.py";

/// Where boxes are made unless somebody says otherwise: in memory, which saves a disk the files that each test makes and a
/// service removes, where there is room for several times what all tests at once may write.
pub fn default_base(workers: usize) -> PathBuf {
    const MEMORY: &str = "/dev/shm";
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    let room = (workers as u64).saturating_mul((4 * Limits::default().disk_mib) << 20);
    let enough = || -> nix::Result<bool> {
        let kind = nix::sys::statfs::statfs(MEMORY)?;
        let space = statvfs(MEMORY)?;
        nix::unistd::access(MEMORY, nix::unistd::AccessFlags::W_OK)?;
        Ok(kind.filesystem_type().0 as i64 == TMPFS_MAGIC
            && !space.flags().contains(FsFlags::ST_NOEXEC)
            && space.blocks_available() as u64 * space.fragment_size() as u64 >= room)
    };
    if enough().unwrap_or(false) { MEMORY.into() } else { std::env::temp_dir() }
}

/// A service's directory, removed at its end.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    /// A directory whose lock is free belongs to a service that was killed.
    _lock: Flock<fs::File>,
}

impl Home {
    /// Makes one below `base`, and removes those that killed services have left there.
    pub fn create(base: &Path) -> io::Result<Self> {
        clear_abandoned(base);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        let lock = Flock::lock(fs::File::open(folder.path())?, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, error)| io::Error::from(error))?;
        // Tests walk through it to their box.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn clear_abandoned(base: &Path) {
    let own = nix::unistd::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        // Made just now by somebody who has not come to locking it.
        let fresh =
            |data: &fs::Metadata| data.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age.as_secs() < 60));
        let ours = entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == own && !fresh(&data));
        let Some(file) = ours.then(|| fs::File::open(entry.path()).ok()).flatten() else { continue };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            let path = entry.path();
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "removing what a killed service has left");
            }
        }
    }
}

/// Directories of one worker.
#[derive(Debug)]
pub struct Scratch {
    home: PathBuf,
    /// The box, where it lies in our own file tree.
    open_box: Option<PathBuf>,
    /// What interpreters read at their start, where there is no root of the test's own.
    support: Option<PathBuf>,
    uid: u32,
}

impl Scratch {
    /// Makes them below `base`.
    pub fn create(base: &Path, worker: usize, tier: Tier, uid: u32) -> io::Result<Self> {
        // Landlock lets everybody look at any file whose path is known: a test must not guess where others are.
        let home = base.join(format!("worker-{worker}-{}", &nonce()[..16]));
        fs::create_dir_all(home.join("root"))?;
        let open_box = matches!(tier, Tier::B | Tier::Unisolated).then(|| home.join("box"));
        if let Some(path) = &open_box {
            fs::create_dir_all(path)?;
            if nix::unistd::geteuid().is_root() {
                std::os::unix::fs::chown(path, Some(uid), Some(uid))?;
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        let support = match (&open_box, tier) {
            (Some(path), Tier::B) => {
                let folder = home.join("python");
                fs::create_dir(&folder)?;
                fs::write(folder.join(SITE), site_customization(&path.to_string_lossy()))?;
                Some(folder)
            }
            _ => None,
        };
        Ok(Self { home, open_box, support, uid })
    }

    /// Where tests write, as they see it.
    pub fn box_dir(&self) -> PathBuf {
        self.open_box.clone().unwrap_or_else(|| PathBuf::from("/box"))
    }

    /// What interpreters read at their start.
    pub fn support_dir(&self) -> Option<PathBuf> {
        self.support.clone()
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

    /// Whether more than `bytes` or too many files lie in the box, those included that have lost their names and that one of these
    /// processes holds open.
    pub fn usage_exceeds(&self, bytes: u64, pids: &[i32]) -> bool {
        self.open_box.as_ref().is_some_and(|path| !Room::new(bytes, MAX_FILES).holds(path, pids))
    }

    /// Modes of what outlives a test and belongs to its user: it may have been closed for whoever comes next.
    fn restore_modes(&self) -> io::Result<()> {
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        if let Some(path) = &self.open_box {
            set(path, 0o700)?;
        }
        if let Some(folder) = &self.support {
            set(folder, 0o755)?;
            set(&folder.join(SITE), 0o644)?;
        }
        Ok(())
    }

    /// Empties the box. Flat: what lies deep is moved up first, so depth costs neither stack nor descriptors.
    pub fn clean(&self) -> io::Result<()> {
        let Some(path) = &self.open_box else { return Ok(()) };
        self.restore_modes()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_has_closed_is_open_for_the_next() {
        let base = tempfile::tempdir().expect("a directory");
        let uid = nix::unistd::geteuid().as_raw();
        let scratch = Scratch::create(base.path(), 0, Tier::B, uid).expect("directories");
        let support = scratch.support_dir().expect("tier B has it");
        let inside = scratch.box_dir().join("a/b");
        fs::create_dir_all(&inside).expect("a directory");
        let modes = |paths: [&Path; 3]| paths.map(|path| fs::metadata(path).expect("it is there").mode() & 0o7777);
        let (the_box, site) = (scratch.box_dir(), support.join(SITE));
        // From the inside out, so that it can be done by whoever may not search what is closed.
        for path in [&inside, inside.parent().expect("has one"), &the_box, &site, &support] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o0)).expect("ours");
        }
        scratch.clean().expect("nothing is in the way");
        assert_eq!(modes([&the_box, &support, &site]), [0o700, 0o755, 0o644]);
        assert_eq!(fs::read_dir(&the_box).expect("open").count(), 0);
    }
}
