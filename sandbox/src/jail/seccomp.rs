//! Seccomp: which system calls a test may make.
//!
//! Defends against: leaving the jail (mounts, namespaces, `open_by_handle_at`), looking into other processes (ptrace,
//! `process_vm_*`, `pidfd_getfd`), changing other processes of the same uid (`prlimit64`, `setpriority`, scheduling), kernel attack
//! surface (bpf, `io_uring`, `userfaultfd`, keys, perf), memory outside `RLIMIT_AS` (memfd, System V), what tells of other tests
//! (counters of the machine, locks, watches, what is cached), and in tier B every socket but a connected pair, and modes, owners and times of
//! files by path. What is not listed fails with `EPERM`, some calls do nothing, and `clone3` with `ENOSYS`, because its flags
//! cannot be read by a filter and libc then falls back to `clone`.
//!
//! A long program costs a test .7 ms, so the long ones are installed once, in the zygote. They allow what it takes to put up the
//! walls of a test ([`walls`]) beside what a test may do; the last program, which each child installs when its walls stand, takes
//! just that away again. The kernel obeys the strictest of all programs.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::JailError;

/// Stands for the child's own pid in filters that compare with it; the child puts its pid in its place.
pub const PID_PLACEHOLDER: u32 = 0x7fed_cba9;

/// Of fcntl(2) and ioctl(2), what libc has no names for.
const F_SETOWN_EX: libc::c_int = 15;
const FIOSETOWN: libc::c_ulong = 0x8901;
const FS_IOC_FSSETXATTR: libc::c_ulong = 0x401c_5820;
const SIOCSPGRP: libc::c_ulong = 0x8902;

/// What depends on the tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the zygote mounts a test's box.
    pub mounts: bool,
    /// Whether local, IPv4 and IPv6 sockets may be made (inside an empty network namespace).
    pub sockets: bool,
    /// What of files may be changed beside their content.
    pub metadata: Metadata,
    /// Whether signals may only go to the test's first process.
    pub signals_to_self_only: bool,
}

/// Modes, owners and times of files, which Landlock has no say in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// All of what is visible: nothing but the test's own can be changed.
    Own,
    /// Modes and owners of what can be opened. Times cannot be set: everybody may set those of `/dev/null`.
    OfOpenFiles,
    /// None: the interpreter's files belong to the tests' user.
    None,
}

/// The programs to install, in order, as arrays of `struct sock_filter`: all but the last by the zygote, the last by each child.
pub fn compile(policy: Policy) -> Result<Vec<Vec<u8>>, JailError> {
    let architecture = std::env::consts::ARCH.try_into().map_err(|error| JailError::Seccomp(format!("{error}")))?;
    let build = |rules, otherwise, matched| -> Result<Vec<u8>, JailError> {
        let filter = SeccompFilter::new(rules, otherwise, matched, architecture);
        let program: BpfProgram =
            filter.and_then(TryInto::try_into).map_err(|error| JailError::Seccomp(error.to_string()))?;
        Ok(program
            .iter()
            .flat_map(|step| {
                let mut bytes = [0; 8];
                bytes[..2].copy_from_slice(&step.code.to_ne_bytes());
                bytes[2] = step.jt;
                bytes[3] = step.jf;
                bytes[4..].copy_from_slice(&step.k.to_ne_bytes());
                bytes
            })
            .collect())
    };
    let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok(vec![
        build(without_effect(policy.metadata)?, SeccompAction::Allow, SeccompAction::Errno(0))?,
        build(no_clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?,
        build(rules(policy)?, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?,
        build(last(policy)?, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?,
    ])
}

/// Calls that succeed and do nothing.
///
/// A program that lowers its priority or pins itself to a busy CPU would look as if the machine had no time for it. A lock on
/// something that all tests can open (a library, `/dev/null`, what the kernel keeps one of for everybody, as behind an eventfd) would
/// carry bits between two that run at once; nobody else opens a test's own files, so the lock it asked for is as good as held.
/// Advice on caching would carry them, too.
fn without_effect(metadata: Metadata) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, JailError> {
    // Asking who holds one is allowed: as nobody gets any, the answer is always the same, and `SQLite`'s write-ahead log reads it.
    let locks = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
    let mut rules = BTreeMap::from([
        (libc::SYS_setpriority, vec![all(&[equal(0, 0)?, equal(1, 0)?])?]),
        (libc::SYS_sched_setaffinity, vec![all(&[equal(0, 0)?])?]),
        (libc::SYS_flock, Vec::new()),
        (libc::SYS_fadvise64, Vec::new()),
        (libc::SYS_fcntl, locks.iter().map(|lock| all(&[equal(1, *lock as u64)?])).collect::<Result<_, _>>()?),
    ]);
    // Memory of the kernel that no limit counts.
    let buffers = [libc::SO_SNDBUF, libc::SO_RCVBUF, libc::SO_SNDBUFFORCE, libc::SO_RCVBUFFORCE];
    let sized = |option: &libc::c_int| all(&[equal(1, libc::SOL_SOCKET as u64)?, equal(2, *option as u64)?]);
    rules.insert(libc::SYS_setsockopt, buffers.iter().map(sized).collect::<Result<_, _>>()?);
    if metadata != Metadata::Own {
        rules.extend(TIMES_OF_FILES.iter().map(|call| (*call, Vec::new())));
    }
    if metadata == Metadata::None {
        rules.extend([libc::SYS_fchmod, libc::SYS_fchown].map(|call| (call, Vec::new())));
    }
    Ok(rules)
}

/// Calls that put up the walls of a test: what its child makes, and its zygote before and after it.
fn walls(policy: Policy) -> Vec<c_long> {
    let mut walls = vec![libc::SYS_capset, libc::SYS_landlock_restrict_self];
    if policy.mounts {
        walls.extend([libc::SYS_mount, libc::SYS_umount2]);
    }
    walls
}

/// What a test may not do although its zygote may.
fn last(policy: Policy) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, JailError> {
    let mut refused: BTreeMap<c_long, Vec<SeccompRule>> =
        walls(policy).into_iter().map(|call| (call, Vec::new())).collect();
    if !policy.sockets {
        // Files that have lost their names are counted by who has them open: none may be under way to somebody.
        refused.extend([libc::SYS_sendmsg, libc::SYS_sendmmsg].map(|call| (call, Vec::new())));
    }
    if policy.signals_to_self_only {
        for call in SIGNALS {
            refused.insert(*call, vec![all(&[condition(0, Op::Ne, u64::from(PID_PLACEHOLDER))?])?]);
        }
    }
    Ok(refused)
}

/// What a zygote may do: putting up walls, and all that a test may.
fn rules(policy: Policy) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, JailError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    let mut allow = |calls: &[c_long]| {
        for call in calls {
            rules.insert(*call, Vec::new());
        }
    };
    allow(FILES);
    allow(PROCESSES);
    allow(MEMORY);
    allow(TIME);
    allow(PAIRS);
    allow(LEGACY);
    allow(TIMES_OF_FILES);
    if policy.metadata == Metadata::Own {
        allow(METADATA_BY_PATH);
        allow(&[libc::SYS_statfs, libc::SYS_fstatfs]);
    }
    // The other program answers it. Of two programs that both refuse, the later one's error would be seen.
    allow(&[libc::SYS_clone3]);
    allow(SIGNALS);
    allow(&walls(policy));
    if policy.sockets {
        allow(SOCKETS);
    }
    if policy.sockets {
        let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
        let any_of = families.iter().map(|family| all(&[equal(0, *family as u64)?])).collect::<Result<_, _>>()?;
        rules.insert(libc::SYS_socket, any_of);
    }
    rules.insert(libc::SYS_socketpair, vec![all(&[equal(0, libc::AF_UNIX as u64)?])?]);
    // No namespaces, and no brothers: a process whose parent is the zygote is one that nobody in the test's namespace waits for.
    let refused = (libc::CLONE_PARENT
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWCGROUP) as u32;
    rules.insert(libc::SYS_clone, vec![all(&[condition(0, Op::MaskedEq(u64::from(refused)), 0)?])?]);
    // Typing into a terminal, what virtual consoles do, and attributes of a folder that the next test starts in, too.
    let mut requests = vec![libc::TIOCSTI, libc::TIOCLINUX, libc::FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR];
    // Leases and notifications tell of others that open the same file.
    let mut commands = vec![libc::F_SETLEASE, libc::F_GETLEASE, libc::F_NOTIFY];
    if policy.signals_to_self_only {
        // Whoever owns a descriptor gets a signal when something comes in.
        requests.extend([FIOSETOWN, SIOCSPGRP]);
        commands.extend([libc::F_SETOWN, F_SETOWN_EX]);
    }
    let none_of = |values: &mut dyn Iterator<Item = u64>| {
        all(&values.map(|value| condition(1, Op::Ne, value)).collect::<Result<Vec<_>, _>>()?)
    };
    rules.insert(libc::SYS_ioctl, vec![none_of(&mut requests.into_iter())?]);
    rules.insert(libc::SYS_fcntl, vec![none_of(&mut commands.into_iter().map(|command| command as u64))?]);
    // Whether others have read a file lately (`RWF_NOWAIT`).
    rules.insert(libc::SYS_preadv2, vec![all(&[equal(5, 0)?])?]);
    // Only on oneself: same-uid neighbours (in tier B the service itself) would be fair game otherwise.
    for call in [libc::SYS_prlimit64, libc::SYS_sched_setaffinity] {
        rules.insert(call, vec![all(&[equal(0, 0)?])?]);
    }
    rules.insert(libc::SYS_setpriority, vec![all(&[equal(0, 0)?, equal(1, 0)?])?]);
    Ok(rules)
}

fn condition(argument: u8, operator: Op, value: u64) -> Result<SeccompCondition, JailError> {
    SeccompCondition::new(argument, Length::Dword, operator, value)
        .map_err(|error| JailError::Seccomp(error.to_string()))
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, JailError> {
    condition(argument, Op::Eq, value)
}

fn all(conditions: &[SeccompCondition]) -> Result<SeccompRule, JailError> {
    SeccompRule::new(conditions.to_vec()).map_err(|error| JailError::Seccomp(error.to_string()))
}

const FILES: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_umask,
    libc::SYS_mknodat,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
];

/// Where files are found by their path, which may lead to the boxes of others.
#[cfg(target_arch = "x86_64")]
const METADATA_BY_PATH: &[c_long] =
    &[libc::SYS_fchmodat, libc::SYS_fchownat, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown];
#[cfg(not(target_arch = "x86_64"))]
const METADATA_BY_PATH: &[c_long] = &[libc::SYS_fchmodat, libc::SYS_fchownat];

#[cfg(target_arch = "x86_64")]
const TIMES_OF_FILES: &[c_long] = &[libc::SYS_utimensat, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat];
#[cfg(not(target_arch = "x86_64"))]
const TIMES_OF_FILES: &[c_long] = &[libc::SYS_utimensat];

const PROCESSES: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_setpgid,
    libc::SYS_getsid,
    libc::SYS_setsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capget,
    libc::SYS_prctl,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_getrusage,
    libc::SYS_getpriority,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_futex,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_getcpu,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_pidfd_open,
    libc::SYS_seccomp,
];

const SIGNALS: &[c_long] =
    &[libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

const MEMORY: &[c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_get_mempolicy,
];

const TIME: &[c_long] = &[
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
];

const SOCKETS: &[c_long] = &[libc::SYS_bind, libc::SYS_listen, libc::SYS_connect, libc::SYS_accept, libc::SYS_accept4];

/// What connected pairs are used with.
const PAIRS: &[c_long] = &[
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
];

/// Older names.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_readlink,
    libc::SYS_mknod,
    libc::SYS_getdents,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_signalfd,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[libc::SYS_renameat];

/// Connected pairs and an older name.
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_renameat,
];
