//! Counters of the service, as Prometheus text.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use real_detector_api::AnalysisErrorKind;

/// What is counted.
pub(super) struct Metrics {
    registry: Registry,
    /// Programs that wait.
    pub(super) queued: Gauge,
    /// Programs being analysed.
    pub(super) in_flight: Gauge,
    /// Seconds of analysis a program.
    pub(super) seconds: Histogram,
    /// Programs analysed, for `/v1/status`; among the metrics it is the count of the histogram.
    pub(super) answered: Counter,
    /// Requests answered with 429.
    pub(super) refused: Counter,
    /// Programs without an analysis, or without a whole one, by cause.
    unjudged: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("real_detector");
        let (queued, in_flight) = (Gauge::default(), Gauge::default());
        let (answered, refused) = (Counter::default(), Counter::default());
        let unjudged = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.0005, 2.0, 16));
        registry.register("queue_depth", "Programs that wait for a worker", queued.clone());
        registry.register("in_flight", "Programs being analysed", in_flight.clone());
        registry.register("program_seconds", "Seconds of analysis of a program", seconds.clone());
        registry.register("refused_requests", "Requests answered with 429", refused.clone());
        registry.register(
            "unjudged_programs",
            "Programs that an analysis came to no end with, by cause",
            unjudged.clone(),
        );
        for cause in [AnalysisErrorKind::TooCostly, AnalysisErrorKind::Unanalysable, AnalysisErrorKind::Internal] {
            // Present at zero, so that an alarm has something to look at.
            drop(unjudged.get_or_create(&[("cause", cause.label())]));
        }
        Self { registry, queued, in_flight, seconds, answered, refused, unjudged }
    }
}

impl Metrics {
    /// Counts a program without an analysis.
    pub(super) fn unjudged(&self, cause: AnalysisErrorKind) {
        self.unjudged.get_or_create(&[("cause", cause.label())]).inc();
    }

    /// Prometheus text.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics cannot be written");
        }
        text
    }
}
