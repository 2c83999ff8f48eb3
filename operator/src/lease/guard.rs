//! What a writer asks before it writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;
use tokio::time::Instant;

/// This replica does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not hold the lease: write nothing and leave the object to the leader")]
pub struct NotLeader;

/// Says whether this replica may write now. Cheap; ask before each write.
///
/// It closes by time alone, whatever the elector is doing, a margin before another replica can take the lease.
#[derive(Clone)]
pub struct Guard(Arc<Shared>);

struct Shared {
    origin: Instant,
    /// Nanoseconds after `origin`; 0 is never, `u64::MAX` always.
    valid_until: AtomicU64,
    leads: watch::Sender<bool>,
}

impl Guard {
    /// The guard of a process that needs no election.
    pub fn always() -> Self {
        Self::with(u64::MAX)
    }

    fn with(valid_until: u64) -> Self {
        let leads = watch::Sender::new(valid_until == u64::MAX);
        Self(Arc::new(Shared { origin: Instant::now(), valid_until: AtomicU64::new(valid_until), leads }))
    }

    /// A closed guard and the only handle that opens it.
    pub(crate) fn closed() -> (Self, Key) {
        let guard = Self::with(0);
        (guard.clone(), Key(guard))
    }

    /// Fails unless this replica may write now.
    pub fn check(&self) -> Result<(), NotLeader> {
        let valid_until = self.0.valid_until.load(Ordering::SeqCst);
        if valid_until == u64::MAX || self.0.nanoseconds(Instant::now()) < valid_until {
            Ok(())
        } else {
            Err(NotLeader)
        }
    }

    /// Becomes true when the lease is acquired and false when it is released or lost. Its value is news, not permission:
    /// [`Guard::check`] is what to ask before a write.
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.0.leads.subscribe()
    }

    /// Returns once this replica leads.
    pub async fn acquired(&self) {
        // The sender lives as long as `self`.
        let _ = self.changes().wait_for(|leads| *leads).await;
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Guard").field(&self.check().is_ok()).finish()
    }
}

impl Shared {
    fn nanoseconds(&self, instant: Instant) -> u64 {
        // 584 years fit.
        instant.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

/// Opens and closes a guard. Dropping it closes the guard: an elector that is gone renews nothing.
pub(crate) struct Key(Guard);

impl Key {
    /// Opens the guard until `until`.
    pub(crate) fn open(&self, until: Instant) {
        let shared = &self.0.0;
        shared.valid_until.store(shared.nanoseconds(until), Ordering::SeqCst);
        shared.leads.send_if_modified(|leads| !std::mem::replace(leads, true));
    }

    /// Closes the guard.
    pub(crate) fn close(&self) {
        let shared = &self.0.0;
        shared.valid_until.store(0, Ordering::SeqCst);
        shared.leads.send_if_modified(|leads| std::mem::replace(leads, false));
    }

    /// A guard of this key.
    pub(super) fn guard(&self) -> Guard {
        self.0.clone()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_guard_closes_by_time_alone() {
        let (guard, key) = Guard::closed();
        assert_eq!(guard.check(), Err(NotLeader));
        tokio::time::advance(Duration::from_secs(1)).await;
        key.open(Instant::now() + Duration::from_secs(13));
        tokio::time::advance(Duration::from_millis(12_999)).await;
        assert_eq!(guard.check(), Ok(()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(guard.check(), Err(NotLeader));
        assert!(*guard.changes().borrow(), "nobody said that the lease is lost");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_began_too_long_ago_does_not_open_a_guard() {
        let (guard, key) = Guard::closed();
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        key.open(begun + Duration::from_secs(13));
        assert_eq!(guard.check(), Err(NotLeader));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_once() {
        let (guard, key) = Guard::closed();
        let mut changes = guard.changes();
        key.open(Instant::now() + Duration::from_secs(1));
        assert!(*changes.borrow_and_update());
        key.open(Instant::now() + Duration::from_secs(2));
        assert!(!changes.has_changed().unwrap(), "a renewal is no change");
        guard.acquired().await;
        key.close();
        assert!(!*changes.borrow_and_update());
    }

    #[tokio::test(start_paused = true)]
    async fn a_guard_whose_elector_is_gone_is_closed() {
        let (guard, key) = Guard::closed();
        key.open(Instant::now() + Duration::from_secs(10));
        drop(key);
        assert_eq!(guard.check(), Err(NotLeader));
        assert!(!*guard.changes().borrow());
    }

    #[tokio::test]
    async fn without_an_election_everybody_leads() {
        let guard = Guard::always();
        assert_eq!(guard.check(), Ok(()));
        guard.acquired().await;
    }
}
