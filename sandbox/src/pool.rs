//! Workers, each with a zygote, and the queue in front of them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use real_sandbox_api::{Limits, Tier};
use tokio::sync::oneshot;

use crate::family;
use crate::interpreter::Interpreter;
use crate::jail::Plan;
use crate::job::{ChildLimits, Job, Work, nonce};
use crate::scratch::Scratch;
use crate::supervise::{self, Bounds, Ending, RunError};
use crate::zygote::{Zygote, ZygoteError};

/// A worker waits this long before it tries again to start a zygote, doubling up to the last.
const RESTART_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// How a pool is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Isolation, already probed.
    pub tier: Tier,
    /// Python.
    pub interpreter: Interpreter,
    /// Number of tests run at once.
    pub workers: usize,
    /// Tests waiting before batches are refused.
    pub queue: usize,
    /// Private directory for boxes and mount points.
    pub scratch: PathBuf,
}

/// Something for a child to do.
#[derive(Debug)]
pub struct Order {
    /// The work.
    pub work: Work,
    /// Executed first in the program's namespace.
    pub prelude: Option<String>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Files for the working directory, as a set-up left them.
    pub files: Option<Arc<Vec<u8>>>,
    /// Limits.
    pub limits: Limits,
    /// Bytes of the record.
    pub record_bytes: u64,
}

/// What came of an [`Order`].
#[derive(Debug)]
pub struct Done {
    /// The child's end.
    pub ending: Ending,
    /// Precedes its record.
    pub nonce: String,
    /// When a worker took the order.
    pub started: Instant,
}

struct Ticket {
    order: Order,
    arrived: Instant,
    reply: oneshot::Sender<Result<Done, String>>,
}

#[derive(Default)]
struct Queue {
    tickets: VecDeque<Ticket>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    in_flight: AtomicUsize,
    alive: AtomicUsize,
    stopping: AtomicBool,
}

/// A pool of workers.
pub struct Pool {
    shared: Arc<Shared>,
    config: PoolConfig,
    workers: Vec<JoinHandle<()>>,
}

/// What the autoscaler and people look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Tests waiting.
    pub queued: usize,
    /// Tests running.
    pub in_flight: usize,
    /// Age of the oldest waiting test.
    pub oldest: Duration,
    /// Workers with a live zygote.
    pub ready_workers: usize,
}

impl Pool {
    /// Starts the workers. Fails where the first zygote cannot be started; later losses are repaired.
    pub fn start(config: PoolConfig) -> Result<Self, PoolError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            in_flight: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let mut workers = Vec::new();
        let (report, reports) = std::sync::mpsc::channel();
        for number in 0..config.workers {
            let mut worker = Worker::new(number, &config, Arc::clone(&shared))?;
            let report = report.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let first = worker.start_zygote();
                let _ = report.send(first.as_ref().map(drop).map_err(ToString::to_string));
                drop(report);
                worker.serve(first.ok());
            });
            workers.push(thread.map_err(PoolError::System)?);
        }
        drop(report);
        let pool = Self { shared, config, workers };
        for first in reports {
            first.map_err(PoolError::Zygote)?;
        }
        Ok(pool)
    }

    /// How the pool was set up.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Queues an order and waits for it. Dropping the future takes the order back or kills its child.
    pub async fn run(&self, order: Order) -> Result<Done, String> {
        let (reply, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.closed {
                return Err("the service is stopping".into());
            }
            queue.tickets.push_back(Ticket { order, arrived: Instant::now(), reply });
        }
        self.shared.filled.notify_one();
        answer.await.unwrap_or_else(|_| Err("the worker was lost".into()))
    }

    /// Whether the queue is as long as it may get.
    pub fn is_full(&self) -> bool {
        self.load().queued >= self.config.queue
    }

    /// Queue length, age and what runs.
    pub fn load(&self) -> Load {
        let queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        Load {
            queued: queue.tickets.len(),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed),
            oldest: queue.tickets.front().map(|ticket| ticket.arrived.elapsed()).unwrap_or_default(),
            ready_workers: self.shared.alive.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.filled.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

/// A pool that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Directories or threads.
    #[error("cannot set up a worker: {0}")]
    System(#[from] std::io::Error),
    /// The first zygote.
    #[error("cannot start a zygote: {0}")]
    Zygote(String),
}

struct Worker {
    plan: Plan,
    scratch: Scratch,
    /// Processes that count against `RLIMIT_NPROC` before the test starts one.
    base_processes: u64,
    shared: Arc<Shared>,
}

impl Worker {
    fn new(number: usize, config: &PoolConfig, shared: Arc<Shared>) -> std::io::Result<Self> {
        let uid = uid_of_worker(number)?;
        let scratch = Scratch::create(&config.scratch, number, config.tier, uid)?;
        let plan = Plan {
            tier: config.tier,
            interpreter: config.interpreter.clone(),
            box_dir: scratch.box_dir(),
            root_dir: scratch.root_dir(),
            uid: scratch.uid(),
        };
        let base_processes = match config.tier {
            // Counted in the worker's own user namespace: the guard and the zygote.
            Tier::A | Tier::G => 2,
            // A uid of the worker's own: the zygote.
            Tier::B | Tier::Unisolated if nix::unistd::geteuid().is_root() => 1,
            // Shared with everything of this uid: only a ceiling, the watch holds the limit itself.
            Tier::B | Tier::Unisolated => processes_of_own_uid() + 64 * config.workers as u64,
        };
        Ok(Self { plan, scratch, base_processes, shared })
    }

    fn start_zygote(&self) -> Result<Zygote, ZygoteError> {
        if let Err(error) = self.scratch.clean() {
            tracing::warn!(%error, "cleaning the box");
        }
        let zygote = Zygote::start(&self.plan)?;
        self.shared.alive.fetch_add(1, Ordering::Relaxed);
        Ok(zygote)
    }

    fn serve(&mut self, mut zygote: Option<Zygote>) {
        while let Some(ticket) = self.next() {
            if ticket.reply.is_closed() {
                continue;
            }
            self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
            let started = Instant::now();
            let mut outcome = self.attempt(&mut zygote, &ticket, started);
            if matches!(outcome, Err(RunError::Zygote(_))) {
                // Not the program's doing as far as we know: once more with a new zygote.
                outcome = self.attempt(&mut zygote, &ticket, started);
            }
            self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
            let _ = ticket.reply.send(outcome.map_err(|error| error.to_string()));
        }
        if zygote.is_some() {
            self.shared.alive.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn next(&self) -> Option<Ticket> {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(ticket) = queue.tickets.pop_front() {
                return Some(ticket);
            }
            if queue.closed {
                return None;
            }
            queue = self.shared.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Runs an order, starting a zygote where there is none; a zygote that failed is gone afterwards.
    fn attempt(&self, slot: &mut Option<Zygote>, ticket: &Ticket, started: Instant) -> Result<Done, RunError> {
        let zygote = match slot {
            Some(zygote) => zygote,
            None => slot.insert(self.restart_zygote()?),
        };
        let outcome = self.execute(zygote, ticket, started);
        if let Err(RunError::Zygote(error)) = &outcome {
            tracing::warn!(%error, "replacing a zygote");
            family::kill_below(zygote.pid());
            *slot = None;
            self.shared.alive.fetch_sub(1, Ordering::Relaxed);
        }
        outcome
    }

    fn restart_zygote(&self) -> Result<Zygote, ZygoteError> {
        let [mut pause, longest] = RESTART_PAUSES;
        loop {
            match self.start_zygote() {
                Ok(zygote) => return Ok(zygote),
                Err(error) if pause > longest || self.shared.stopping.load(Ordering::Relaxed) => return Err(error),
                Err(error) => tracing::warn!(%error, "starting a zygote"),
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    fn execute(&self, zygote: &mut Zygote, ticket: &Ticket, started: Instant) -> Result<Done, RunError> {
        let order = &ticket.order;
        let limits = &order.limits;
        let job = Job {
            nonce: nonce(),
            prelude: order.prelude.clone(),
            work: order.work.clone(),
            limits: ChildLimits::new(limits, zygote.mapped_bytes(), self.base_processes),
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
        let files = order.files.as_ref().map(|files| files.as_slice());
        let cancelled = || ticket.reply.is_closed();
        let ending = supervise::run(zygote, &self.scratch, &job, &order.stdin, files, bounds, &cancelled);
        if self.scratch.is_open() {
            self.sweep(zygote)?;
        }
        Ok(Done { ending: ending?, nonce: job.nonce, started })
    }

    /// Tier B: kills what a test left running and empties the box.
    fn sweep(&self, zygote: &mut Zygote) -> Result<(), RunError> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !family::kill_below(zygote.pid()) {
            zygote.reap()?;
            if Instant::now() > deadline {
                return Err(ZygoteError::Silent("ending a test's processes").into());
            }
        }
        self.scratch.clean()?;
        Ok(())
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

/// Processes and threads that count against our own uid's `RLIMIT_NPROC`.
fn processes_of_own_uid() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let own = nix::unistd::geteuid().as_raw();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 1024 };
    let ours = entries.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
            && entry.metadata().is_ok_and(|data| data.uid() == own)
    });
    ours.map(|entry| std::fs::read_dir(entry.path().join("task")).map_or(1, |tasks| tasks.count() as u64)).sum()
}
