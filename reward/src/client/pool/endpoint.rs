//! One replica of a service: whether it works, and what it has to do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};

use super::choice::Candidate;

/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES_TO_OPEN: u32 = 3;
/// For how long at first; doubles with each further failure.
const OPEN_FIRST: Duration = Duration::from_millis(250);
const OPEN_LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Endpoint {
    base: String,
    /// Ways to it; empty where the base URL says it.
    addresses: Vec<SocketAddr>,
    http: Client,
    outstanding: AtomicUsize,
    health: Mutex<Health>,
}

impl Endpoint {
    pub(super) fn new(base: String, addresses: Vec<SocketAddr>, http: Client) -> Self {
        Self { base, addresses, http, outstanding: AtomicUsize::new(0), health: Mutex::new(Health::default()) }
    }

    pub(super) fn first_address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// A request for one of its routes.
    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base))
    }

    /// How it stands, for a request that it failed so often and told to wait for so long.
    pub(super) fn candidate(&self, now: Instant, failed: u32, told_to_wait: Duration) -> Candidate {
        let (health, outstanding) = (*self.lock(), self.outstanding.load(Ordering::Relaxed));
        let on_probation = health.failures >= FAILURES_TO_OPEN && outstanding > 0;
        Candidate { wait: health.wait(now).max(told_to_wait), on_probation, failed, outstanding }
    }

    /// Counts a request as under way until what is returned is dropped, also where its future is cancelled.
    pub(super) fn enter(&self) -> Outstanding<'_> {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding(&self.outstanding)
    }

    pub(super) fn works(&self) {
        *self.lock() = Health::default();
    }

    pub(super) fn failed(&self, now: Instant) {
        self.lock().failed(now);
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The URL, with the address where that is another thing.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.first_address() {
            Some(address) => write!(formatter, "{} at {}", self.base, address.ip()),
            None => formatter.write_str(&self.base),
        }
    }
}

/// A request under way.
pub(super) struct Outstanding<'a>(&'a AtomicUsize);

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A circuit breaker.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    failures: u32,
    open_until: Option<Instant>,
}

impl Health {
    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(more) = self.failures.checked_sub(FAILURES_TO_OPEN) {
            let pause = OPEN_FIRST.saturating_mul(2_u32.saturating_pow(more.min(16))).min(OPEN_LONGEST);
            self.open_until = Some(now + pause);
        }
    }

    fn wait(self, now: Instant) -> Duration {
        self.open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_for_longer_each_time_and_closes_on_success() {
        let now = Instant::now();
        let mut health = Health::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            health.failed(now);
            waits.push(health.wait(now));
        }
        assert_eq!(waits[1], Duration::ZERO);
        assert_eq!(waits[2], OPEN_FIRST);
        assert_eq!(waits[3], OPEN_FIRST * 2);
        assert_eq!(waits[9], OPEN_LONGEST);
        assert_eq!(Health::default().wait(now), Duration::ZERO);
    }

    #[test]
    fn one_that_was_broken_is_tried_by_one_request_first() {
        let endpoint = Endpoint::new("http://host".into(), Vec::new(), Client::new());
        let now = Instant::now();
        (0..FAILURES_TO_OPEN).for_each(|_| endpoint.failed(now));
        let later = now + OPEN_FIRST;
        assert!(!endpoint.candidate(later, 0, Duration::ZERO).on_probation);
        let request = endpoint.enter();
        assert!(endpoint.candidate(later, 0, Duration::ZERO).on_probation);
        drop(request);
        endpoint.works();
        let _request = endpoint.enter();
        assert!(!endpoint.candidate(later, 0, Duration::ZERO).on_probation);
    }
}
