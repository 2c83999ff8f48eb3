//! Checkpoints on their way to a bucket while the run goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use real_crds::progress;

use super::{Store, StoreError};
use crate::checkpoint::{self, Checkpoint};
use crate::progress::SharedProgress;
use crate::train::best::Best;
use crate::train::stop::Stop;

/// Wait after a round that failed; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long one who asked for the end waits for a store that does nothing.
const PATIENCE_OF_A_STOP: Duration = Duration::from_mins(2);

/// The last reason where there is none.
const SILENT: &str = "it does not answer";

/// Which checkpoints are to be kept, in the run directory and in the bucket alike.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The newest.
    pub retain: u64,
    /// And the best.
    pub best: Best,
}

impl Sync {
    /// Of some steps, in ascending order, those to be kept.
    pub fn kept(&self, steps: &BTreeSet<u64>) -> Vec<u64> {
        let mut kept = self.best.kept(steps.iter().copied());
        kept.extend(steps.iter().rev().take(self.retain.max(1) as usize));
        kept
    }
}

/// Sends checkpoints of a run directory to a bucket, by a thread of its own: what is whole on the disk, is to be kept and is not in the
/// bucket, the newest first. A store that is away stops nothing: checkpoints stay on the disk, as many as retention lets be, and are
/// tried again.
#[derive(Debug)]
pub struct Uploader {
    shared: Arc<Shared>,
    folder: PathBuf,
    uri: String,
    /// Requests that the store has done.
    done: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Sync>,
    /// Whether something has changed since the last round began.
    due: bool,
    doing: Doing,
    stored: Vec<progress::Checkpoint>,
    pending: Vec<u64>,
    /// Since when rounds have failed, and why the last did.
    failing: Option<(Instant, String)>,
    /// Why the thread has given up.
    gave_up: Option<StoreError>,
    finishing: bool,
    ended: bool,
}

/// What the thread does with a checkpoint on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Nothing,
    /// Looks through one, and asks nothing of the store.
    Verifying,
    /// Sends that of a step.
    Uploading(u64),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uploader {
    /// Begins. `known` are steps on the disk that were verified already; `stored` is what the bucket has.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        store: Store,
        run_dir: &Path,
        known: BTreeSet<u64>,
        stored: Vec<progress::Checkpoint>,
        progress: SharedProgress,
    ) -> std::io::Result<Self> {
        let state = State { stored, ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let (uri, folder, done) = (store.uri().to_owned(), run_dir.join("checkpoints"), store.done());
        let mut work = Work {
            shared: Arc::clone(&shared),
            store,
            run_dir: run_dir.to_owned(),
            folder: folder.clone(),
            progress,
            known,
            damaged: BTreeSet::new(),
            leased: BTreeSet::new(),
        };
        std::thread::Builder::new().name("uploads".to_owned()).spawn(move || work.run())?;
        Ok(Self { shared, folder, uri, done })
    }

    /// There is another checkpoint, or others are to be kept.
    pub fn sync(&self, wanted: Sync) {
        let mut state = self.shared.lock();
        (state.wanted, state.due) = (Some(wanted), true);
        self.shared.changed.notify_all();
    }

    /// The checkpoints in the bucket, oldest first.
    pub fn stored(&self) -> Vec<progress::Checkpoint> {
        self.shared.lock().stored.clone()
    }

    /// The step of the checkpoint that is being read from the disk.
    pub fn reading(&self) -> Option<u64> {
        match self.shared.lock().doing {
            Doing::Uploading(step) => Some(step),
            Doing::Nothing | Doing::Verifying => None,
        }
    }

    /// Why no checkpoint will be sent any more, where that is so.
    ///
    /// # Errors
    /// That it is so.
    pub fn check(&self) -> Result<(), StoreError> {
        self.shared.lock().gave_up.take().map_or(Ok(()), Err)
    }

    /// The newest checkpoint that is on the disk alone. What came while a round waits for the store nobody has looked at yet.
    fn not_stored(&self, state: &State) -> Option<u64> {
        if !state.due {
            return state.pending.first().copied();
        }
        let newest = checkpoint::list(&self.folder).ok()?.last()?.step;
        (!state.stored.iter().any(|stored| stored.step == newest)).then_some(newest)
    }

    /// Waits until everything is stored. A store that takes nothing for so long is waited for no longer: one that fails, and one that does
    /// not answer. Whoever asks for the end meanwhile waits two minutes for such a store at most.
    ///
    /// # Errors
    /// Something is not stored.
    pub fn finish(&self, patience: Duration, stop: &Stop) -> Result<(), StoreError> {
        let began = Instant::now();
        let (mut done, mut silent_since) = (self.done.load(Ordering::Relaxed), began);
        let mut state = self.shared.lock();
        (state.finishing, state.due) = (true, true);
        self.shared.changed.notify_all();
        loop {
            if let Some(error) = state.gave_up.take() {
                return Err(error);
            }
            if state.ended {
                return Ok(());
            }
            let patience = if stop.requested() { patience.min(PATIENCE_OF_A_STOP) } else { patience };
            let now = self.done.load(Ordering::Relaxed);
            if state.doing == Doing::Verifying || std::mem::replace(&mut done, now) != now {
                silent_since = Instant::now();
            }
            let failing = state.failing.as_ref().filter(|(since, _)| (*since).max(began).elapsed() >= patience);
            let given_up = failing.map(|(_, last)| last.clone());
            let given_up = given_up.or_else(|| (silent_since.elapsed() >= patience).then(|| SILENT.to_owned()));
            if let Some(last) = given_up {
                // Where there is none everything was sent, and that is all that could be found out.
                let Some(missing) = self.not_stored(&state) else { return Ok(()) };
                let newest = state.stored.last().map(|checkpoint| format!("that of step {}", checkpoint.step));
                return Err(StoreError::NotStored {
                    step: missing,
                    uri: self.uri.clone(),
                    waited: patience.as_secs(),
                    path: self.folder.join(format!("step-{missing}")),
                    newest: newest.unwrap_or_else(|| "none".to_owned()),
                    last,
                });
            }
            let waited = self.shared.changed.wait_timeout(state, Duration::from_millis(200));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread's own.
struct Work {
    shared: Arc<Shared>,
    store: Store,
    run_dir: PathBuf,
    folder: PathBuf,
    progress: SharedProgress,
    /// Steps on the disk that are known to be whole.
    known: BTreeSet<u64>,
    /// Those that are known not to be.
    damaged: BTreeSet<u64>,
    /// Those of which it was said that somebody reads them.
    leased: BTreeSet<u64>,
}

impl Work {
    fn run(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            {
                let mut state = self.shared.lock();
                while !state.due {
                    let (next, slept) = if state.failing.is_some() {
                        let (next, slept) =
                            self.shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
                        (next, slept.timed_out())
                    } else {
                        (self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner), false)
                    };
                    state = next;
                    if slept {
                        break;
                    }
                }
                state.due = false;
            }
            match self.round() {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    self.told_that_it_works();
                }
                Err(error @ StoreError::Taken { .. }) => {
                    let mut state = self.shared.lock();
                    (state.gave_up, state.ended) = (Some(error), true);
                    self.shared.changed.notify_all();
                    return;
                }
                Err(error) => {
                    wait = if self.shared.lock().failing.is_some() { (wait * 2).min(LONGEST_WAIT) } else { FIRST_WAIT };
                    self.told_that_it_fails(&error);
                    self.store.refresh();
                }
            }
            let mut state = self.shared.lock();
            self.shared.changed.notify_all();
            if state.finishing && !state.due && state.failing.is_none() {
                state.ended = true;
                return;
            }
        }
    }

    /// Sends what is to be sent, and then removes what is not kept any more.
    fn round(&mut self) -> Result<(), StoreError> {
        let Some(wanted) = self.shared.lock().wanted.clone() else { return Ok(()) };
        while let Some(next) = self.next(&wanted)? {
            self.shared.lock().doing = Doing::Uploading(next.step);
            let sent = self.store.upload(&next, &self.run_dir);
            self.shared.lock().doing = Doing::Nothing;
            sent?;
            tracing::info!("checkpoint {}/checkpoints/step-{}", self.store.uri(), next.step);
            let stored = self.store.whole()?;
            self.publish(&wanted, stored);
        }
        let steps = self.shared.lock().stored.iter().map(|checkpoint| checkpoint.step).collect();
        match self.store.retain(&wanted.kept(&steps)) {
            Ok(held) => {
                for (step, lease) in held.into_iter().filter(|(step, _)| self.leased.insert(*step)) {
                    self.progress.warn("CheckpointLeased", checkpoint::kept_for(step, &lease));
                }
            }
            Err(error @ StoreError::Taken { .. }) => return Err(error),
            // It is only more than has to be there; the next round tries again.
            Err(error) => tracing::warn!("{error}"),
        }
        let stored = self.shared.lock().stored.clone();
        let left: BTreeSet<u64> = self.store.known_steps();
        self.publish(&wanted, stored.into_iter().filter(|checkpoint| left.contains(&checkpoint.step)).collect());
        Ok(())
    }

    /// The next checkpoint to send.
    fn next(&mut self, wanted: &Sync) -> Result<Option<Checkpoint>, StoreError> {
        let local = checkpoint::list(&self.folder).map_err(|error| StoreError::Io {
            action: "list",
            path: self.folder.clone(),
            source: std::io::Error::other(error),
        })?;
        let stored: BTreeSet<u64> = self.shared.lock().stored.iter().map(|checkpoint| checkpoint.step).collect();
        let all = stored.iter().copied().chain(local.iter().map(|checkpoint| checkpoint.step)).collect();
        let kept = wanted.kept(&all);
        let mut missing: Vec<Checkpoint> = local
            .into_iter()
            .rev()
            .filter(|one| kept.contains(&one.step) && !stored.contains(&one.step) && !self.damaged.contains(&one.step))
            .collect();
        // Those of an earlier start may have been cut off, or passed over as damaged.
        missing.retain(|one| self.known.contains(&one.step) || self.is_whole(one));
        let pending: Vec<u64> = missing.iter().map(|one| one.step).collect();
        self.shared.lock().pending.clone_from(&pending);
        self.progress.update(|progress| progress.store.get_or_insert_default().pending = pending);
        Ok(missing.into_iter().next())
    }

    fn is_whole(&mut self, one: &Checkpoint) -> bool {
        self.shared.lock().doing = Doing::Verifying;
        let verified = checkpoint::verify(&one.path);
        self.shared.lock().doing = Doing::Nothing;
        match verified {
            Ok(_) => self.known.insert(one.step),
            Err(error) => {
                tracing::warn!("{error}; it is not stored");
                self.damaged.insert(one.step);
                false
            }
        }
    }

    fn publish(&self, wanted: &Sync, stored: Vec<progress::Checkpoint>) {
        self.shared.lock().stored.clone_from(&stored);
        let best = wanted.best.of(stored.iter().map(|checkpoint| checkpoint.step));
        self.progress.update(|progress| {
            progress.checkpoints = stored;
            progress.best_checkpoint = best;
        });
    }

    fn told_that_it_fails(&self, error: &StoreError) {
        let text = error.to_string();
        let (first, pending) = {
            let mut state = self.shared.lock();
            let since = state.failing.as_ref().map(|(since, _)| *since);
            state.failing = Some((since.unwrap_or_else(Instant::now), text.clone()));
            (since.is_none(), state.pending.first().copied())
        };
        self.progress.update(|progress| progress.store.get_or_insert_default().error = Some(text.clone()));
        if first {
            let what =
                pending.map_or_else(String::new, |step| format!("the checkpoint of step {step} is not stored yet: "));
            self.progress.warn(
                "CheckpointStoreAway",
                format!("{what}{text}; training goes on, checkpoints stay in the run directory and are tried again"),
            );
        } else {
            tracing::warn!("{text}");
        }
    }

    fn told_that_it_works(&self) {
        let failed = self.shared.lock().failing.take();
        self.progress.update(|progress| progress.store.get_or_insert_default().error = None);
        if let Some((since, _)) = failed {
            let newest = self.shared.lock().stored.last().map_or(0, |checkpoint| checkpoint.step);
            self.progress.warn(
                "CheckpointStoreBack",
                format!(
                    "{} takes checkpoints again, after {} s; the newest there is that of step {newest}",
                    self.store.uri(),
                    since.elapsed().as_secs()
                ),
            );
        }
    }
}
