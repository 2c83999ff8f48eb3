//! What a child is told: everything but the expected values.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::pipe2;
use real_sandbox_api::{Expr, Limits};
use serde::Serialize;

/// Work for one child, as `harness/child.py` and `harness/work.py` read it.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Precedes the record on the result pipe.
    pub nonce: String,
    /// Executed in the program's namespace first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prelude: Option<String>,
    /// What to do.
    #[serde(flatten)]
    pub work: Work,
    /// Bytes of files that come behind it.
    pub files: usize,
    /// Bytes of compiled program that come behind those.
    pub code: usize,
    /// Whether the program's code is wanted for further tests.
    pub keep_code: bool,
    /// Limits of this process.
    pub limits: ChildLimits,
}

/// The kinds of work.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Work {
    /// Run a program as `python main.py`; its name is `__main__`.
    Script {
        /// Source.
        program: String,
        /// Whether `input` keeps its prompt to itself.
        hide_prompts: bool,
        /// Whether the statements that it gives to `SQLite` are written down.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        watch: bool,
        /// Files of the working directory to send back.
        fetch: Vec<String>,
    },
    /// Execute a program as a module named `solution` and call a part of it.
    Call {
        /// Source.
        program: String,
        /// Expression that gives the callable.
        entry: String,
        /// Positional arguments.
        args: Vec<Expr>,
        /// Keyword arguments.
        kwargs: BTreeMap<String, Expr>,
    },
    /// Run a set-up and send the files that it leaves.
    Setup {
        /// Source.
        program: String,
        /// Largest bundle to send.
        capture_bytes: u64,
    },
    /// Say what exception classes there are; no program is near.
    Classes,
    /// Evaluate the task's own expressions; no program is near.
    Eval {
        /// Expressions.
        sources: Vec<String>,
    },
    /// Compile a program and send the code.
    Compile {
        /// Source.
        program: String,
    },
}

impl Work {
    /// The source that is run.
    pub fn program(&self) -> &str {
        match self {
            Self::Script { program, .. }
            | Self::Call { program, .. }
            | Self::Setup { program, .. }
            | Self::Compile { program } => program,
            Self::Classes | Self::Eval { .. } => "",
        }
    }
}

/// Words of a program that wants its standard input to be a pipe. Otherwise it is a file, of which many ask the size.
const OF_PIPES: [&str; 5] = ["epoll", "selectors", "asyncio", "connect_read_pipe", "S_ISFIFO"];

impl Work {
    /// Whether standard input has to be a pipe: something waits for it that a file never becomes ready for.
    pub fn waits_for_input(&self) -> bool {
        OF_PIPES.iter().any(|word| self.program().contains(word))
    }

    /// Whether a name may be used by what runs.
    pub fn names(&self, name: &str) -> bool {
        let in_argument = |part: &Expr| matches!(part, Expr::Source(source) if source.contains(name));
        match self {
            Self::Script { program, .. } | Self::Setup { program, .. } => program.contains(name),
            Self::Call { program, entry, args, kwargs } => {
                program.contains(name)
                    || entry.contains(name)
                    || args.iter().any(in_argument)
                    || kwargs.values().any(in_argument)
            }
            Self::Eval { sources } => sources.iter().any(|source| source.contains(name)),
            // Those of every module that a program may find.
            Self::Classes => true,
            Self::Compile { .. } => false,
        }
    }
}

/// Limits that the child sets on itself before it looks at the program.
#[derive(Clone, Debug, Serialize)]
pub struct ChildLimits {
    /// rlimits by name.
    pub rlimits: Vec<(&'static str, u64)>,
}

/// What a zygote is asked for a test with: the size of its box in bytes, where that is a tmpfs, and the files on it.
pub fn request(disk_bytes: u64) -> String {
    // One page or more for each file: tmpfs counts them too.
    format!("T{} {MAX_FILES}", disk_bytes.max(1 << 20) + (1 << 20))
}

/// Files and directories that a test may create.
pub const MAX_FILES: u64 = 8192;
/// Stack of the main thread; programs raise the recursion limit and then recurse.
const STACK_BYTES: u64 = 64 << 20;
/// Open files of a test; small enough that `close_fds` is quick without `/proc`.
const OPEN_FILES: u64 = 256;
/// What a pipe holds for certain.
const SMALLEST_PIPE: usize = 4096;

impl ChildLimits {
    /// From a test's limits; `base_bytes` is what the zygote maps already, `base_processes` what its uid runs already.
    pub fn new(limits: &Limits, base_bytes: u64, base_processes: u64) -> Self {
        let disk = limits.disk_mib.max(1) << 20;
        Self {
            rlimits: vec![
                ("RLIMIT_AS", base_bytes + (limits.memory_mib << 20)),
                // A second above the limit: the parent's clock decides, this is for descendants and a lost parent.
                ("RLIMIT_CPU", limits.cpu_seconds.ceil() as u64 + 1),
                ("RLIMIT_FSIZE", disk),
                ("RLIMIT_NOFILE", OPEN_FILES),
                ("RLIMIT_NPROC", base_processes + u64::from(limits.processes)),
                ("RLIMIT_STACK", STACK_BYTES),
            ],
        }
    }
}

/// A sealed anonymous file of these parts: the receiver can neither change nor grow it.
pub fn sealed_file(parts: &[&[u8]]) -> std::io::Result<OwnedFd> {
    let descriptor = memfd_create(c"job", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = std::fs::File::from(descriptor);
    for part in parts {
        file.write_all(part)?;
    }
    file.rewind()?;
    let descriptor = OwnedFd::from(file);
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&descriptor, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(descriptor)
}

/// A pipe that this content is in already, and nothing comes after it; `None` where it does not fit.
pub fn filled_pipe(content: &[u8]) -> Option<OwnedFd> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok()?;
    if content.len() > SMALLEST_PIPE {
        fcntl(&write, FcntlArg::F_SETPIPE_SZ(i32::try_from(content.len()).ok()?)).ok()?;
    }
    std::fs::File::from(write).write_all(content).ok()?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::empty())).ok()?;
    Some(read)
}

/// 128 random bits in hexadecimal.
pub fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        // SAFETY: the pointer and the length describe the unfilled rest of `bytes`.
        let got = unsafe { libc::getrandom(bytes[filled..].as_mut_ptr().cast(), bytes.len() - filled, 0) };
        filled += got.max(0) as usize;
    }
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_pipe_holds_all_that_is_given_or_is_none() {
        for length in [0, 1, 4096, 65_537, 1 << 20] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut read = Vec::new();
            // Where the user's pipes have used up what the kernel gives, there is none.
            let Some(pipe) = filled_pipe(&content) else { continue };
            std::fs::File::from(pipe).read_to_end(&mut read).expect("it can be read");
            assert_eq!(read, content);
        }
        assert!(filled_pipe(b"short").is_some());
    }
}
