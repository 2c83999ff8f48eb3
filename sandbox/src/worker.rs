//! One lane of a pool: a zygote, its directories and its control group, and what is done with them for a test.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use real_sandbox_api::Tier;

use crate::account::{Account, kill_below};
use crate::cgroup::Group;
use crate::jail::Plan;
use crate::job::{ChildLimits, Job, nonce};
use crate::memory::Memory;
use crate::pool::{Done, Next, PoolConfig, Shared, Ticket};
use crate::queue::Waiting;
use crate::record::take_code;
use crate::scratch::Scratch;
use crate::supervise::{self, Bounds, Kill, Parcel, RunError};
use crate::zygote::{Zygote, ZygoteError};
use crate::zygotes::Zygotes;

/// A worker waits this long before it tries again to start a zygote, doubling up to the last.
const RESTART_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// Looks at what a test left running, a pause apart, before its zygote is given up with all that is below it.
const SWEEPS: u32 = 5000;
const SWEEP_PAUSE: Duration = Duration::from_millis(2);
/// Processes and threads that one test may be ahead of the watch before the kernel refuses more to whoever has the same user: more than
/// are made between two looks, and few enough to be killed faster than they make others.
const BURST: u64 = 1024;
/// A test that has not used a tenth of this time does not use its CPU.
const SLEEPING: Duration = Duration::from_millis(100);

pub(crate) struct Worker {
    plan: Plan,
    scratch: Scratch,
    group: Option<Group>,
    /// Whether the zygote is in it: some machines let us make a group but not join it.
    joined: AtomicBool,
    memory: Memory,
    shared: Arc<Shared>,
}

impl Worker {
    pub(crate) fn new(number: usize, config: &PoolConfig, shared: Arc<Shared>) -> std::io::Result<Self> {
        let uid = uid_of_worker(number)?;
        let scratch = Scratch::create(&config.scratch, number, config.tier, uid)?;
        let group = Group::create();
        let plan = Plan {
            tier: config.tier,
            interpreter: config.interpreter.clone(),
            box_dir: scratch.box_dir(),
            root_dir: scratch.root_dir(),
            uid: scratch.uid(),
            group: group.as_ref().map(|group| group.path().to_owned()),
            numpy: false,
            support: scratch.support_dir(),
        };
        let memory = Memory::of_this_process(config.workers);
        Ok(Self { plan, scratch, group, joined: AtomicBool::new(false), memory, shared })
    }

    /// What counts against `RLIMIT_NPROC` before a test makes its second process.
    fn base_processes(&self, other_zygotes: usize) -> u64 {
        match self.plan.tier {
            // Counted in the zygote's own user namespace: the guard, the zygote, and the first processes of the PID namespace and of
            // the test.
            Tier::A | Tier::G => 4,
            // A uid of the worker's own: the zygotes, and the test's first process.
            Tier::B | Tier::Unisolated if nix::unistd::geteuid().is_root() => 2 + other_zygotes as u64,
            // Shared with everything of this uid: only a ceiling, the watch holds the limit itself.
            Tier::B | Tier::Unisolated => self.shared.user.count() + BURST,
        }
    }

    pub(crate) fn start_zygote(&self, numpy: bool) -> Result<Zygote, ZygoteError> {
        if let Err(error) = self.scratch.clean() {
            tracing::warn!(%error, "cleaning the box");
        }
        let zygote = Zygote::start(&Plan { numpy, ..self.plan.clone() })?;
        let joined = self.group.as_ref().is_some_and(|group| group.processes().contains(&zygote.pid()));
        self.joined.store(joined, Ordering::Relaxed);
        self.shared.alive.fetch_add(usize::from(!numpy), Ordering::Relaxed);
        Ok(zygote)
    }

    fn group(&self) -> Option<&Group> {
        self.group.as_ref().filter(|_| self.joined.load(Ordering::Relaxed))
    }

    pub(crate) fn serve(&mut self, zygote: Option<Zygote>, surplus: bool) {
        let mut zygotes = Zygotes::around(zygote);
        loop {
            match self.shared.next(zygotes.is_warm(), surplus) {
                Next::Run(waiting) => {
                    self.run(&mut zygotes, *waiting);
                    // A worker that has lost its zygote does not wait for the next test to start another.
                    if !surplus && !zygotes.is_warm() && !self.shared.stopping.load(Ordering::Relaxed) {
                        *zygotes.slot(false) = self.restart_zygote(false).ok();
                    }
                }
                Next::Rest => self.retire(&mut zygotes),
                Next::Stop => break,
            }
        }
        self.retire(&mut zygotes);
    }

    fn run(&self, zygotes: &mut Zygotes, waiting: Waiting<Ticket>) {
        let long = waiting.long;
        if waiting.item.reply.is_closed() {
            self.shared.ended(long);
            return;
        }
        let started = Instant::now();
        let mut outcome = self.attempt(zygotes, &waiting, started);
        if matches!(outcome, Err(RunError::Zygote(_))) {
            // Not the program's doing as far as we know: once more with a new zygote.
            outcome = self.attempt(zygotes, &waiting, started);
        }
        self.shared.ended(long);
        match outcome {
            Ok(done) if done.ending.kill == Some(Kill::Turn) => self.shared.put_back(waiting),
            outcome => {
                if outcome.as_ref().is_ok_and(|done| matches!(done.ending.kill, Some(Kill::Cpu | Kill::Wall))) {
                    self.shared.remember_long(waiting.program);
                }
                let _ = waiting.item.reply.send(outcome.map_err(|error| error.to_string()));
            }
        }
    }

    /// Runs an order, starting a zygote where there is none. A zygote that failed, or whose test left what cannot be ended, is
    /// gone afterwards; what was found out about the test stays.
    fn attempt(&self, zygotes: &mut Zygotes, waiting: &Waiting<Ticket>, started: Instant) -> Result<Done, RunError> {
        let numpy = waiting.item.order.names_numpy();
        if !zygotes.is_warm() {
            *zygotes.slot(false) = Some(self.restart_zygote(false)?);
        }
        let base_processes = self.base_processes(usize::from(zygotes.slot(!numpy).is_some()));
        let slot = zygotes.slot(numpy);
        let zygote = match slot {
            Some(zygote) => zygote,
            None => slot.insert(self.restart_zygote(numpy)?),
        };
        let outcome = self.execute(zygote, base_processes, waiting, started);
        let spent = match &outcome {
            Err(RunError::Zygote(error)) => Some(error.to_string()),
            _ if self.scratch.is_open() => {
                let left = outcome.as_ref().map_or(true, |done| done.ending.exit.left);
                self.sweep(zygotes.slot(numpy), left).err()
            }
            _ => None,
        };
        if let Some(why) = spent {
            tracing::warn!(why, "replacing a zygote");
            self.retire(zygotes);
        }
        outcome
    }

    /// Ends the zygotes with all that is below them.
    fn retire(&self, zygotes: &mut Zygotes) {
        let ended = std::mem::take(zygotes);
        self.shared.alive.fetch_sub(usize::from(ended.is_warm()), Ordering::Relaxed);
        match self.group() {
            Some(group) => group.kill(),
            None => ended.all().for_each(|zygote| {
                kill_below(zygote.pid());
            }),
        }
    }

    fn restart_zygote(&self, numpy: bool) -> Result<Zygote, ZygoteError> {
        let [mut pause, longest] = RESTART_PAUSES;
        loop {
            match self.start_zygote(numpy) {
                Ok(zygote) => return Ok(zygote),
                Err(error) if pause > longest || self.shared.stopping.load(Ordering::Relaxed) => return Err(error),
                Err(error) => tracing::warn!(%error, "starting a zygote"),
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    fn execute(
        &self,
        zygote: &mut Zygote,
        base_processes: u64,
        waiting: &Waiting<Ticket>,
        started: Instant,
    ) -> Result<Done, RunError> {
        let order = &waiting.item.order;
        let limits = &order.limits;
        let job = Job {
            nonce: nonce(),
            prelude: order.prelude.clone(),
            work: order.work.clone(),
            files: order.files.as_ref().map_or(0, |files| files.len()),
            code: order.code.as_ref().map_or(0, |code| code.len()),
            keep_code: order.keep_code,
            limits: ChildLimits::new(limits, zygote.mapped_bytes(), base_processes),
        };
        let bounds = Bounds {
            cpu: Duration::from_secs_f64(limits.cpu_seconds),
            wall: Duration::from_secs_f64(limits.wall_seconds),
            output_bytes: limits.output_bytes,
            record_bytes: order.record_bytes,
            memory_bytes: limits.memory_mib << 20,
            disk_bytes: limits.disk_mib << 20,
            processes: limits.processes,
        };
        let parcel = Parcel {
            job: &job,
            stdin: &order.stdin,
            files: order.files.as_ref().map(|files| files.as_slice()),
            code: order.code.as_ref().map(|code| code.as_slice()),
        };
        let place = CpuPlace::new(&self.shared);
        let interrupt = |cpu, wall| {
            place.look(cpu, wall);
            if waiting.item.reply.is_closed() {
                return Some(Kill::Cancelled);
            }
            (!waiting.long && self.shared.turn_is_over(cpu, wall)).then_some(Kill::Turn)
        };
        let namespaces = matches!(self.plan.tier, Tier::A | Tier::G);
        let account = Account::open(zygote, self.group(), namespaces);
        let mut ending = supervise::run(zygote, account, &self.scratch, parcel, bounds, &interrupt)?;
        drop(place);
        if ending.kill.is_none() && libc::WIFSIGNALED(ending.exit.status) {
            let killed = libc::WTERMSIG(ending.exit.status) == libc::SIGKILL;
            ending.kill =
                killed.then(|| self.memory.killed(ending.exit.max_rss_kib << 10, bounds.memory_bytes)).flatten();
        }
        let code = order.keep_code.then(|| take_code(&mut ending.record)).flatten();
        Ok(Done { ending, code, nonce: job.nonce, started })
    }

    /// Tier B: kills what a test `left` running and empties the box. Bounded; where it fails, the zygote has to go.
    fn sweep(&self, zygote: &mut Option<Zygote>, mut left: bool) -> Result<(), String> {
        for _ in 0..SWEEPS {
            let Some(zygote) = zygote.as_mut().filter(|_| left) else { break };
            kill_below(zygote.pid());
            left = zygote.reap().map_err(|error| error.to_string())?;
            if left {
                std::thread::sleep(SWEEP_PAUSE);
            }
        }
        if left {
            return Err("a test left processes that do not end".into());
        }
        self.scratch.clean().map_err(|error| format!("emptying the box: {error}"))
    }
}

/// A test's place among those that use a CPU: given up while it sleeps, taken back when it goes on.
struct CpuPlace<'a> {
    shared: &'a Shared,
    held: Cell<bool>,
    last: Cell<(Duration, Duration)>,
}

impl<'a> CpuPlace<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, held: Cell::new(true), last: Cell::new((Duration::ZERO, Duration::ZERO)) }
    }

    fn look(&self, cpu: Duration, wall: Duration) {
        let (cpu_before, wall_before) = self.last.get();
        let (used, passed) = (cpu.saturating_sub(cpu_before), wall.saturating_sub(wall_before));
        if passed < SLEEPING {
            return;
        }
        self.last.set((cpu, wall));
        let awake = used * 10 >= passed;
        if awake != self.held.replace(awake) {
            self.shared.use_cpu(awake);
        }
    }
}

impl Drop for CpuPlace<'_> {
    fn drop(&mut self) {
        // What follows assumes that it is held.
        if !self.held.get() {
            self.shared.use_cpu(true);
        }
    }
}

/// Uid of a worker's tests where the service runs as root: no other service and no other worker has it, so that
/// `RLIMIT_NPROC` counts what is ours alone.
fn uid_of_worker(number: usize) -> std::io::Result<u32> {
    /// Far above what systems and containers give out.
    const FIRST: u32 = 0x7000_0000;
    /// Workers of one service.
    const EACH: u32 = 128;
    let own = std::process::id() % 0x1f_ffff * EACH + number as u32 % EACH;
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let mapped = map.lines().filter_map(|line| {
        let mut words = line.split_whitespace().map(|word| word.parse::<u32>().ok());
        let (first, _, count) = (words.next()??, words.next()??, words.next()??);
        Some((first, count))
    });
    let (first, count) = mapped.max_by_key(|(_, count)| *count).unwrap_or((0, 1));
    if count > FIRST + (1 << 28) {
        return Ok(FIRST + own % (1 << 28));
    }
    // Inside a user namespace only what it maps exists.
    Ok(first + (count / 2 + own % (count / 4).max(1)).min(count - 1))
}
