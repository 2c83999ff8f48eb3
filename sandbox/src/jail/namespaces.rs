//! Namespaces: user, PID, mount, network, IPC and UTS (tiers A and G).
//!
//! Defends against: the network (an empty namespace with a loopback of its own), signals to and sight of other
//! processes, shared memory, host names, the host's file tree. Called before everything else. The namespaces are made once a
//! zygote, which adds a second PID namespace for its tests and mounts a fresh box for each of them. For that it keeps `CAP_SYS_ADMIN`
//! *inside its user namespace*, and each child gives it up. Nothing of the mount, network and IPC namespaces may last from one test
//! to the next: boxes are taken away, calls that make IPC objects are refused, closed connections are forgotten at once, and the
//! numbers of processes begin anew.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{OFlag, open, openat};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, getegid, geteuid};

use super::{JailError, Plan, Step, guard, identity, rootfs};

/// Uid and gid that programs see.
const INNER_ID: u32 = 1000;

/// Enters the namespaces and the new root. Returns in the first process of the new PID namespace; the calling process stays
/// outside as its guard and never returns. What is returned sets the number that the writer's PID namespace gave out last.
pub fn enter(plan: &Plan, service: Pid) -> Result<Option<OwnedFd>, JailError> {
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
    if let Err(error) = forget_connections(&proc) {
        real_terminal::errln!("tests can tell by a port in use what tests before them have done: {error}");
    }
    let numbers = openat(&proc, "sys/kernel/ns_last_pid", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
    if let Err(error) = &numbers {
        real_terminal::errln!(
            "tests can tell by their numbers how many processes were before them: ns_last_pid: {error}"
        );
    }
    guard::stay_outside(service)?;
    identity::keep_only(identity::CAP_SYS_ADMIN)?;
    Ok(numbers.ok())
}

/// Maps the one uid and gid that exist inside.
fn map_ids(proc: impl AsFd, (uid, gid): (u32, u32)) -> Result<(), JailError> {
    write(&proc, "self/setgroups", "deny")?;
    write(&proc, "self/uid_map", &format!("{INNER_ID} {uid} 1"))?;
    write(&proc, "self/gid_map", &format!("{INNER_ID} {gid} 1"))
}

/// Keeps nothing of connections that are closed: their ports would stay taken for a minute, and what was measured on a way is
/// remembered for the next one.
fn forget_connections(proc: impl AsFd) -> Result<(), JailError> {
    write(&proc, "sys/net/ipv4/tcp_max_tw_buckets", "0")?;
    write(&proc, "sys/net/ipv4/tcp_no_metrics_save", "1")
}

fn write(proc: impl AsFd, name: &str, content: &str) -> Result<(), JailError> {
    let descriptor = openat(proc, name, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).step(name)?;
    File::from(descriptor).write_all(content.as_bytes()).step(name)
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
