//! Numbers that people decide by: pure functions, without I/O.
//!
//! The unit is the task: answers to the same task are not independent of each other, so a task's answers are averaged first,
//! and tasks are what is resampled and what is compared. A mean of nothing is `None`, never 0.

mod bootstrap;
mod exact;
mod pass_at_k;

pub use bootstrap::{REPLICATES, interval};
pub use exact::{bounds_where_all_agree, sign_test};
pub use pass_at_k::pass_at_k;

use serde::{Deserialize, Serialize};

/// A mean over tasks, with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The mean of the tasks' means.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Tasks.
    pub tasks: usize,
}

impl Rate {
    /// The mean of one value a task, each from 0 to 1. The interval is that of [`interval_of_mean`]. `None` without tasks.
    pub fn of(values: &[f64], seed: u64) -> Option<Self> {
        Self::within(values, (0.0, 1.0), seed)
    }

    /// The same of values within another range.
    pub fn within(values: &[f64], range: (f64, f64), seed: u64) -> Option<Self> {
        let value = mean(values)?;
        let (low, high) = interval_of_mean(values, range, seed)?;
        Some(Self { value, low, high, tasks: values.len() })
    }
}

/// The 95 % interval of the mean of values that lie within `range`: the percentile bootstrap's over tasks or, where all tasks agree and
/// resampling has nothing to vary, what their number alone can tell ([`bounds_where_all_agree`]). `None` without tasks.
pub fn interval_of_mean(values: &[f64], range: (f64, f64), seed: u64) -> Option<(f64, f64)> {
    let first = *values.first()?;
    // One and the same share may have come about by sums of another order.
    let agree = values.iter().all(|value| (value - first).abs() < 1e-12);
    Some(if agree { bounds_where_all_agree(first, range, values.len()) } else { interval(values, seed, REPLICATES) })
}

/// `None` where there is nothing to average.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_nothing_is_none() {
        assert_eq!(Rate::of(&[], 1), None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn where_all_tasks_agree_the_interval_still_knows_how_many_there_are() {
        let few = Rate::of(&[1.0; 4], 1).unwrap();
        let many = Rate::of(&[1.0; 400], 1).unwrap();
        assert!(few.low < 0.5 && many.low > 0.99, "{few:?} {many:?}");
        assert_eq!((few.value.to_bits(), many.high.to_bits()), (1.0_f64.to_bits(), 1.0_f64.to_bits()));
        let none = Rate::of(&[0.0; 4], 1).unwrap();
        assert!((none.high - (1.0 - few.low)).abs() < 1e-12, "{none:?}");
        let one = Rate::of(&[2.0 / 3.0], 1).unwrap();
        assert!(one.low < 0.02 && one.high > 0.99, "a single task says next to nothing: {one:?}");
        let thirds = Rate::of(&[2.0 / 3.0, 1.0 - 1.0 / 3.0, 2.0 / 3.0], 1).unwrap();
        assert!(thirds.low < 0.3 && thirds.high > 0.8, "{thirds:?}");
        assert_eq!(interval_of_mean(&[], (0.0, 1.0), 1), None);
    }
}
