//! A root file system that holds the interpreter, its libraries and nothing of the host's (tiers A and G).
//!
//! Defends against: reading secrets (home directories, tokens, `/proc`, `/sys`, `/etc/shadow`), writing anywhere. Called inside a
//! fresh mount namespace and before capabilities are reduced. The root is a small tmpfs with read-only binds; `/box` is the mount
//! point of each test's own tmpfs, `/tmp` and `/dev/shm` are links into it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use super::{JailError, Plan, Step};

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const NONE: Option<&str> = None;

/// Builds the root and moves into it; the old one is gone afterwards.
pub fn enter(plan: &Plan) -> Result<(), JailError> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).step("making mounts private")?;
    let root = &plan.root_dir;
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::MS_NOSUID, Some("size=4m,mode=0755"))
        .step(format!("mounting {}", root.display()))?;
    let mut binds = Vec::new();
    for path in plan.interpreter.visible_paths() {
        place(root, &path, &mut binds)?;
    }
    for name in DEVICES {
        let path = Path::new("/dev").join(name);
        if path.exists() {
            place(root, &path, &mut binds)?;
        }
    }
    let etc = root.join("etc");
    fs::create_dir_all(&etc).step("/etc")?;
    write(&etc.join("passwd"), "sandbox:x:1000:1000:sandbox:/box/work:/bin/sh\n")?;
    write(&etc.join("group"), "sandbox:x:1000:\n")?;
    write(&etc.join("hosts"), "127.0.0.1 localhost\n")?;
    write(&etc.join("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
    for name in ["box", "dev"] {
        fs::create_dir_all(root.join(name)).step(name)?;
    }
    symlink("/box/tmp", root.join("tmp")).step("/tmp")?;
    symlink("/box/shm", root.join("dev/shm")).step("/dev/shm")?;
    for bind in &binds {
        make_read_only(bind)?;
    }
    remount(root, MsFlags::MS_NOSUID | MsFlags::MS_NODEV)?;
    chdir(root).step("entering the new root")?;
    pivot_root(".", ".").step("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).step("leaving the old root")?;
    chdir("/").step("chdir /")
}

/// Shows `path` at the same place below `root`: links as links, everything else as a bind.
fn place(root: &Path, path: &Path, binds: &mut Vec<PathBuf>) -> Result<(), JailError> {
    let what = || path.display().to_string();
    let target = root.join(path.strip_prefix("/").unwrap_or(path));
    if target.symlink_metadata().is_ok() {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).step(what())?;
    }
    let kind = path.symlink_metadata().step(what())?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(path).step(what())?, &target).step(what());
    }
    if kind.is_dir() {
        fs::create_dir(&target).step(what())?;
    } else {
        write(&target, "")?;
    }
    mount(Some(path), &target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).step(format!("bind {}", what()))?;
    binds.push(target);
    Ok(())
}

/// Makes a bind and every mount below it read-only.
fn make_read_only(bind: &Path) -> Result<(), JailError> {
    let table = fs::read_to_string("/proc/self/mountinfo").step("/proc/self/mountinfo")?;
    let bind = bind.canonicalize().step(bind.display().to_string())?;
    for mount_point in table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape) {
        if mount_point.starts_with(&bind) {
            let device = mount_point.components().any(|part| part.as_os_str() == "dev");
            remount(&mount_point, MsFlags::MS_NOSUID | if device { MsFlags::empty() } else { MsFlags::MS_NODEV })?;
        }
    }
    Ok(())
}

/// Read-only, keeping the flags that a user namespace may not take away.
fn remount(path: &Path, extra: MsFlags) -> Result<(), JailError> {
    let kept = statvfs(path).step(path.display().to_string())?.flags();
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | extra;
    for (held, flag) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if kept.contains(held) {
            flags |= flag;
        }
    }
    mount(NONE, path, NONE, flags, NONE).step(format!("making {} read-only", path.display()))
}

/// Undoes the octal escapes of mountinfo.
fn unescape(field: &str) -> PathBuf {
    let mut text = String::new();
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            text.push(char::from(code));
            rest = &rest[at + 4..];
        } else {
            text.push('\\');
            rest = &rest[at + 1..];
        }
    }
    text.push_str(rest);
    PathBuf::from(text)
}

fn write(path: &Path, content: &str) -> Result<(), JailError> {
    fs::write(path, content).step(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_spaces_are_understood() {
        assert_eq!(unescape("/a\\040b/c"), PathBuf::from("/a b/c"));
        assert_eq!(unescape("/plain"), PathBuf::from("/plain"));
    }
}
