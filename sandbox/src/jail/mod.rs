//! The walls around a zygote and all it forks.
//!
//! A worker starts `real-sandbox jail PLAN`; that process walls itself in and then becomes the interpreter. Order matters,
//! each step needs something that a later one takes away:
//!
//! 0. the worker's control group, and [`guard`]: a process stays outside that ends the jail with the service,
//! 1. [`identity`]: leave root for an unprivileged uid (tier B), or
//! 2. [`namespaces`] and [`rootfs`]: new namespaces, a root of read-only binds (tiers A, G); drops root in between,
//! 3. [`limits`]: rlimits that hold for every test,
//! 4. `no_new_privs`, without which neither of the next two is allowed,
//! 5. [`landlock`] (tier B): the file tree shrinks to the interpreter and the box,
//! 6. `execve` of the interpreter.
//!
//! The zygote makes a PID namespace for its tests, in which it is not itself, and installs all [`seccomp`] programs but the last.
//! A test's box, a fresh tmpfs, is mounted by the zygote before it forks, and taken away when nobody is left of the test.
//! What else differs from test to test happens after the fork, in `harness/child.py`: capabilities emptied, Landlock's signal
//! scope, the test's rlimits, and the last of the [`seccomp`] programs, which forbids all of the above.

pub mod guard;
pub mod identity;
pub mod landlock;
pub mod limits;
pub mod namespaces;
pub mod rootfs;
pub mod seccomp;

use std::convert::Infallible;
use std::ffi::CString;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use real_sandbox_api::Tier;
use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::interpreter::Interpreter;

/// What a jail is built from. Holds no secret: it travels in `argv`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Which walls.
    pub tier: Tier,
    /// The interpreter and what it needs to see.
    pub interpreter: Interpreter,
    /// Directory that tests may write to; under namespaces a mount point inside the new root.
    pub box_dir: PathBuf,
    /// Empty directory on which the new root is mounted (namespaces only).
    pub root_dir: PathBuf,
    /// Uid and gid to become when started as root.
    pub uid: u32,
    /// Directory of the worker's control group, where there is one.
    pub group: Option<PathBuf>,
    /// Whether the zygote imports numpy.
    pub numpy: bool,
    /// Directory of what interpreters read at their start, where there are no namespaces to do it (tier B).
    pub support: Option<PathBuf>,
}

/// What an interpreter that a test starts does first in tier B: the places that mounts would give.
pub fn site_customization(box_dir: &str) -> String {
    let quoted = serde_json::Value::from(box_dir);
    format!(
        "{STREAMS}\n\n{}\n\n{}\n\nwithout_shared_memory({quoted})\ngive_places({quoted})\n",
        include_str!("../harness/semaphores.py"),
        include_str!("../harness/places.py")
    )
}

/// A wall that could not be put up.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The step.
        what: String,
        /// The reason.
        source: std::io::Error,
    },
    /// Landlock refused.
    #[error("landlock: {0}")]
    Landlock(String),
    /// A filter could not be compiled.
    #[error("seccomp: {0}")]
    Seccomp(String),
    /// A path cannot be handed to the kernel.
    #[error("{0} contains a NUL byte")]
    Path(String),
}

/// Names the step that failed.
pub(crate) trait Step<T> {
    fn step(self, what: impl Into<String>) -> Result<T, JailError>;
}

impl<T, E: Into<std::io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: impl Into<String>) -> Result<T, JailError> {
        self.map_err(|error| JailError::System { what: what.into(), source: error.into() })
    }
}

/// What the zygote has to know (`sys.argv[1]` of the harness).
#[derive(Debug, Serialize)]
struct HarnessConfig<'a> {
    namespaces: bool,
    numpy: bool,
    drop_capabilities: bool,
    #[serde(rename = "box")]
    box_dir: &'a str,
    support: Option<&'a std::path::Path>,
    scope_fd: Option<i32>,
    /// Sets the number of the process that was made last.
    numbers_fd: Option<i32>,
    filter_fds: Vec<i32>,
    signal_pid_placeholder: Option<u32>,
}

/// The standard streams by name, for every interpreter that has no `/proc`.
const STREAMS: &str = include_str!("../harness/streams.py");

/// Source of the harness, handed to the interpreter as its `-c` argument.
const HARNESS: &str = concat!(
    include_str!("../harness/zygote.py"),
    "\n\n",
    include_str!("../harness/names.py"),
    "\n\n",
    include_str!("../harness/values.py"),
    "\n\n",
    include_str!("../harness/report.py"),
    "\n\n",
    include_str!("../harness/watch.py"),
    "\n\n",
    include_str!("../harness/files.py"),
    "\n\n",
    include_str!("../harness/program.py"),
    "\n\n",
    include_str!("../harness/call.py"),
    "\n\n",
    include_str!("../harness/work.py"),
    "\n\n",
    include_str!("../harness/child.py"),
    "\n\n",
    include_str!("../harness/warm.py"),
    "\n\nserve(CONFIG)\n"
);

/// Walls this process in and becomes the zygote. Returns only where a step failed.
pub fn enter(plan: &Plan) -> Result<Infallible, JailError> {
    let (mut scope, mut numbers) = (None, None);
    let mut reach = identity::Reach::Open;
    let service = nix::unistd::getppid();
    if let Some(group) = &plan.group
        && let Err(error) = cgroup::join(group)
    {
        // The worker sees that its group is empty, and does without.
        real_terminal::errln!("joining {}: {error}", group.display());
    }
    if matches!(plan.tier, Tier::B | Tier::Unisolated) {
        guard::stay_outside(service)?;
    }
    match plan.tier {
        Tier::A | Tier::G => numbers = namespaces::enter(plan, service)?,
        Tier::B => {
            reach = identity::leave_root(plan.uid, &plan.interpreter)?;
            scope = landlock::signal_scope()?;
        }
        Tier::Unisolated => reach = identity::leave_root(plan.uid, &plan.interpreter)?,
    }
    limits::apply()?;
    nix::sys::prctl::set_no_new_privs().step("no_new_privs")?;
    if plan.tier == Tier::B {
        landlock::enforce(plan)?;
    }
    let isolated = plan.tier != Tier::Unisolated;
    let namespaces = matches!(plan.tier, Tier::A | Tier::G);
    let policy = seccomp::Policy {
        mounts: namespaces,
        sockets: plan.tier != Tier::B,
        metadata: if plan.tier != Tier::B {
            seccomp::Metadata::Own
        } else if owns_the_interpreter(plan) {
            seccomp::Metadata::None
        } else {
            seccomp::Metadata::OfOpenFiles
        },
        // Without a PID namespace or Landlock's scope, only this keeps a test from signalling us.
        signals_to_self_only: plan.tier == Tier::B && scope.is_none(),
    };
    let filters = if isolated { seccomp::compile(policy)? } else { Vec::new() };
    let filters = filters.iter().map(|filter| memory_file(filter)).collect::<Result<Vec<_>, _>>()?;
    let box_dir = plan.box_dir.to_string_lossy();
    let config = HarnessConfig {
        namespaces,
        numpy: plan.numpy,
        drop_capabilities: reach == identity::Reach::Open,
        box_dir: &box_dir,
        support: plan.support.as_deref(),
        scope_fd: inherit(scope.as_ref())?,
        numbers_fd: inherit(numbers.as_ref())?,
        filter_fds: filters.iter().map(AsRawFd::as_raw_fd).collect(),
        signal_pid_placeholder: policy.signals_to_self_only.then_some(seccomp::PID_PLACEHOLDER),
    };
    let config = serde_json::to_string(&config).map_err(std::io::Error::other).step("harness configuration")?;
    become_interpreter(plan, &config)
}

/// Whether the tests' uid owns files that all of them read, and could change their modes.
fn owns_the_interpreter(plan: &Plan) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = nix::unistd::geteuid().as_raw();
    plan.interpreter.visible_paths().iter().any(|path| std::fs::metadata(path).is_ok_and(|data| data.uid() == own))
}

fn become_interpreter(plan: &Plan, config: &str) -> Result<Infallible, JailError> {
    let executable = c_string(plan.interpreter.executable.as_os_str().as_bytes())?;
    let box_dir = plan.box_dir.to_string_lossy();
    // Before anything is imported that binds a function of `os`.
    let places = plan.support.as_ref().map_or_else(|| STREAMS.to_owned(), |_| site_customization(&box_dir));
    let harness = format!("{places}\n\n{HARNESS}");
    // -P and -s keep the working directory and the user's own packages out, -B writes no byte code.
    let arguments = ["-B", "-s", "-X", "utf8", "-c", &harness, config];
    let mut argv = vec![executable.clone()];
    for argument in arguments {
        argv.push(c_string(argument.as_bytes())?);
    }
    let environment = environment(&box_dir);
    let environment =
        environment.iter().map(|entry| c_string(entry.as_bytes())).collect::<Result<Vec<CString>, _>>()?;
    std::env::set_current_dir("/").step("chdir /")?;
    nix::unistd::execve(&executable, &argv, &environment)
        .step(format!("starting {}", plan.interpreter.executable.display()))
}

/// Environment of the zygote, and of every test but for what the zygote takes away. `PYTHONHASHSEED` is fixed so that verdicts repeat; `random` is seeded
/// anew in every child.
fn environment(box_dir: &str) -> Vec<String> {
    let mut entries: Vec<String> = [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "LC_ALL=C.UTF-8",
        "PYTHONHASHSEED=0",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUTF8=1",
        "OPENBLAS_NUM_THREADS=1",
        "OMP_NUM_THREADS=1",
        "MKL_NUM_THREADS=1",
        // Each arena reserves 64 MiB or more of address space, which RLIMIT_AS counts.
        "MALLOC_ARENA_MAX=1",
        "USER=sandbox",
        "LOGNAME=sandbox",
        // For the zygote alone, which takes it away: what is bound at its start is not looked up in each child.
        "LD_BIND_NOW=1",
    ]
    .map(String::from)
    .to_vec();
    entries.push(format!("HOME={box_dir}/work"));
    entries.push(format!("TMPDIR={box_dir}/tmp"));
    entries
}

/// An anonymous file with this content that survives `execve`.
fn memory_file(content: &[u8]) -> Result<OwnedFd, JailError> {
    let descriptor = memfd_create(c"filter", MFdFlags::empty()).step("memfd_create")?;
    let mut file = std::fs::File::from(descriptor);
    file.write_all(content).step("writing a filter")?;
    file.rewind().step("rewinding a filter")?;
    Ok(file.into())
}

/// Lets a descriptor live through `execve` and says its number.
fn inherit(descriptor: Option<&OwnedFd>) -> Result<Option<i32>, JailError> {
    let Some(descriptor) = descriptor else { return Ok(None) };
    nix::fcntl::fcntl(descriptor, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).step("fcntl")?;
    Ok(Some(descriptor.as_raw_fd()))
}

fn c_string(bytes: &[u8]) -> Result<CString, JailError> {
    CString::new(bytes).map_err(|_| JailError::Path(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_free_in_the_heap_lies_at_its_end_when_tests_are_forked() {
        let interpreter = Interpreter::find().expect("an interpreter");
        let source = format!(
            "import ctypes\nlibc = ctypes.CDLL(None)\n{}\n\
             if hasattr(libc, 'mallinfo2'):\n    \
                 state = libc.mallinfo2\n    \
                 state.restype, libc.malloc.restype, libc.free.argtypes = HeapState, ctypes.c_void_p, [ctypes.c_void_p]\n    \
                 places = [libc.malloc(100 + 48 * at) for at in range(200)]\n    \
                 [libc.free(place) for place in places[::2]]\n    \
                 holes = lambda: state().fordblks - state().keepcost\n    \
                 before = holes()\n    \
                 filled = fill_holes()\n    \
                 assert before > 200_000 and filled >= 100 and holes() < before // 20, (before, filled, holes())\n",
            include_str!("../harness/warm.py")
        );
        let run = Command::new(&interpreter.executable).args(["-c", &source]).output().expect("it runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}
