//! Resource limits that hold for the zygote and therefore for every test.
//!
//! Defends against: core dumps, descriptor exhaustion, POSIX message queues, real-time priority. Called after the
//! identity is final and before Landlock. Limits that depend on a test (CPU, memory, file size, processes) are set in
//! the child, below these.

use nix::sys::resource::{Resource, setrlimit};

use super::{JailError, Step};

/// Open files of a test; small enough that `close_fds` is quick without `/proc`.
const OPEN_FILES: u64 = 256;
/// Stack of a thread.
const THREAD_STACK: u64 = 8 << 20;

/// Sets them, hard.
pub fn apply() -> Result<(), JailError> {
    let fixed = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
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
    // Threads get a stack of this size, and RLIMIT_AS counts all of it; the main thread's own is raised in the child.
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_STACK).step("getrlimit RLIMIT_STACK")?;
    setrlimit(Resource::RLIMIT_STACK, THREAD_STACK.min(hard), hard).step("setrlimit RLIMIT_STACK")
}
