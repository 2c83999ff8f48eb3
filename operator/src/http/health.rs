//! Whether the process lives and is ready.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The main loop stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the main loop has not beaten for {age:?}, more than {limit:?}: restart the process")]
pub struct Stalled {
    /// Since the last beat.
    pub age: Duration,
    /// What is allowed.
    pub limit: Duration,
}

/// Caches are not filled yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("caches are not filled yet: {}", .missing.join(", "))]
pub struct NotReady {
    /// Their names.
    pub missing: Vec<&'static str>,
}

/// State behind the probes; clones share it.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    beat: Instant,
    missing: BTreeSet<&'static str>,
}

impl Health {
    /// Alive until `limit` after the last beat, of which this is the first; ready once all `caches` are filled.
    pub fn new(limit: Duration, caches: impl IntoIterator<Item = &'static str>) -> Self {
        let state = State { beat: Instant::now(), missing: caches.into_iter().collect() };
        Self(Arc::new(Inner { limit, state: Mutex::new(state) }))
    }

    /// The main loop goes on.
    pub fn beat(&self) {
        self.state().beat = Instant::now();
    }

    /// Beats four times within the limit, for ever. Run it on the runtime that the controllers run on, so that it stops when
    /// that is stuck.
    pub async fn keep_beating(&self) -> std::convert::Infallible {
        let period = (self.0.limit / 4).max(Duration::from_millis(1));
        loop {
            self.beat();
            tokio::time::sleep(period).await;
        }
    }

    /// The cache `name` is filled. It stays so: a watch that starts anew keeps what it had.
    pub fn synced(&self, name: &str) {
        self.state().missing.remove(name);
    }

    /// Fails where the main loop stands still.
    pub fn alive(&self) -> Result<(), Stalled> {
        let (age, limit) = (self.state().beat.elapsed(), self.0.limit);
        if age > limit { Err(Stalled { age, limit }) } else { Ok(()) }
    }

    /// Fails while a cache is not filled.
    pub fn ready(&self) -> Result<(), NotReady> {
        let missing: Vec<_> = self.state().missing.iter().copied().collect();
        if missing.is_empty() { Ok(()) } else { Err(NotReady { missing }) }
    }

    /// Nothing that holds the lock can be half done, so a panic elsewhere spoils nothing.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_lives_as_long_as_it_beats() {
        let health = Health::new(Duration::from_secs(30), []);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(health.alive(), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        let stalled = Stalled { age: Duration::from_secs(31), limit: Duration::from_secs(30) };
        assert_eq!(health.alive(), Err(stalled));
        health.beat();
        assert_eq!(health.alive(), Ok(()));
        let beating = health.clone();
        tokio::spawn(async move { beating.keep_beating().await });
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(health.alive(), Ok(()));
    }

    #[tokio::test]
    async fn a_process_is_ready_once_all_its_caches_are_filled() {
        let health = Health::new(Duration::from_secs(30), ["pods", "jobs"]);
        assert_eq!(health.ready(), Err(NotReady { missing: vec!["jobs", "pods"] }));
        health.synced("jobs");
        assert_eq!(health.ready(), Err(NotReady { missing: vec!["pods"] }));
        health.synced("pods");
        health.synced("pods");
        assert_eq!(health.ready(), Ok(()));
    }
}
