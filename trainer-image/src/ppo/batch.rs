//! All that an update learns from.

use tch::{Kind, Tensor};

use super::advantage::{Estimator, Evidence};
use super::{kl, masked};
use crate::metrics::Metrics;
use crate::sequences::Sequence;

/// What the models say about a rollout, before anything is learnt from it. Tensors are `[B, R]`.
pub struct Experience {
    /// One where a token counts.
    pub mask: Tensor,
    /// Log-probabilities by the policy that is about to be updated.
    pub log_probs: Tensor,
    /// Log-probabilities by the reference policy.
    pub reference: Tensor,
    /// The critic's values.
    pub values: Tensor,
}

/// A rollout ready to be learnt from. Tensors are `[B, R]`: B samples, R tokens of the longest answer.
pub struct Batch {
    /// Prompts with answers.
    pub sequences: Vec<Sequence>,
    /// Log-probabilities before the update.
    pub old_log_probs: Tensor,
    /// Values before the update.
    pub old_values: Tensor,
    /// Advantages, whitened where asked for.
    pub advantages: Tensor,
    /// What the critic should say.
    pub returns: Tensor,
}

impl Batch {
    /// From scores (one an answer, normalised already) to advantages; also what can be said about the batch.
    pub fn new(
        sequences: Vec<Sequence>,
        scores: &[f64],
        experience: Experience,
        kl_coefficient: f64,
        estimator: &dyn Estimator,
    ) -> (Self, Metrics) {
        let Experience { mask, log_probs, reference, values } = experience;
        let scores: Vec<f32> = scores.iter().map(|score| *score as f32).collect();
        let scores = Tensor::from_slice(&scores).to_device(mask.device());
        let divergence = kl::k1(&log_probs, &reference) * &mask;
        let rewards = kl::token_rewards(&scores, &divergence, &mask, kl_coefficient);
        let estimate = estimator.estimate(&Evidence { rewards: &rewards, values: &values, mask: &mask });

        let mut metrics = Metrics::default();
        let per_answer = divergence.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        let lengths = mask.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        metrics.set("critic/kl", number(&(&per_answer / &lengths).mean(Kind::Float)));
        metrics.set("critic/kl_per_answer", number(&per_answer.mean(Kind::Float)));
        metrics.set("critic/kl_coeff", kl_coefficient);
        let of_answers = rewards.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        summarise(&mut metrics, "critic/rewards", &of_answers);
        let counted = |tensor: &Tensor| tensor.masked_select(&mask.to_kind(Kind::Bool));
        summarise(&mut metrics, "critic/advantages", &counted(&estimate.advantages));
        summarise(&mut metrics, "critic/returns", &counted(&estimate.returns));
        summarise(&mut metrics, "critic/values", &counted(&values));
        metrics.set("critic/vf_explained_var", explained_variance(&values, &estimate.returns, &mask));

        let batch = Self {
            sequences,
            old_log_probs: log_probs,
            old_values: values,
            advantages: estimate.advantages,
            returns: estimate.returns,
        };
        (batch, metrics)
    }
}

/// 1 − var(returns − values) / var(returns): 1 where the critic knew, 0 where it might as well have said a constant.
fn explained_variance(values: &Tensor, returns: &Tensor, mask: &Tensor) -> f64 {
    let unexplained = masked::variance(&(returns - values), mask);
    number(&(1.0 - unexplained / (masked::variance(returns, mask) + 1e-5)))
}

fn summarise(metrics: &mut Metrics, name: &str, values: &Tensor) {
    let values: Vec<f64> = Vec::try_from(values.to_kind(Kind::Double).reshape([-1])).unwrap_or_default();
    metrics.set_summary(name, values);
}

fn number(scalar: &Tensor) -> f64 {
    scalar.double_value(&[])
}
