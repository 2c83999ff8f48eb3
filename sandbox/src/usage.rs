//! How much lies in a box that is part of our own file tree, counted while its programs run and may be against it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Folders that are open at once; only a tree that branches on each of so many levels needs more.
const MOST_OPEN: usize = 256;

/// What may still be found.
pub(crate) struct Room {
    bytes: u64,
    files: u64,
}

impl Room {
    pub(crate) fn new(bytes: u64, files: u64) -> Self {
        Self { bytes, files }
    }

    /// Takes a file's part; says whether there was room for it.
    fn take(&mut self, data: &Metadata) -> bool {
        let left = self.bytes.checked_sub(data.blocks() * 512).zip(self.files.checked_sub(1));
        (self.bytes, self.files) = left.unwrap_or((0, 0));
        left.is_some()
    }

    /// Whether there is room for all that is below a folder, however deep it lies, and for what has lost its name and one of
    /// these processes holds open.
    pub(crate) fn holds(&mut self, folder: &Path, pids: &[i32]) -> bool {
        let Ok(folder) = open(folder) else { return true };
        let device = folder.metadata().map_or(0, |data| data.dev());
        self.holds_tree(folder) && self.holds_nameless(device, pids)
    }

    fn holds_tree(&mut self, folder: File) -> bool {
        // Folders with the names of those in them that are left to do: paths can be longer than the kernel takes.
        let mut levels: Vec<(File, Vec<OsString>)> = Vec::new();
        let mut next = Some(folder);
        loop {
            if let Some(folder) = next.take() {
                let Some(inside) = self.folders_in(&folder) else { return false };
                levels.push((folder, inside));
            }
            let Some((folder, left)) = levels.last_mut() else { return true };
            match left.pop() {
                Some(name) => next = open(&by_descriptor(folder).join(name)).ok(),
                None => drop(levels.pop()),
            }
            if levels.last().is_some_and(|(_, left)| left.is_empty()) {
                levels.pop();
            }
            if levels.len() > MOST_OPEN {
                return false;
            }
        }
    }

    /// The folders in a folder, if there is room for all that is in it.
    fn folders_in(&mut self, folder: &File) -> Option<Vec<OsString>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(by_descriptor(folder)).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if !self.take(&data) {
                return None;
            }
            if data.is_dir() {
                folders.push(entry.file_name());
            }
        }
        Some(folders)
    }

    fn holds_nameless(&mut self, device: u64, pids: &[i32]) -> bool {
        let mut seen = HashSet::new();
        let descriptors =
            pids.iter().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok()).flatten().flatten();
        for data in descriptors.filter_map(|entry| fs::metadata(entry.path()).ok()) {
            let nameless = data.is_file() && data.nlink() == 0 && data.dev() == device;
            if nameless && seen.insert(data.ino()) && !self.take(&data) {
                return false;
            }
        }
        true
    }
}

/// Opens a folder and nothing that a link leads to.
fn open(path: &Path) -> io::Result<File> {
    let open = |flags| {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW | flags;
        fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    open(0).or_else(|_| {
        // Closed by whoever made it. By its descriptor, because its name may mean another one by now.
        let closed = open(libc::O_PATH)?;
        fs::set_permissions(by_descriptor(&closed), fs::Permissions::from_mode(0o700))?;
        fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(by_descriptor(&closed))
    })
}

/// A path that is short.
fn by_descriptor(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn holds(bytes: u64, files: u64, folder: &Path) -> bool {
        Room::new(bytes, files).holds(folder, &[std::process::id() as i32])
    }

    #[test]
    fn what_lies_deep_in_closed_folders_or_has_no_name_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(holds(0, 0, folder.path()));
        let mut deep = open(folder.path()).expect("ours");
        for _ in 0..400 {
            let inside = by_descriptor(&deep).join("a folder with a long name");
            fs::create_dir(&inside).expect("it is new");
            deep = open(&inside).expect("ours");
        }
        assert!(holds(8 << 20, 400, folder.path()), "one way down needs no more descriptors");
        assert!(!holds(8 << 20, 399, folder.path()));
        fs::write(by_descriptor(&deep).join("file"), vec![1; 3 << 20]).expect("room");
        fs::set_permissions(by_descriptor(&deep), fs::Permissions::from_mode(0o300)).expect("ours");
        assert!(!holds(3 << 20, 1000, folder.path()) && holds(8 << 20, 1000, folder.path()));
        let mut nameless = tempfile::tempfile_in(folder.path()).expect("a file");
        nameless.write_all(&vec![1; 6 << 20]).expect("room");
        let twice = nameless.try_clone().expect("another descriptor");
        assert!(
            !holds(8 << 20, 1000, folder.path()) && holds(16 << 20, 1000, folder.path()),
            "once, however often it is open"
        );
        drop((nameless, twice));
        assert!(holds(8 << 20, 1000, folder.path()));
    }

    #[test]
    fn links_lead_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/usr", folder.path().join("link")).expect("it is new");
        assert!(holds(1 << 16, 1, folder.path()) && !holds(1 << 16, 0, folder.path()));
        assert!(open(&folder.path().join("link")).is_err());
    }
}
