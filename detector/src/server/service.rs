//! What requests share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::metrics::Metrics;
use crate::judge::Judge;

/// What requests share.
pub(super) struct Service {
    pub(super) running: Semaphore,
    /// Places for programs, running or waiting.
    pub(super) places: Arc<Semaphore>,
    pub(super) most_programs: usize,
    pub(super) longest_wait: Option<Duration>,
    pub(super) workers: usize,
    /// When the programs that wait arrived. Workers are given out in order, so the first is the oldest.
    pub(super) waiting: Mutex<VecDeque<Instant>>,
    pub(super) judge: Judge,
    pub(super) metrics: Metrics,
}

impl Service {
    /// When the programs that wait arrived.
    pub(super) fn waiting(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the oldest program has waited.
    pub(super) fn oldest(&self) -> Duration {
        self.waiting().front().map(Instant::elapsed).unwrap_or_default()
    }
}
