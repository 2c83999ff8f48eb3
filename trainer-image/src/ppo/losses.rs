//! The clipped losses of PPO, token by token: tensors may have any shape, the same for all arguments.

use real_crds::config::LossAggregation;
use tch::{Kind, Tensor};

/// Bound of the log-ratio before it is exponentiated (newer verl).
const MAX_LOG_RATIO: f64 = 20.0;

/// How the probability ratio is kept near 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// The ratio counts no less than 1 − `low`.
    pub low: f64,
    /// The ratio counts no more than 1 + `high`.
    pub high: f64,
    /// Bound of ratio·|A| where the advantage is negative (Ye et al. 2020; verl's `clip_ratio_c`); none where absent.
    pub dual: Option<f64>,
}

/// Sum of the `values` of a micro-batch's tokens divided by `tokens`, their number in the whole mini-batch: with it the
/// gradient does not depend on how a mini-batch is cut into micro-batches.
pub fn token_mean(values: &Tensor, tokens: f64) -> Tensor {
    values.sum(Kind::Float) / tokens
}

/// How the losses of a mini-batch's tokens become one, known before any of them: Σ weight · loss / `divisor`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregator {
    kind: LossAggregation,
    divisor: f64,
}

impl Aggregator {
    /// Of a mini-batch with answers of these lengths; none of them is longer than `longest` tokens.
    pub fn new(kind: LossAggregation, lengths: &[usize], longest: u64) -> Self {
        let (answers, tokens) = (lengths.len() as f64, lengths.iter().sum::<usize>() as f64);
        let divisor = match kind {
            LossAggregation::TokenMean => tokens,
            LossAggregation::SequenceMean | LossAggregation::SequenceSum => answers,
            LossAggregation::FixedLength => answers * longest.max(1) as f64,
        };
        Self { kind, divisor }
    }

    /// Weights of the tokens of answers of these lengths, one answer after the other; none where all are 1.
    pub fn weights(self, lengths: &[usize]) -> Option<Tensor> {
        let of_answer = |length: &usize| std::iter::repeat_n(1.0 / *length as f32, *length);
        let weights = || Tensor::from_slice(&lengths.iter().flat_map(of_answer).collect::<Vec<f32>>());
        (self.kind == LossAggregation::SequenceMean).then(weights)
    }

    /// The part that some tokens with these weights have in the loss of the mini-batch.
    pub fn sum(self, values: &Tensor, weights: Option<&Tensor>) -> Tensor {
        match weights {
            None => token_mean(values, self.divisor),
            Some(weights) => token_mean(&(values * weights), self.divisor),
        }
    }
}

/// Policy loss and what it says about the update, a number a token.
pub struct PolicyLoss {
    /// Loss to be minimised.
    pub loss: Tensor,
    /// One where the clipped branch was taken.
    pub clipped: Tensor,
    /// k1 estimate of the divergence between the policy of the rollout and the current one.
    pub kl: Tensor,
}

/// −min(A·ρ, A·clip(ρ, 1 − low, 1 + high)), and no more than dual·|A| where A < 0, with ρ = `exp(log π − log π_old)`.
///
/// `log_probs` carries the gradient.
pub fn policy(log_probs: &Tensor, old: &Tensor, advantages: &Tensor, clip: Clip) -> PolicyLoss {
    let log_ratio = (log_probs - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let ratio = log_ratio.exp();
    let plain = -(advantages * &ratio);
    let clamped = -(advantages * ratio.clamp(1.0 - clip.low, 1.0 + clip.high));
    let clipped = clamped.gt_tensor(&plain).to_kind(Kind::Float);
    let once = plain.maximum(&clamped);
    let loss = match clip.dual {
        Some(most) => once.minimum(&(advantages * -most)).where_self(&advantages.lt(0.0), &once),
        None => once,
    };
    PolicyLoss { loss, clipped, kl: -log_ratio.detach() }
}

/// Value loss and what it says, a number a token.
pub struct ValueLoss {
    /// Loss to be minimised.
    pub loss: Tensor,
    /// One where the clipped branch was taken.
    pub clipped: Tensor,
}

/// ½·max((V − R)², (clip(V, `V_old` ± ε) − R)²). `values` carries the gradient.
pub fn value(values: &Tensor, old: &Tensor, returns: &Tensor, clip: f64) -> ValueLoss {
    let near = old + (values - old).clamp(-clip, clip);
    let plain = (values - returns).square();
    let clamped = (near - returns).square();
    let clipped = clamped.gt_tensor(&plain).to_kind(Kind::Float);
    ValueLoss { loss: plain.maximum(&clamped) * 0.5, clipped }
}
