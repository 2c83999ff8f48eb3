//! All that an update learns from.

use real_crds::config::KlEstimator;
use tch::{Kind, Tensor};

use super::advantage::{Advantages, Estimator, Evidence};
use super::recipe::Pull;
use super::{kl, masked};
use crate::metrics::Metrics;
use crate::sequences::Sequence;

/// What the models say about a rollout, before anything is learnt from it. Tensors are `[B, R]`.
pub struct Experience {
    /// One where a token counts.
    pub mask: Tensor,
    /// Log-probabilities by the policy that is about to be updated.
    pub log_probs: Tensor,
    /// Log-probabilities by the reference policy, where there is one.
    pub reference: Option<Tensor>,
    /// The critic's values, where there is one.
    pub values: Option<Tensor>,
    /// Which prompt each answer is to.
    pub groups: Vec<usize>,
    /// Reward of the greedy answer to each answer's prompt, where there is one; `[B]`.
    pub greedy: Option<Tensor>,
}

/// A rollout ready to be learnt from. Tensors are `[B, R]`: B samples, R tokens of the longest answer.
pub struct Batch {
    /// Prompts with answers.
    pub sequences: Vec<Sequence>,
    /// Log-probabilities before the update.
    pub old_log_probs: Tensor,
    /// Log-probabilities by the reference policy, where there is one.
    pub reference: Option<Tensor>,
    /// Values before the update, where there is a critic.
    pub old_values: Option<Tensor>,
    /// How much better each token was than expected.
    pub advantages: Tensor,
    /// What a critic should say.
    pub returns: Tensor,
    /// Weights of the tokens in the policy's loss, where it allows for the difference between generation and training.
    pub weights: Option<Tensor>,
}

impl Batch {
    /// From scores (one an answer, normalised already) to advantages; also what can be said about the batch. `pull` is the one
    /// in the rewards.
    pub fn new(
        sequences: Vec<Sequence>,
        scores: &[f64],
        experience: Experience,
        pull: Option<Pull>,
        estimator: Estimator,
    ) -> (Self, Metrics) {
        let Experience { mask, log_probs, reference, values, groups, greedy } = experience;
        let scores: Vec<f32> = scores.iter().map(|score| *score as f32).collect();
        let scores = Tensor::from_slice(&scores).to_device(mask.device());
        let none = log_probs.zeros_like();
        let by = |estimator| reference.as_ref().map(|reference| kl::estimate(estimator, &log_probs, reference) * &mask);
        let penalty = pull.and_then(|pull| by(pull.estimator)).unwrap_or(none);
        let rewards = kl::token_rewards(&scores, &penalty, &mask, pull.map_or(0.0, |pull| pull.coefficient));
        let evidence = Evidence {
            rewards: &rewards,
            values: values.as_ref(),
            mask: &mask,
            groups: &groups,
            greedy: greedy.as_ref(),
        };
        let Advantages { advantages, returns } = estimator.estimate(&evidence);

        let mut metrics = Metrics::default();
        if let Some(divergence) = by(KlEstimator::K1) {
            let per_answer = divergence.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
            let lengths = mask.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
            metrics.set("critic/kl", number(&(&per_answer / &lengths).mean(Kind::Float)));
            metrics.set("critic/kl_per_answer", number(&per_answer.mean(Kind::Float)));
        }
        if let Some(pull) = pull {
            metrics.set("critic/kl_coeff", pull.coefficient);
        }
        let of_answers = rewards.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
        summarise(&mut metrics, "critic/rewards", &of_answers);
        let counted = |tensor: &Tensor| tensor.masked_select(&mask.to_kind(Kind::Bool));
        summarise(&mut metrics, "critic/advantages", &counted(&advantages));
        summarise(&mut metrics, "critic/returns", &counted(&returns));
        if let Some(values) = &values {
            summarise(&mut metrics, "critic/values", &counted(values));
            metrics.set("critic/vf_explained_var", explained_variance(values, &returns, &mask));
        }
        let batch = Self {
            sequences,
            old_log_probs: log_probs,
            reference,
            old_values: values,
            advantages,
            returns,
            weights: None,
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
