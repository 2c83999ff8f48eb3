//! Watching one child from fork to end: output, clocks, limits.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

use crate::account::{Account, Family};
use crate::clock;
use crate::job::{Job, filled_pipe, sealed_file};
use crate::scratch::Scratch;
use crate::waited::Waited;
use crate::zygote::{Exit, Running, Zygote, ZygoteError};

/// What the parent holds a child to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// CPU time.
    pub cpu: Duration,
    /// Wall-clock time that the child had a CPU or did not want one.
    pub wall: Duration,
    /// Bytes of stdout, and of stderr.
    pub output_bytes: u64,
    /// Bytes of the record.
    pub record_bytes: u64,
    /// Resident bytes of all its processes together.
    pub memory_bytes: u64,
    /// Bytes in its box, watched where no tmpfs limits them.
    pub disk_bytes: u64,
    /// Processes and threads alive at once, beside the first.
    pub processes: u32,
}

/// Why the parent ended a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// CPU time used up.
    Cpu,
    /// Wall-clock time used up by waiting.
    Wall,
    /// It never got the CPU that it wanted: the machine is overloaded.
    Starved,
    /// Too much output.
    Output,
    /// Too much on the result pipe.
    Record,
    /// Its processes together hold too much memory.
    Memory,
    /// Its box is too full.
    Disk,
    /// Too many processes.
    Processes,
    /// Nobody waits for the answer.
    Cancelled,
    /// Others wait and this one has had its turn: it is run again from the start, later.
    Turn,
    /// The kernel ended it because the machine, not the test, was out of memory.
    Machine,
}

/// Everything known about a child that has ended.
#[derive(Debug)]
pub struct Ending {
    /// Why we ended it, if we did.
    pub kill: Option<Kill>,
    /// How it ended.
    pub exit: Exit,
    /// CPU time, the larger of what the clock and the kernel's accounting say.
    pub cpu: Duration,
    /// Fork to end.
    pub wall: Duration,
    /// Standard output, at most one byte more than allowed.
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    pub stderr: Vec<u8>,
    /// What came over the result pipe.
    pub record: Vec<u8>,
}

/// A starved child gets this many times its wall limit before we give up, and at least this much more. Clients of
/// `/run_code` are answered before that.
const STARVED_FACTOR: u32 = 10;
const STARVED_GRACE: Duration = Duration::from_mins(1);
/// When the clocks and pipes are looked at for the first time.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// Longest time between two looks at the clocks.
const LONGEST_TICK: Duration = Duration::from_millis(50);

/// Runs one job in a child of the zygote.
pub(crate) fn run(
    zygote: &mut Zygote,
    mut account: Account,
    scratch: &Scratch,
    parcel: Parcel,
    bounds: Bounds,
    interrupt: &dyn Fn(Duration, Duration) -> Option<Kill>,
) -> Result<Ending, RunError> {
    let Parcel { job, stdin, files, code } = parcel;
    let waiting = if job.work.waits_for_input() { filled_pipe(stdin) } else { None };
    let stdin_file = waiting.map_or_else(|| sealed_file(&[stdin]), Ok)?;
    let job = serde_json::to_vec(job).map_err(std::io::Error::from)?;
    let job_file = sealed_file(&[&job, b"\n", files.unwrap_or_default(), code.unwrap_or_default()])?;
    let (stdout, stdout_end) = Pipe::new(bounds.output_bytes)?;
    let (stderr, stderr_end) = Pipe::new(bounds.output_bytes)?;
    let (record, record_end) = Pipe::new(bounds.record_bytes)?;
    let raw = [&job_file, &stdin_file, &stdout_end, &stderr_end, &record_end].map(AsRawFd::as_raw_fd);
    let child = zygote.fork(&raw, bounds.disk_bytes)?;
    let started = Instant::now();
    drop((stdout_end, stderr_end, record_end));
    let pipes = [stdout, stderr, record];
    let mut watch = Watch {
        child,
        account: &mut account,
        started,
        bounds,
        pipes,
        kill: None,
        cpu: Duration::ZERO,
        looks: 0,
        waited: Waited::default(),
    };
    let exit = watch.until_exit(zygote, scratch, interrupt)?;
    let wall = started.elapsed();
    for pipe in &mut watch.pipes {
        pipe.drain();
    }
    watch.notice_floods();
    let Watch { pipes: [stdout, stderr, record], kill, cpu, .. } = watch;
    let cpu = cpu.max(Duration::try_from_secs_f64(exit.cpu).unwrap_or_default()).max(account.close());
    Ok(Ending { kill, exit, cpu, wall, stdout: stdout.content, stderr: stderr.content, record: record.content })
}

/// What a child gets.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// What to do.
    pub job: &'a Job,
    /// Standard input.
    pub stdin: &'a [u8],
    /// Files for the working directory.
    pub files: Option<&'a [u8]>,
    /// The program, compiled.
    pub code: Option<&'a [u8]>,
}

/// A run that failed on our side.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The zygote failed; it has to be replaced.
    #[error(transparent)]
    Zygote(#[from] ZygoteError),
    /// The machine failed us.
    #[error("preparing a test: {0}")]
    System(#[from] std::io::Error),
    /// A pipe could not be made.
    #[error("preparing a test: {0}")]
    Kernel(#[from] nix::Error),
}

struct Watch<'a, 'b> {
    child: Running,
    account: &'a mut Account<'b>,
    started: Instant,
    bounds: Bounds,
    pipes: [Pipe; 3],
    kill: Option<Kill>,
    cpu: Duration,
    looks: u32,
    waited: Waited,
}

impl Watch<'_, '_> {
    fn until_exit(
        &mut self,
        zygote: &mut Zygote,
        scratch: &Scratch,
        interrupt: &dyn Fn(Duration, Duration) -> Option<Kill>,
    ) -> Result<Exit, ZygoteError> {
        loop {
            let tick = if self.kill.is_some() { LONGEST_TICK } else { self.next_look() };
            // Rounded up, so that a tick never becomes a busy loop.
            let tick = PollTimeout::try_from(tick.as_millis() as i32 + 1).unwrap_or(PollTimeout::MAX);
            let mut set = vec![PollFd::new(zygote.control(), PollFlags::POLLIN)];
            // Until the first look they only fill: most tests have ended by then, and each word of theirs would wake us.
            let watched = if self.looks == 0 { 0 } else { self.pipes.len() };
            let open: Vec<usize> = (0..watched).filter(|at| self.pipes[*at].is_open()).collect();
            for at in &open {
                if let Some(file) = &self.pipes[*at].file {
                    set.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
                }
            }
            match poll(&mut set, tick) {
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready: Vec<bool> = set.iter().map(|entry| entry.any().unwrap_or(false)).collect();
            for (at, ready) in open.iter().zip(&ready[1..]) {
                if *ready {
                    self.pipes[*at].drain();
                }
            }
            if ready[0] {
                return zygote.exit();
            }
            if self.kill.is_none() {
                self.notice_floods();
                self.look(scratch, interrupt);
            }
            if self.kill.is_some() {
                self.child.kill();
            }
        }
    }

    /// When a limit could be reached at the earliest.
    fn next_look(&self) -> Duration {
        let left_cpu = self.bounds.cpu.saturating_sub(self.cpu);
        let left_wall = self.bounds.wall.saturating_sub(self.waited.charged());
        let shortest = Duration::from_millis(1);
        // Most tests have ended before the first look, which costs as much as a part of such a test. The next ones are close
        // together: a fork bomb or a daemon shows early.
        let pace = if self.looks == 0 { FIRST_LOOK } else { Duration::from_millis(u64::from(self.looks.min(10) * 5)) };
        left_cpu.min(left_wall).min(pace).min(LONGEST_TICK).max(shortest)
    }

    fn notice_floods(&mut self) {
        let [stdout, stderr, record] = &self.pipes;
        if stdout.is_full() || stderr.is_full() {
            self.kill.get_or_insert(Kill::Output);
        } else if record.is_full() {
            self.kill.get_or_insert(Kill::Record);
        }
    }

    fn look(&mut self, scratch: &Scratch, interrupt: &dyn Fn(Duration, Duration) -> Option<Kill>) {
        self.looks += 1;
        let family = self.account.look(&self.child);
        self.cpu = self.cpu.max(family.cpu);
        if self.kill.is_some() {
            return;
        }
        if let Some(kill) = interrupt(self.cpu, self.started.elapsed()) {
            self.kill = Some(kill);
            return;
        }
        if self.child.pid().is_none() {
            return;
        }
        self.kill = if self.cpu >= self.bounds.cpu {
            Some(Kill::Cpu)
        } else if has_too_many(&family, self.bounds.processes as usize) {
            Some(Kill::Processes)
        } else if family.processes > 1 && family.resident_bytes > self.bounds.memory_bytes.saturating_mul(2) {
            Some(Kill::Memory)
        } else if scratch.usage_exceeds(self.bounds.disk_bytes, &family.pids) {
            Some(Kill::Disk)
        } else {
            self.wall_kill(&family.pids)
        };
    }

    fn wall_kill(&mut self, pids: &[i32]) -> Option<Kill> {
        let wall = self.started.elapsed();
        self.waited.look(wall, self.cpu, pids.iter().flat_map(|pid| clock::scheduled(*pid)));
        if self.waited.charged() >= self.bounds.wall {
            // One that waits for a CPU right now may be given it all back.
            let still = pids.iter().flat_map(|pid| clock::runnable(*pid)).any(|thread| self.waited.stands(thread));
            if !still {
                return Some(Kill::Wall);
            }
        }
        let patience = (self.bounds.wall * STARVED_FACTOR).max(self.bounds.wall + STARVED_GRACE);
        (wall >= patience).then_some(Kill::Starved)
    }
}

/// Whether a look finds more than the first process and so many others, or as many threads. The kernel holds the limit where it counts a
/// test by itself; where it does not, this does. A part more is let pass, because those that end and begin in the middle of a look are both
/// seen. Orphans that have ended stay until the test is over, and are nobody's doing; looking at them has to end as well.
fn has_too_many(family: &Family, allowed: usize) -> bool {
    let most = 1 + allowed + allowed / 8;
    let ended = || family.pids.iter().filter(|pid| clock::has_ended(**pid)).count();
    family.processes > 2 * allowed || family.threads > most && family.threads.saturating_sub(ended()) > most
}

/// The reading end of a pipe with a bound on what is kept.
struct Pipe {
    file: Option<File>,
    content: Vec<u8>,
    bound: u64,
}

impl Pipe {
    fn new(bound: u64) -> nix::Result<(Self, OwnedFd)> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((Self { file: Some(File::from(read)), content: Vec::new(), bound }, write))
    }

    fn is_open(&self) -> bool {
        self.file.is_some() && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.content.len() as u64 > self.bound
    }

    /// Takes what is there now, one byte more than the bound at most.
    fn drain(&mut self) {
        let Some(file) = &mut self.file else { return };
        let room = (self.bound + 1).saturating_sub(self.content.len() as u64);
        match file.take(room).read_to_end(&mut self.content) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => {
                if !self.is_full() {
                    self.file = None;
                }
            }
        }
    }
}
