//! Evaluation: how many answers to unseen tasks work, are clean, and both.

use real_crds::cell::Tally;
use real_crds::progress::{Decoding, Evaluation};
use real_evaluation::Judged;

use crate::metrics::Metrics;
use crate::scoring::Outcome;

/// Counts outcomes.
pub fn tally(outcomes: &[Outcome]) -> Tally {
    let judged: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    let count =
        |holds: &dyn Fn(&real_reward::Scored) -> bool| judged.iter().filter(|scored| holds(scored)).count() as u64;
    Tally {
        n: judged.len() as u64,
        dropped: (outcomes.len() - judged.len()) as u64,
        function: count(&Judged::works),
        quality: count(&Judged::is_clean),
        joint: count(&Judged::is_both),
        no_code: count(&|scored| scored.no_code),
        ..Tally::default()
    }
}

/// The rates of these outcomes. Where none of them is a verdict there are none: a mean of nothing is not 0.
pub fn record(suite: &str, decoding: Decoding, step: u64, outcomes: &[Outcome]) -> Evaluation {
    let counts = tally(outcomes);
    Evaluation {
        suite: suite.to_owned(),
        decoding,
        step,
        n: counts.n,
        function: counts.rate(counts.function),
        quality: counts.rate(counts.quality),
        joint: counts.rate(counts.joint),
        no_code: counts.rate(counts.no_code),
        dropped: counts.dropped,
    }
}

/// What was evaluated after one step: the rates of each record as `val/SUITE/DECODING/…` with `n` and `dropped`, and the
/// means of the rates over all records that have them as `val/…`.
pub fn metrics(records: &[Evaluation]) -> Metrics {
    type Rate = fn(&Evaluation) -> Option<f64>;
    let mut metrics = Metrics::default();
    let rates: [(&str, Rate); 4] = [
        ("function", |record| record.function),
        ("quality", |record| record.quality),
        ("joint", |record| record.joint),
        ("no_code", |record| record.no_code),
    ];
    for (name, rate) in rates {
        for record in records {
            if let Some(rate) = rate(record) {
                metrics.set(format!("val/{}/{}/{name}", record.suite, record.decoding.name()), rate);
            }
        }
        let all: Vec<f64> = records.iter().filter_map(rate).collect();
        if !all.is_empty() {
            metrics.set(format!("val/{name}"), all.iter().sum::<f64>() / all.len() as f64);
        }
    }
    for record in records {
        let group = format!("val/{}/{}", record.suite, record.decoding.name());
        metrics.set(format!("{group}/n"), record.n as f64);
        metrics.set(format!("{group}/dropped"), record.dropped as f64);
    }
    metrics
}

#[cfg(test)]
mod tests {
    use real_reward::{Reason, Service, Unscored};

    use super::*;

    #[test]
    fn where_nothing_was_judged_there_is_no_result_and_no_metric_of_one() {
        let reason = Reason::Deadline { service: Service::Sandbox, last: "connection refused".to_owned() };
        let lost: Outcome = Err(Unscored { reason, attempts: 4 });
        let nothing = record("s", Decoding::Greedy, 8, &[lost.clone(), lost]);
        assert_eq!((nothing.n, nothing.dropped), (0, 2));
        assert_eq!([nothing.function, nothing.quality, nothing.joint, nothing.no_code], [None; 4]);
        let half = Evaluation { suite: "t".into(), n: 4, joint: Some(0.5), dropped: 0, ..nothing.clone() };
        let told = metrics(&[nothing, half]);
        assert_eq!((told.get("val/joint"), told.get("val/t/greedy/joint")), (Some(0.5), Some(0.5)));
        assert_eq!((told.get("val/s/greedy/joint"), told.get("val/function")), (None, None));
        assert_eq!((told.get("val/s/greedy/n"), told.get("val/s/greedy/dropped")), (Some(0.0), Some(2.0)));
    }
}
