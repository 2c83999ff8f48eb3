//! Evaluation: how many answers to unseen tasks work, are clean, and both.

use real_crds::progress::{Decoding, Evaluation};

use crate::metrics::Metrics;
use crate::scoring::Outcome;

/// Counts outcomes.
pub fn record(suite: &str, decoding: Decoding, step: u64, outcomes: &[Outcome]) -> Evaluation {
    let judged: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let share = |holds: &dyn Fn(&real_reward::Scored) -> bool| {
        judged.iter().filter(|scored| holds(scored)).count() as f64 / judged.len().max(1) as f64
    };
    let clean = |scored: &real_reward::Scored| scored.quality >= 1.0;
    Evaluation {
        suite: suite.to_owned(),
        decoding,
        step,
        n: judged.len() as u64,
        function: share(&|scored| scored.function_all),
        quality: share(&clean),
        joint: share(&|scored| scored.function_all && clean(scored)),
        no_code: share(&|scored| scored.no_code),
        dropped: (outcomes.len() - judged.len()) as u64,
    }
}

/// The rates as `val/SUITE/DECODING/…`.
pub fn metrics(record: &Evaluation) -> Metrics {
    let mut metrics = Metrics::default();
    for (name, value) in [
        ("function", record.function),
        ("quality", record.quality),
        ("joint", record.joint),
        ("no_code", record.no_code),
    ] {
        metrics.set(format!("val/{}/{}/{name}", record.suite, record.decoding.name()), value);
    }
    metrics
}
