//! Where advantages come from: one interface, so that estimators without a critic can be added beside GAE.

use tch::Tensor;

use super::{gae::gae, masked};

/// What an estimator sees of a rollout. Tensors are `[B, R]`.
pub struct Evidence<'a> {
    /// Rewards of single tokens, KL penalty included.
    pub rewards: &'a Tensor,
    /// The critic's values before the update.
    pub values: &'a Tensor,
    /// One where a token counts.
    pub mask: &'a Tensor,
}

/// What the update needs. Both `[B, R]`.
pub struct Advantages {
    /// How much better a token was than expected.
    pub advantages: Tensor,
    /// What the critic should have said.
    pub returns: Tensor,
}

/// A way to tell how much better than expected each token was.
pub trait Estimator {
    /// Advantages and returns of a whole batch. Pure: no state between batches.
    fn estimate(&self, evidence: &Evidence<'_>) -> Advantages;
}

/// Generalised advantage estimation, optionally whitened over the whole batch.
#[derive(Clone, Copy, Debug)]
pub struct Gae {
    /// Discount γ.
    pub gamma: f64,
    /// Bias-variance trade-off λ.
    pub lambda: f64,
    /// Whether advantages are whitened.
    pub whiten: bool,
}

impl Estimator for Gae {
    fn estimate(&self, evidence: &Evidence<'_>) -> Advantages {
        let (advantages, returns) = gae(evidence.rewards, evidence.values, evidence.mask, self.gamma, self.lambda);
        let advantages = if self.whiten { masked::whiten(&advantages, evidence.mask) } else { advantages };
        Advantages { advantages, returns }
    }
}
