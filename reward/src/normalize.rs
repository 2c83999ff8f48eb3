//! Normalisation of rewards before they become advantages.

use serde::{Deserialize, Serialize};

/// Smallest standard deviation that is divided by; below it all rewards count as equal.
const EPSILON: f64 = 1e-8;

/// How rewards are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Not at all.
    #[default]
    None,
    /// To zero mean and unit variance over the batch.
    Batch,
    /// By mean and variance of all rewards seen so far, this batch included.
    Running,
}

/// Moments of the rewards seen so far. Belongs into checkpoints: resuming from it gives the same numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Number of rewards.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared differences from the mean.
    pub sum_of_squares: f64,
}

impl Moments {
    /// Moments of a batch.
    pub fn of(rewards: &[f64]) -> Self {
        if rewards.is_empty() {
            return Self::default();
        }
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        let sum_of_squares = rewards.iter().map(|reward| (reward - mean).powi(2)).sum();
        Self { count: rewards.len() as u64, mean, sum_of_squares }
    }

    /// Moments of both together (Chan, Golub, `LeVeque` 1979).
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0 {
            return self;
        }
        let (a, b, n) = (self.count as f64, other.count as f64, count as f64);
        let delta = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * b / n,
            sum_of_squares: self.sum_of_squares + other.sum_of_squares + delta * delta * a * b / n,
        }
    }

    /// Population standard deviation.
    pub fn deviation(self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.sum_of_squares / self.count as f64).sqrt() }
    }
}

/// The rewards of a batch, normalised, and the moments to give to the next call. Where all rewards are equal the
/// normalised ones are 0.
pub fn normalize(mode: Normalization, seen: Moments, rewards: &[f64]) -> (Vec<f64>, Moments) {
    let batch = Moments::of(rewards);
    let all = seen.merge(batch);
    let by = match mode {
        Normalization::None => return (rewards.to_vec(), all),
        Normalization::Batch => batch,
        Normalization::Running => all,
    };
    let deviation = by.deviation();
    let scale = if deviation < EPSILON { 0.0 } else { deviation.recip() };
    (rewards.iter().map(|reward| (reward - by.mean) * scale).collect(), all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn none_leaves_rewards_alone() {
        assert_eq!(normalize(Normalization::None, Moments::default(), &[1.0, -1.0, 0.5]).0, [1.0, -1.0, 0.5]);
    }

    #[test]
    fn batch_has_zero_mean_and_unit_variance() {
        let (normal, _) = normalize(Normalization::Batch, Moments::default(), &[1.0, 0.5, -1.0, 0.0]);
        let moments = Moments::of(&normal);
        assert!(close(moments.mean, 0.0) && close(moments.deviation(), 1.0), "{moments:?}");
    }

    #[test]
    fn equal_rewards_become_zero() {
        assert_eq!(normalize(Normalization::Batch, Moments::default(), &[0.5; 3]).0, [0.0; 3]);
        assert_eq!(normalize(Normalization::Running, Moments::default(), &[]).0, [0.0; 0]);
    }

    #[test]
    fn running_moments_are_those_of_all_rewards_together() {
        let (first, second) = ([1.0, -1.0, 0.5], [0.25, 0.75]);
        let (_, seen) = normalize(Normalization::Running, Moments::default(), &first);
        let (normal, seen) = normalize(Normalization::Running, seen, &second);
        let whole = Moments::of(&[1.0, -1.0, 0.5, 0.25, 0.75]);
        assert!(close(seen.mean, whole.mean) && close(seen.deviation(), whole.deviation()) && seen.count == 5);
        assert!(close(normal[0], (0.25 - whole.mean) / whole.deviation()));
    }

    #[test]
    fn moments_survive_a_checkpoint_exactly() {
        let (_, seen) = normalize(Normalization::Running, Moments::default(), &[0.1, 0.2, 0.7]);
        let stored = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Moments>(&stored).unwrap(), seen);
    }
}
