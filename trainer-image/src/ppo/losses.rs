//! The clipped losses of PPO, token by token: tensors may have any shape, the same for all arguments.

use tch::{Kind, Tensor};

/// Bound of the log-ratio before it is exponentiated (newer verl).
const MAX_LOG_RATIO: f64 = 20.0;

/// Dual clip: bound of ratio·|A| where the advantage is negative (Ye et al. 2020; verl's `clip_ratio_c`).
const DUAL_CLIP: f64 = 3.0;

/// Sum of the `values` of a micro-batch's tokens divided by `tokens`, their number in the whole mini-batch: with it the
/// gradient does not depend on how a mini-batch is cut into micro-batches.
pub fn token_mean(values: &Tensor, tokens: f64) -> Tensor {
    values.sum(Kind::Float) / tokens
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

/// −min(A·ρ, A·clip(ρ, 1±ε)), and no more than 3·|A| where A < 0, with ρ = `exp(log π − log π_old)`.
///
/// `log_probs` carries the gradient.
pub fn policy(log_probs: &Tensor, old: &Tensor, advantages: &Tensor, clip: f64) -> PolicyLoss {
    let log_ratio = (log_probs - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
    let ratio = log_ratio.exp();
    let plain = -(advantages * &ratio);
    let clamped = -(advantages * ratio.clamp(1.0 - clip, 1.0 + clip));
    let clipped = clamped.gt_tensor(&plain).to_kind(Kind::Float);
    let once = plain.maximum(&clamped);
    let twice = once.minimum(&(advantages * -DUAL_CLIP));
    let loss = twice.where_self(&advantages.lt(0.0), &once);
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
