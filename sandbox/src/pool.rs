//! Workers, each with a zygote, and the queue in front of them.
//!
//! As many tests use a CPU at once as there are workers. A test that sleeps gives its place to another: there are more lanes than
//! workers, each with a zygote that is started when it is first needed.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use real_sandbox_api::{Limits, Tier};
use tokio::sync::oneshot;

use crate::bundle;
use crate::interpreter::Interpreter;
use crate::job::Work;
use crate::queue::{Client, Queue, Waiting};
use crate::supervise::Ending;
use crate::user::UserTasks;
use crate::worker::Worker;

/// Lanes for each worker: one runs, the others are for tests that sleep.
const LANES: usize = 4;
/// A test that is not done after this much CPU time, or this long, makes room for others that wait.
const TURN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// A lane that was started for sleepers ends its zygote after so long without work.
const IDLE: Duration = Duration::from_secs(30);

/// How a pool is set up.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Isolation, already probed.
    pub tier: Tier,
    /// Python.
    pub interpreter: Interpreter,
    /// Number of tests that use a CPU at once.
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
    /// The program, compiled before.
    pub code: Option<Arc<Vec<u8>>>,
    /// Whether the program's code is wanted for further tests.
    pub keep_code: bool,
    /// Limits.
    pub limits: Limits,
    /// Bytes of the record.
    pub record_bytes: u64,
    /// Who asks.
    pub client: Client,
}

impl Order {
    /// Whether numpy is named in anything of it that runs.
    pub(crate) fn names_numpy(&self) -> bool {
        const NAME: &str = "numpy";
        let in_files = || {
            let files = self.files.as_ref().map(|files| bundle::files(files)).unwrap_or_default();
            let mut modules =
                files.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "py"));
            modules.any(|(_, content)| String::from_utf8_lossy(content).contains(NAME))
        };
        self.work.names(NAME) || self.prelude.as_ref().is_some_and(|prelude| prelude.contains(NAME)) || in_files()
    }
}

/// What came of an [`Order`].
#[derive(Debug)]
pub struct Done {
    /// The child's end.
    pub ending: Ending,
    /// The program's code, where it was wanted and the program compiles.
    pub code: Option<Vec<u8>>,
    /// Precedes its record.
    pub nonce: String,
    /// When a worker took the order.
    pub started: Instant,
}

pub(crate) struct Ticket {
    pub(crate) order: Order,
    pub(crate) reply: oneshot::Sender<Result<Done, String>>,
}

#[derive(Default)]
struct State {
    queue: Queue<Ticket>,
    closed: bool,
    /// Tests that use a CPU.
    busy: usize,
    /// Long ones among those that run.
    long: usize,
    /// Lanes with a zygote and nothing to do.
    idle: usize,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    /// For lanes with a zygote, and for those without.
    warm: Condvar,
    cold: Condvar,
    workers: usize,
    in_flight: AtomicUsize,
    pub(crate) alive: AtomicUsize,
    pub(crate) stopping: AtomicBool,
    pub(crate) user: UserTasks,
}

/// What a lane does next.
pub(crate) enum Next {
    Run(Box<Waiting<Ticket>>),
    /// Ends its zygote.
    Rest,
    Stop,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work. A lane without a zygote leaves it to those that have one.
    pub(crate) fn next(&self, ready: bool, surplus: bool) -> Next {
        let mut state = self.lock();
        let since = Instant::now();
        state.idle += usize::from(ready);
        let next = loop {
            let mine = ready || state.idle == 0;
            if mine && !state.queue.is_empty() && (state.busy < self.workers || state.closed) {
                let long_allowed = state.long < (self.workers / 2).max(1);
                if let Some(waiting) = state.queue.pop(long_allowed) {
                    state.busy += 1;
                    state.long += usize::from(waiting.long);
                    break Next::Run(Box::new(waiting));
                }
            }
            if state.closed && state.queue.is_empty() {
                break Next::Stop;
            }
            if surplus && ready {
                let left = IDLE.saturating_sub(since.elapsed());
                if left.is_zero() {
                    break Next::Rest;
                }
                state = self.warm.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                let changed = if ready { &self.warm } else { &self.cold };
                state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        state.idle -= usize::from(ready);
        if matches!(next, Next::Run(_)) {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            // Somebody without a zygote may be the only one left for the next.
            self.wake(&state);
        }
        next
    }

    /// Wakes a lane for the next test, where one may run: each waking costs, and one lane is enough for one test.
    fn wake(&self, state: &State) {
        if !state.queue.is_empty() && state.busy < self.workers {
            if state.idle > 0 { self.warm.notify_one() } else { self.cold.notify_one() }
        }
    }

    /// A test begins or ceases to use a CPU.
    pub(crate) fn use_cpu(&self, uses: bool) {
        let mut state = self.lock();
        if uses {
            state.busy += 1;
        } else {
            state.busy = state.busy.saturating_sub(1);
        }
        self.wake(&state);
    }

    /// Whether a test that has used this much has to make room.
    pub(crate) fn turn_is_over(&self, cpu: Duration, wall: Duration) -> bool {
        (cpu >= TURN.0 || wall >= TURN.1) && self.lock().queue.short_ones_wait()
    }

    /// A test has ended, `long` when it started.
    pub(crate) fn ended(&self, long: bool) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.lock().long -= usize::from(long);
        self.use_cpu(false);
    }

    /// Puts a test back that had its turn.
    pub(crate) fn put_back(&self, mut waiting: Waiting<Ticket>) {
        waiting.long = true;
        let mut state = self.lock();
        state.queue.remember_long(waiting.program);
        state.queue.push(waiting);
        self.wake(&state);
    }

    pub(crate) fn remember_long(&self, program: u64) {
        self.lock().queue.remember_long(program);
    }
}

/// A pool of workers.
pub struct Pool {
    shared: Arc<Shared>,
    config: PoolConfig,
    hasher: RandomState,
    lanes: Vec<JoinHandle<()>>,
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

/// Tests of a request that was taken on and which come later; they count as waiting until this is dropped.
pub struct Announced<'a> {
    pool: &'a Pool,
    number: u64,
}

impl Announced<'_> {
    /// One of them comes now.
    pub fn comes(&self) {
        self.pool.shared.lock().queue.comes(self.number);
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.pool.shared.lock().queue.withdraw(self.number);
    }
}

impl Pool {
    /// Starts the workers. Fails where the first zygote cannot be started; later losses are repaired.
    pub fn start(config: PoolConfig) -> Result<Self, PoolError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            warm: Condvar::new(),
            cold: Condvar::new(),
            workers: config.workers,
            in_flight: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            user: UserTasks::default(),
        });
        let mut lanes = Vec::new();
        let (report, reports) = std::sync::mpsc::channel();
        for number in 0..config.workers * LANES {
            let surplus = number >= config.workers;
            let mut worker = Worker::new(number, &config, Arc::clone(&shared))?;
            let report = report.clone();
            let lane = std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || {
                let first = if surplus { None } else { Some(worker.start_zygote(false)) };
                if let Some(first) = &first {
                    let _ = report.send(first.as_ref().map(drop).map_err(ToString::to_string));
                }
                drop(report);
                worker.serve(first.and_then(Result::ok), surplus);
            });
            lanes.push(lane.map_err(PoolError::System)?);
        }
        drop(report);
        let pool = Self { shared, config, hasher: RandomState::new(), lanes };
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
        let (program, client) = (self.hasher.hash_one(order.work.program()), order.client);
        let item = Ticket { order, reply };
        {
            let mut state = self.shared.lock();
            if state.closed {
                return Err("the service is stopping".into());
            }
            state.queue.push(Waiting { item, client, arrived: Instant::now(), program, long: false });
            self.shared.wake(&state);
        }
        answer.await.unwrap_or_else(|_| Err("the worker was lost".into()))
    }

    /// Counts tests as waiting that come later.
    pub fn announce(&self, tests: usize) -> Announced<'_> {
        Announced { pool: self, number: self.shared.lock().queue.announce(tests) }
    }

    /// Whether the queue is as long as it may get.
    pub fn is_full(&self) -> bool {
        self.load().queued >= self.config.queue
    }

    /// Queue length, age and what runs.
    pub fn load(&self) -> Load {
        let state = self.shared.lock();
        Load {
            queued: state.queue.len(),
            in_flight: self.shared.in_flight.load(Ordering::Relaxed),
            oldest: state.queue.oldest().map(|arrived| arrived.elapsed()).unwrap_or_default(),
            ready_workers: self.shared.alive.load(Ordering::Relaxed).min(self.config.workers),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.lock().closed = true;
        self.shared.warm.notify_all();
        self.shared.cold.notify_all();
        for lane in self.lanes.drain(..) {
            let _ = lane.join();
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
