//! Namespaces: user, PID, mount, network, IPC and UTS (tiers A and G).
//!
//! Defends against: the network (an empty namespace with a loopback of its own), signals to and sight of other
//! processes, shared memory, host names, the host's file tree. Called before everything else. The namespaces are made once a
//! zygote, which adds a second PID namespace for its tests; each test adds a mount and an IPC namespace of its own. For that the
//! zygote keeps `CAP_SYS_ADMIN` *inside its user namespace*, and each child gives it up.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getegid, geteuid};

use super::{JailError, Plan, Step, guard, identity, rootfs};

/// Uid and gid that programs see.
const INNER_ID: u32 = 1000;

/// Enters the namespaces and the new root. Returns in the first process of the new PID namespace; the calling process stays
/// outside as its guard and never returns.
pub fn enter(plan: &Plan, service: Pid) -> Result<(), JailError> {
    let inner = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    // The old /proc is out of reach after the change of root.
    let proc = open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).step("/proc")?;
    if geteuid().is_root() {
        // Root builds the root, because its interpreter may lie where nobody else can walk, and only then leaves.
        unshare(CloneFlags::CLONE_NEWNS).step("unshare mount namespace")?;
        rootfs::enter(plan)?;
        identity::become_uid(plan.uid)?;
        let outer = (plan.uid, plan.uid);
        unshare(inner).step("unshare")?;
        map_ids(&proc, outer)?;
    } else {
        let outer = (geteuid().as_raw(), getegid().as_raw());
        unshare(inner).step("unshare")?;
        map_ids(&proc, outer)?;
        rootfs::enter(plan)?;
    }
    raise_loopback()?;
    guard::stay_outside(service)?;
    identity::keep_only(identity::CAP_SYS_ADMIN)
}

/// Maps the one uid and gid that exist inside.
fn map_ids(proc: impl AsFd, (uid, gid): (u32, u32)) -> Result<(), JailError> {
    let write = |name: &str, content: String| -> Result<(), JailError> {
        let descriptor = openat(&proc, name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).step(name)?;
        File::from(descriptor).write_all(content.as_bytes()).step(name)
    };
    write("self/setgroups", "deny".into())?;
    write("self/uid_map", format!("{INNER_ID} {uid} 1"))?;
    write("self/gid_map", format!("{INNER_ID} {gid} 1"))
}

/// Brings up `lo`, so that a program may talk to itself.
fn raise_loopback() -> Result<(), JailError> {
    use std::os::fd::AsRawFd;
    let socket = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Inet,
        nix::sys::socket::SockType::Datagram,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .step("socket")?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, source) in request.ifr_name.iter_mut().zip(b"lo") {
        *target = *source as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request is a valid ifreq with a terminated name, and outlives the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    nix::errno::Errno::result(done).step("raising lo")?;
    Ok(())
}
