//! Resource limits that hold for the zygote and therefore for every test.
//!
//! Defends against: core dumps, POSIX message queues, real-time priority. Called after the
//! identity is final and before Landlock. Limits of a test alone (CPU, memory, file size, processes, open
//! files) are set in the child, below these.

use nix::sys::resource::{Resource, setrlimit};

use super::{JailError, Step};

/// Stack of a thread.
const THREAD_STACK: u64 = 8 << 20;

/// As many open files as may be had, for the service and its zygotes.
///
/// The kernel counts descriptors that are under way between two processes (`SCM_RIGHTS`) by user, and refuses whoever's own limit is
/// below that. Where tests are of the service's user, what they send each other must not keep us from handing out jobs.
pub fn raise_open_files() -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
}

/// Sets them, hard.
pub fn apply() -> Result<(), JailError> {
    let fixed = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_RTPRIO, 0),
        (Resource::RLIMIT_MEMLOCK, 64 << 10),
        (Resource::RLIMIT_SIGPENDING, 1024),
    ];
    for (resource, value) in fixed {
        let (_, hard) = nix::sys::resource::getrlimit(resource).step(format!("getrlimit {resource:?}"))?;
        let value = value.min(hard);
        setrlimit(resource, value, value).step(format!("setrlimit {resource:?}"))?;
    }
    raise_open_files().step("setrlimit RLIMIT_NOFILE")?;
    // Threads get a stack of this size, and RLIMIT_AS counts all of it; the main thread's own is raised in the child.
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_STACK).step("getrlimit RLIMIT_STACK")?;
    setrlimit(Resource::RLIMIT_STACK, THREAD_STACK.min(hard), hard).step("setrlimit RLIMIT_STACK")
}
