//! How far the probabilities of generation are from those of training, and weights that allow for it. Both are the same policy's, by
//! other kernels and in other batches; PPO takes the ratio of old and new for that of what was sampled, so the difference has to
//! be small.

use tch::{Kind, Tensor};

use super::recipe::Correction;
use crate::metrics::Metrics;

/// Bound of the logarithm of a weight before it is exponentiated (verl).
const MAX_LOG_WEIGHT: f64 = 20.0;

/// `log q − log p` of each token, p by generation and q by training; zero where no token counts. With its mask, both `[B, R]`.
#[derive(Debug)]
pub struct Mismatch<'m> {
    log_ratio: Tensor,
    mask: &'m Tensor,
}

impl<'m> Mismatch<'m> {
    /// `generated` holds the log-probabilities of each answer's tokens, in the order of the rows of `recomputed` and `mask`
    /// `[B, R]`.
    ///
    /// # Errors
    /// An answer has another number of log-probabilities than tokens.
    pub fn new<'a>(
        generated: impl Iterator<Item = &'a [f32]>,
        recomputed: &Tensor,
        mask: &'m Tensor,
    ) -> anyhow::Result<Self> {
        let (rows, columns) = recomputed.size2()?;
        let lengths: Vec<i64> = Vec::try_from(mask.sum_dim_intlist([1].as_slice(), false, Kind::Int64))?;
        let mut matrix = vec![0.0_f32; (rows * columns) as usize];
        for (row, log_probs) in generated.enumerate() {
            let expected = lengths.get(row).copied().unwrap_or_default();
            anyhow::ensure!(
                log_probs.len() as i64 == expected,
                "answer {row} has {} log-probabilities and {expected} tokens",
                log_probs.len()
            );
            let start = row * columns as usize;
            matrix[start..start + log_probs.len()].copy_from_slice(log_probs);
        }
        let generated = Tensor::from_slice(&matrix).reshape([rows, columns]).to_device(recomputed.device());
        Ok(Self { log_ratio: (recomputed - generated) * mask, mask })
    }

    /// `rollout/kl`: mean of `log p − log q` over the answers' tokens, nats a token (the k1 estimate of the divergence, since p
    /// drew the tokens); and `rollout/max_ratio`: the largest of p/q and q/p.
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.set("rollout/kl", -self.mean(&self.log_ratio));
        metrics.set("rollout/max_ratio", self.log_ratio.abs().max().double_value(&[]).exp());
        metrics
    }

    /// Weights of the tokens' losses `[B, R]`, min(q/p, cap), of each token or of its whole answer; and `rollout/weight_mean` with
    /// `rollout/weight_capped`, the share of tokens whose weight was truncated.
    ///
    /// Source: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training", and verl's
    /// `rollout_correction` (`rollout_is: token` and `sequence`).
    pub fn weights(&self, correction: Correction) -> (Tensor, Metrics) {
        let log_weights = if correction.by_sequence {
            self.log_ratio.sum_dim_intlist([1].as_slice(), true, Kind::Float).expand_as(&self.log_ratio)
        } else {
            self.log_ratio.shallow_clone()
        };
        let free = log_weights.clamp(-MAX_LOG_WEIGHT, MAX_LOG_WEIGHT).exp();
        let weights = free.clamp_max(correction.cap);
        let mut metrics = Metrics::default();
        metrics.set("rollout/weight_mean", self.mean(&weights));
        metrics.set("rollout/weight_capped", self.mean(&free.gt(correction.cap).to_kind(Kind::Float)));
        (weights, metrics)
    }

    fn mean(&self, values: &Tensor) -> f64 {
        let tokens = self.mask.sum(Kind::Double).double_value(&[]).max(1.0);
        (values * self.mask).sum(Kind::Double).double_value(&[]) / tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_count_and_the_ratio_is_taken_in_both_directions() {
        let recomputed = Tensor::from_slice2(&[[-1.0_f32, -2.0, 0.0], [-3.0, 0.0, 0.0]]);
        let mask = Tensor::from_slice2(&[[1.0_f32, 1.0, 0.0], [1.0, 0.0, 0.0]]);
        let generated = [vec![-1.0_f32, -2.5], vec![-2.75]];
        let mismatch =
            Mismatch::new(generated.iter().map(Vec::as_slice), &recomputed, &mask).expect("a number a token");
        let metrics = mismatch.metrics();
        assert!((metrics.get("rollout/kl").expect("a mean") - -0.25 / 3.0).abs() < 1e-9);
        assert!((metrics.get("rollout/max_ratio").expect("a ratio") - 0.5_f64.exp()).abs() < 1e-9);
        let (_, metrics) = mismatch.weights(Correction { by_sequence: false, cap: 1.5 });
        assert!((metrics.get("rollout/weight_capped").expect("a share") - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_log_probability_too_few_is_an_error() {
        let ones = Tensor::ones([1, 2], (Kind::Float, tch::Device::Cpu));
        assert!(Mismatch::new([[0.0_f32].as_slice()].into_iter(), &ones, &ones).is_err());
    }
}
