//! Times a reconcile.

use std::time::Instant;

use super::{Controller, Metrics, Outcome, Reason};

/// Counts and times one reconcile, also one that is dropped half-way.
#[must_use = "dropped at once, the reconcile counts as cancelled"]
pub struct ReconcileTimer {
    metrics: Metrics,
    controller: Controller,
    begun: Instant,
    outcome: Outcome,
}

impl ReconcileTimer {
    pub(super) fn new(metrics: Metrics, controller: Controller) -> Self {
        Self { metrics, controller, begun: Instant::now(), outcome: Outcome::Cancelled }
    }

    /// The object had changed meanwhile.
    pub fn outdated(mut self) {
        self.outcome = Outcome::Outdated;
    }

    /// The reconcile ended.
    pub fn finish(mut self, result: Result<(), Reason>) {
        self.outcome = match result {
            Ok(()) => Outcome::Success,
            Err(reason) => Outcome::Error(reason),
        };
    }
}

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        self.metrics.reconciled(self.controller, self.outcome, self.begun.elapsed());
    }
}
