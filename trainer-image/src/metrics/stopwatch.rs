//! Where the time of a step goes.

use std::time::Instant;

use super::Metrics;

/// Seconds by phase, reported as `timing_s/PHASE`.
pub struct Stopwatch {
    started: Instant,
    phases: Metrics,
}

impl Stopwatch {
    /// Starts the step.
    pub fn start() -> Self {
        Self { started: Instant::now(), phases: Metrics::default() }
    }

    /// Runs a phase and adds its seconds to what it took before.
    pub fn time<T>(&mut self, phase: &str, run: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = run();
        self.add(phase, started.elapsed().as_secs_f64());
        result
    }

    /// Adds seconds that were measured elsewhere.
    pub fn add(&mut self, phase: &str, seconds: f64) {
        let name = format!("timing_s/{phase}");
        let before = self.phases.get(&name).unwrap_or(0.0);
        self.phases.set(name, before + seconds);
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// All phases.
    pub fn metrics(&self) -> Metrics {
        self.phases.clone()
    }
}
