//! Which checkpoints are worth keeping though they are not the newest.

use std::collections::BTreeMap;

use real_crds::config::{Goal, KeepBest};

use crate::metrics::Metrics;

/// The values of one metric, by step.
#[derive(Clone, Debug)]
pub struct Best {
    settings: KeepBest,
    values: BTreeMap<u64, f64>,
}

impl Best {
    /// Knows no value yet.
    pub fn new(settings: KeepBest) -> Self {
        Self { settings, values: BTreeMap::new() }
    }

    /// Name of the metric.
    pub fn metric(&self) -> &str {
        &self.settings.metric
    }

    /// Whether it was asked for and no step has the metric.
    pub fn is_missing(&self) -> bool {
        self.settings.count > 0 && self.values.is_empty()
    }

    /// Takes the metric of a step over, where it is there and finite.
    pub fn note(&mut self, step: u64, metrics: &Metrics) {
        if let Some(value) = metrics.get(&self.settings.metric).filter(|value| value.is_finite()) {
            self.values.insert(step, value);
        }
    }

    /// Of some steps those with the metric, the best first; of equals the newest first.
    fn ranked(&self, steps: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut known: Vec<(f64, u64)> =
            steps.into_iter().filter_map(|step| Some((*self.values.get(&step)?, step))).collect();
        known.sort_by(|(a, step_a), (b, step_b)| {
            let better = match self.settings.goal {
                Goal::Max => b.total_cmp(a),
                Goal::Min => a.total_cmp(b),
            };
            better.then(step_b.cmp(step_a))
        });
        known.into_iter().map(|(_, step)| step).collect()
    }

    /// The best of some steps; none where none of them has the metric.
    pub fn of(&self, steps: impl IntoIterator<Item = u64>) -> Option<u64> {
        self.ranked(steps).into_iter().next()
    }

    /// Of some steps those to be kept.
    pub fn kept(&self, steps: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut ranked = self.ranked(steps);
        ranked.truncate(usize::try_from(self.settings.count).unwrap_or(usize::MAX));
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(goal: Goal, count: u64, values: &[(u64, f64)]) -> Best {
        let mut best = Best::new(KeepBest { metric: "m".into(), goal, count });
        for (step, value) in values {
            let mut metrics = Metrics::default();
            metrics.set("m", *value);
            best.note(*step, &metrics);
        }
        best
    }

    #[test]
    fn the_largest_or_the_smallest_is_the_best_and_of_equals_the_newest() {
        let values = [(1, 0.5), (2, 0.9), (3, 0.1), (4, 0.9), (5, f64::NAN)];
        assert_eq!(best(Goal::Max, 2, &values).kept(1..=5), [4, 2]);
        assert_eq!(best(Goal::Min, 1, &values).kept(1..=5), [3]);
        assert_eq!(best(Goal::Max, 0, &values).kept(1..=5), Vec::<u64>::new());
    }

    #[test]
    fn only_steps_that_are_there_and_have_the_metric_count() {
        let best = best(Goal::Max, 1, &[(2, 0.9), (3, 0.1)]);
        assert_eq!((best.of([1, 3, 4]), best.of([1, 4]), best.of([])), (Some(3), None, None));
    }
}
