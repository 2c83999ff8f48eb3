//! Leaving root.
//!
//! Defends against: everything that root may do beside namespaces and Landlock, above all `RLIMIT_NPROC`, which the
//! kernel does not hold against root. Called first in tier B, and between building the root and the user namespace in
//! tier A. Does nothing for a service that was started as an ordinary user.

use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use super::{JailError, Step};
use crate::interpreter::Interpreter;

/// Whether the unprivileged uid can walk to the interpreter by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every directory on the way is open to everybody.
    Open,
    /// The interpreter lies below a closed directory (root's home): keep `CAP_DAC_READ_SEARCH`, confined by Landlock.
    Closed,
}

impl Reach {
    /// Looks at the directories above everything that the interpreter needs.
    pub fn of(interpreter: &Interpreter) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let open = |path: &std::path::Path| {
            path.ancestors()
                .all(|part| std::fs::metadata(part).is_ok_and(|data| data.permissions().mode() & 0o005 == 0o005))
        };
        if interpreter.roots.iter().all(|root| open(root)) { Self::Open } else { Self::Closed }
    }
}

/// Capability numbers, see capabilities(7).
pub(super) const CAP_DAC_READ_SEARCH: u32 = 2;
pub(super) const CAP_SYS_ADMIN: u32 = 21;

/// Becomes `uid` where this process is root. Says whether a capability had to be kept to reach the interpreter; the
/// tests then keep it too.
pub fn leave_root(uid: u32, interpreter: &Interpreter) -> Result<Reach, JailError> {
    if !geteuid().is_root() {
        return Ok(Reach::Open);
    }
    let reach = Reach::of(interpreter);
    if reach == Reach::Closed {
        nix::sys::prctl::set_keepcaps(true).step("PR_SET_KEEPCAPS")?;
    }
    become_uid(uid)?;
    if reach == Reach::Closed {
        keep_only(CAP_DAC_READ_SEARCH)?;
    }
    Ok(reach)
}

/// Uid, gid and no supplementary groups.
pub(super) fn become_uid(uid: u32) -> Result<(), JailError> {
    setgroups(&[]).step("setgroups")?;
    setresgid(Gid::from_raw(uid), Gid::from_raw(uid), Gid::from_raw(uid)).step("setresgid")?;
    setresuid(Uid::from_raw(uid), Uid::from_raw(uid), Uid::from_raw(uid)).step("setresuid")?;
    // Changing ids makes /proc/self belong to root, and with it the uid map that comes next.
    nix::sys::prctl::set_dumpable(true).step("PR_SET_DUMPABLE")
}

/// Reduces the capability sets to one, which also survives `execve`.
pub(super) fn keep_only(capability: u32) -> Result<(), JailError> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let bit = 1 << capability;
    let header = Header { version: VERSION_3, pid: 0 };
    let sets = [
        Sets { effective: bit, permitted: bit, inheritable: bit },
        Sets { effective: 0, permitted: 0, inheritable: 0 },
    ];
    // SAFETY: both structures have the layout of capset(2) version 3 and outlive the call.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    nix::errno::Errno::result(done).step("capset")?;
    // SAFETY: takes plain numbers.
    let done =
        unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, libc::c_ulong::from(capability), 0, 0) };
    nix::errno::Errno::result(done).step("PR_CAP_AMBIENT_RAISE")?;
    Ok(())
}
