//! Evaluation: how many answers to unseen tasks work, are clean, and both.

use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;
use crate::scoring::Outcome;

/// How evaluated answers were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// The most probable token each time.
    Greedy,
    /// Sampled at temperature 1.
    Sampled,
}

impl Decoding {
    fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Sampled => "sampled",
        }
    }
}

/// A line of `evaluations.jsonl`. Rates are shares of `n` in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Name of the suite.
    pub suite: String,
    /// How answers were chosen.
    pub decoding: Decoding,
    /// Optimisation steps done.
    pub step: u64,
    /// Answers judged.
    pub n: u64,
    /// Answers that pass every functional test.
    pub function: f64,
    /// Answers that are programs without finding.
    pub quality: f64,
    /// Answers that are both.
    pub joint: f64,
    /// Answers without a code block.
    pub no_code: f64,
    /// Answers that could not be judged because of us; not part of `n`.
    pub dropped: u64,
}

impl EvaluationRecord {
    /// Counts outcomes.
    pub fn of(suite: &str, decoding: Decoding, step: u64, outcomes: &[Outcome]) -> Self {
        let judged: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        let share = |holds: &dyn Fn(&real_reward::Scored) -> bool| {
            judged.iter().filter(|scored| holds(scored)).count() as f64 / judged.len().max(1) as f64
        };
        let clean = |scored: &real_reward::Scored| scored.quality >= 1.0;
        Self {
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
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for (name, value) in
            [("function", self.function), ("quality", self.quality), ("joint", self.joint), ("no_code", self.no_code)]
        {
            metrics.set(format!("val/{}/{}/{name}", self.suite, self.decoding.name()), value);
        }
        metrics
    }
}
