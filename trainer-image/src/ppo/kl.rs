//! The divergence from the reference policy: estimators of it, per token (Schulman, "Approximating KL divergence", 2020), and what
//! keeps it near a target.

use real_crds::config::KlEstimator;
use tch::Tensor;

/// The divergence of each token by one of the estimators.
pub fn estimate(estimator: KlEstimator, log_probs: &Tensor, reference: &Tensor) -> Tensor {
    match estimator {
        KlEstimator::K1 => k1(log_probs, reference),
        KlEstimator::K2 => k2(log_probs, reference),
        KlEstimator::K3 => k3(log_probs, reference),
    }
}

/// k1 = `log π(a) − log π_ref(a)`: unbiased, may be negative. The paper's and verl's default in the reward.
pub fn k1(log_probs: &Tensor, reference: &Tensor) -> Tensor {
    log_probs - reference
}

/// k2 = `½ (log π(a) − log π_ref(a))²`.
pub fn k2(log_probs: &Tensor, reference: &Tensor) -> Tensor {
    (log_probs - reference).square() * 0.5
}

/// k3 = r − 1 − log r with `r = π_ref(a)/π(a)`: unbiased and never negative. Bounded as in verl: exponent to ±20, result to ±10.
pub fn k3(log_probs: &Tensor, reference: &Tensor) -> Tensor {
    let log_ratio = (reference - log_probs).clamp(-20.0, 20.0);
    (log_ratio.exp() - &log_ratio - 1.0).clamp(-10.0, 10.0)
}

/// Rewards of single tokens: the answer's score at its last token, minus `coefficient · kl` at each.
///
/// `scores` is `[B]`; `kl` and `mask` are `[B, R]`, where `mask` is one up to and including the end-of-text token.
/// Every row of `mask` has at least one token.
pub fn token_rewards(scores: &Tensor, kl: &Tensor, mask: &Tensor, coefficient: f64) -> Tensor {
    let last = mask.sum_dim_intlist([-1].as_slice(), true, tch::Kind::Int64) - 1;
    let at_last = mask.zeros_like().scatter(-1, &last, &scores.unsqueeze(-1));
    at_last - kl * mask * coefficient
}

/// Steers the strength β of the pull so that the divergence stays near a target (Ziegler et al. 2019, "Fine-tuning language models
/// from human preferences", §2.2), with the horizon in answers as verl and TRL have it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controller {
    /// Mean over answers of the mean divergence of their tokens, nats.
    pub target: f64,
    /// Answers; the larger, the slower.
    pub horizon: f64,
}

/// The relative error counts no more than this.
const MOST_ERROR: f64 = 0.2;

impl Controller {
    /// β after a batch of `answers` with this `divergence`: β · (1 + clip(KL / target − 1, ±0.2) · n / horizon).
    ///
    /// It never falls to 0, from which no factor would lift it, whatever the batch and the horizon are.
    pub fn steer(self, coefficient: f64, divergence: f64, answers: usize) -> f64 {
        let error = (divergence / self.target - 1.0).clamp(-MOST_ERROR, MOST_ERROR);
        let factor = 1.0 + error * answers as f64 / self.horizon;
        if factor.is_finite() { coefficient * factor.max(0.5) } else { coefficient }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strength_follows_the_divergence_and_never_vanishes() {
        let controller = Controller { target: 0.1, horizon: 1000.0 };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(controller.steer(0.5, 0.1, 256), 0.5), "at the target it stays");
        assert!(close(controller.steer(0.5, 0.11, 100), 0.5 * 1.01), "a tenth too much, a tenth of the horizon");
        assert!(close(controller.steer(0.5, 7.0, 100), 0.5 * 1.02), "no more than a fifth of error");
        assert!(close(controller.steer(0.5, -1.0, 100), 0.5 * 0.98), "an estimate may be negative");
        assert!(controller.steer(0.5, 0.0, 1_000_000) > 0.0);
        assert!(close(controller.steer(0.5, f64::NAN, 100), 0.5), "what is no number steers nothing");
    }

    #[test]
    fn the_score_lands_on_the_last_token_that_counts() {
        let mask = Tensor::from_slice2(&[[1.0_f32, 1.0, 0.0], [1.0, 1.0, 1.0]]);
        let rewards = token_rewards(&Tensor::from_slice(&[5.0_f32, 7.0]), &mask.ones_like(), &mask, 0.5);
        let expected = Tensor::from_slice2(&[[-0.5_f32, 4.5, 0.0], [-0.5, -0.5, 6.5]]);
        assert!(rewards.equal(&expected), "{rewards:?}");
    }
}
