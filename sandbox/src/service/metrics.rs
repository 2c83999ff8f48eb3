//! Prometheus metrics.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use real_sandbox_api::{BatchResponse, Status, Tier};

use crate::pool::Load;

type Labels = Vec<(&'static str, &'static str)>;

/// The service's counters.
pub(super) struct Metrics {
    registry: Registry,
    tests: Family<Labels, Counter>,
    /// Sum of `tests`, for `/v1/status`.
    answered: Counter,
    refused: Counter,
    /// Tests without a verdict, by cause.
    dropped: Family<Labels, Counter>,
    cpu_seconds: Histogram,
    queue_seconds: Histogram,
    queued: Gauge,
    in_flight: Gauge,
    ready_workers: Gauge,
    oldest: Gauge<f64, AtomicU64>,
}

impl Metrics {
    pub(super) fn new(tier: Tier) -> Self {
        let mut registry = Registry::with_prefix("real_sandbox");
        let metrics = Self {
            tests: Family::default(),
            answered: Counter::default(),
            refused: Counter::default(),
            dropped: Family::default(),
            cpu_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            queue_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            queued: Gauge::default(),
            in_flight: Gauge::default(),
            ready_workers: Gauge::default(),
            oldest: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("tests", "Tests answered, by verdict", metrics.tests.clone());
        registry.register("refused_batches", "Batches refused because the queue was full", metrics.refused.clone());
        registry.register("dropped_tests", "Tests without a verdict, by whose fault it is", metrics.dropped.clone());
        for cause in ["sandbox", "task", "deadline"] {
            // Present at zero, so that an alarm has something to look at.
            drop(metrics.dropped.get_or_create(&vec![("cause", cause)]));
        }
        registry.register("test_cpu_seconds", "CPU time of a test", metrics.cpu_seconds.clone());
        registry.register(
            "queue_wait_seconds",
            "Time a batch waited for its first test",
            metrics.queue_seconds.clone(),
        );
        registry.register("queue_depth", "Tests waiting for a worker", metrics.queued.clone());
        registry.register("in_flight", "Tests running", metrics.in_flight.clone());
        registry.register("ready_workers", "Workers with a live zygote", metrics.ready_workers.clone());
        registry.register("queue_oldest_seconds", "Age of the oldest waiting test", metrics.oldest.clone());
        let isolation: Family<Labels, Gauge> = Family::default();
        isolation.get_or_create(&vec![("tier", tier_name(tier))]).set(1);
        registry.register("isolation", "Isolation tier that tests run under", isolation);
        Self { registry, ..metrics }
    }

    pub(super) fn batch(&self, response: &BatchResponse) {
        self.queue_seconds.observe(response.queue_ms / 1e3);
        for result in &response.results {
            self.test(status_name(result.status), result.cpu_ms / 1e3);
        }
    }

    pub(super) fn test(&self, status: &'static str, cpu_seconds: f64) {
        self.tests.get_or_create(&vec![("status", status)]).inc();
        self.answered.inc();
        match status {
            "sandbox_error" => self.dropped("sandbox"),
            "task_error" => self.dropped("task"),
            _ => {}
        }
        self.cpu_seconds.observe(cpu_seconds);
    }

    /// A test got no verdict.
    pub(super) fn dropped(&self, cause: &'static str) {
        self.dropped.get_or_create(&vec![("cause", cause)]).inc();
    }

    /// Tests answered, whatever the verdict.
    pub(super) fn answered_total(&self) -> u64 {
        self.answered.get()
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }

    pub(super) fn refused_total(&self) -> u64 {
        self.refused.get()
    }

    pub(super) fn render(&self, load: Load) -> String {
        self.queued.set(load.queued as i64);
        self.in_flight.set(load.in_flight as i64);
        self.ready_workers.set(load.ready_workers as i64);
        self.oldest.set(load.oldest.as_secs_f64());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "A",
        Tier::B => "B",
        Tier::G => "G",
        Tier::Unisolated => "unisolated",
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Passed => "passed",
        Status::WrongAnswer => "wrong_answer",
        Status::RuntimeError => "runtime_error",
        Status::SyntaxError => "syntax_error",
        Status::TimeLimit => "time_limit",
        Status::MemoryLimit => "memory_limit",
        Status::OutputLimit => "output_limit",
        Status::Crashed => "crashed",
        Status::Skipped => "skipped",
        Status::TaskError => "task_error",
        Status::SandboxError => "sandbox_error",
    }
}
