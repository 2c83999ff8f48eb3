//! Policy gradients without a critic: GRPO and its relatives. One set of fields; what is not given depends on the algorithm.

use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{defaults, rules};
use crate::config::{self, Estimator, KlEstimator, KlPlacement, LossAggregation, RolloutCorrection, Schedule};

/// A policy gradient without a critic. A step is one rollout of `batchSize · samplesPerPrompt` answers and `epochs` passes over
/// it. Fields without a default take that of the algorithm: docs/algorithms.md has the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("!has(self.clipRangeHigh) || self.clipRangeHigh >= self.clipRange")
        .message("clipRangeHigh must not be less than clipRange: the ratio is clipped to [1 - clipRange, 1 + clipRangeHigh]")
        .field_path(".clipRangeHigh"),
    Rule::new("!has(self.dualClip) || self.dualClip == 0.0 || self.dualClip > 1.0")
        .message("dualClip must be more than 1, or 0 for no such bound")
        .field_path(".dualClip"),
    Rule::new("!has(self.klPlacement) || self.klPlacement != 'loss' || !has(self.klEstimator) || self.klEstimator != 'k1'")
        .message("klEstimator k1 has a gradient of zero on average in the loss: use k2 or k3, or klPlacement: reward")
        .field_path(".klEstimator"),
    Rule::new("!has(self.klTarget) || (has(self.klCoefficient) && self.klCoefficient > 0.0)")
        .message("klTarget steers klCoefficient by factors: give one above 0 to start from")
        .field_path(".klTarget"),
    rules::warmup(),
    rules::betas(),
    rules::mini_batch(),
]))]
pub struct PolicyGradient {
    /// Optimisation steps, each one rollout.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Prompts a step.
    #[serde(default = "defaults::batch_size")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_size: u64,
    /// Answers a prompt; 8 (grpo, drGrpo, dapo), 4 (rloo) or 1 (reinforcePlusPlus, remax) where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub samples_per_prompt: Option<u64>,
    /// Samples per optimiser step; the whole rollout where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub mini_batch_size: Option<u64>,
    /// Samples per forward/backward pass.
    #[serde(default = "defaults::micro_batch_size")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub micro_batch_size: u64,
    /// Most tokens of a forward/backward pass in place of `microBatchSize`; a longer sequence is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub micro_batch_tokens: Option<u64>,
    /// Passes over the rollout.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 64))]
    pub epochs: u64,
    /// Peak learning rate.
    #[serde(default = "defaults::actor_learning_rate")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub learning_rate: f64,
    /// The probability ratio is clipped to [1 - `clipRange`, 1 + `clipRangeHigh`].
    #[serde(default = "defaults::clip_range")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub clip_range: f64,
    /// See `clipRange`, which it is where absent; dapo: at least 0.28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0), extend("exclusiveMinimum" = true))]
    pub clip_range_high: Option<f64>,
    /// Most of ratio · |advantage| where the advantage is negative; 3 where absent, 0 for no such bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub dual_clip: Option<f64>,
    /// How the losses of tokens become one: `tokenMean`, `sequenceMean`, `sequenceSum` or `fixedLength`; `sequenceMean` (grpo),
    /// `fixedLength` (drGrpo) or `tokenMean` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_aggregation: Option<LossAggregation>,
    /// Strength of the pull towards the starting point; 0.001, or 0 (drGrpo, dapo) where absent. With 0 there is no reference
    /// model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub kl_coefficient: Option<f64>,
    /// Mean divergence from the starting point that the coefficient is steered to, nats a token (Ziegler et al. 2019); the coefficient
    /// stays as it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000.0), extend("exclusiveMinimum" = true))]
    pub kl_target: Option<f64>,
    /// With `klTarget`: answers after which a coefficient that is steered all the way has changed by a fifth.
    #[serde(default = "defaults::kl_horizon")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub kl_horizon: u64,
    /// Where it pulls: in the `loss` (grpo, drGrpo, dapo where absent) or in the `reward` (the others).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_placement: Option<KlPlacement>,
    /// Estimator of a token's divergence: `k1`, `k2` or `k3`; `k3` in the loss and `k1` in the reward where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_estimator: Option<KlEstimator>,
    /// Whether the loss allows for the difference between the probabilities of generation and of training, by truncated importance
    /// sampling: `none`, `token` or `sequence`.
    #[serde(default)]
    pub rollout_correction: RolloutCorrection,
    /// Largest weight of that correction.
    #[serde(default = "defaults::rollout_correction_cap")]
    #[schemars(range(min = 1.0, max = 1_000.0))]
    pub rollout_correction_cap: f64,
    /// Coefficient of the entropy bonus.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub entropy_coefficient: f64,
    /// Discount γ of reinforcePlusPlus; the others have none.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gamma: f64,
    /// In the last so many tokens up to `maxResponseTokens` the penalty of an answer's length rises from 0 to `overlongPenalty`;
    /// none where 0. Where absent: none, but dapo a fifth of `maxResponseTokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000))]
    pub overlong_buffer_tokens: Option<u64>,
    /// Taken off the reward of an answer of the full length.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1_000.0))]
    pub overlong_penalty: f64,
    /// How often at most in a step further prompts are drawn in place of those whose answers all earn the same, from which nothing
    /// is learnt; 0 keeps those. Where absent: 0, dapo 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub max_resamples: Option<u64>,
    /// Largest global norm of gradients.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1_000_000.0), extend("exclusiveMinimum" = true))]
    pub max_grad_norm: f64,
    /// AdamW's weight decay.
    #[serde(default = "defaults::weight_decay")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// AdamW's β₁ and β₂, each in [0, 1).
    #[serde(default = "defaults::betas")]
    pub betas: [f64; 2],
    /// Steps of linear warm-up from 0.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub warmup_steps: u64,
    /// Schedule after warm-up: `constant`, `cosine` or `linear`; no step that is done has a rate of 0.
    #[serde(default = "defaults::constant")]
    pub schedule: Schedule,
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    #[serde(default = "defaults::max_skipped_updates")]
    #[schemars(range(max = 1_000))]
    pub max_skipped_updates: u64,
}

/// What an algorithm's fields are where absent.
struct Defaults {
    samples_per_prompt: u64,
    clip_range_high: f64,
    loss_aggregation: LossAggregation,
    kl_coefficient: f64,
    kl_placement: KlPlacement,
    /// Overlong buffer as a share of `maxResponseTokens`: 1/n, 0 for none.
    buffer_divisor: u64,
    max_resamples: u64,
}

const fn defaults_of(estimator: Estimator) -> Defaults {
    const PLAIN: Defaults = Defaults {
        samples_per_prompt: 8,
        clip_range_high: 0.0,
        loss_aggregation: LossAggregation::TokenMean,
        kl_coefficient: 1e-3,
        kl_placement: KlPlacement::Reward,
        buffer_divisor: 0,
        max_resamples: 0,
    };
    match estimator {
        Estimator::Grpo => {
            Defaults { loss_aggregation: LossAggregation::SequenceMean, kl_placement: KlPlacement::Loss, ..PLAIN }
        }
        Estimator::DrGrpo => Defaults {
            loss_aggregation: LossAggregation::FixedLength,
            kl_coefficient: 0.0,
            kl_placement: KlPlacement::Loss,
            ..PLAIN
        },
        Estimator::Dapo => Defaults {
            clip_range_high: 0.28,
            kl_coefficient: 0.0,
            kl_placement: KlPlacement::Loss,
            buffer_divisor: 5,
            max_resamples: 10,
            ..PLAIN
        },
        Estimator::Rloo => Defaults { samples_per_prompt: 4, ..PLAIN },
        Estimator::ReinforcePlusPlus | Estimator::Remax => Defaults { samples_per_prompt: 1, ..PLAIN },
    }
}

impl PolicyGradient {
    /// With every default resolved; answers have at most `longest` tokens.
    pub(crate) fn resolve(&self, estimator: Estimator, longest: u64) -> config::PolicyGradient {
        let absent = defaults_of(estimator);
        let samples_per_prompt = self.samples_per_prompt.unwrap_or(absent.samples_per_prompt);
        let placement = self.kl_placement.unwrap_or(match self.kl_estimator {
            Some(KlEstimator::K1) => KlPlacement::Reward,
            _ => absent.kl_placement,
        });
        config::PolicyGradient {
            estimator,
            steps: self.steps,
            batch_size: self.batch_size,
            samples_per_prompt,
            mini_batch_size: self.mini_batch_size.unwrap_or(self.batch_size * samples_per_prompt),
            micro_batch_size: self.micro_batch_size,
            micro_batch_tokens: self.micro_batch_tokens.unwrap_or(0),
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            clip_range: self.clip_range,
            clip_range_high: self.clip_range_high.unwrap_or(absent.clip_range_high.max(self.clip_range)),
            dual_clip: self.dual_clip.unwrap_or(3.0),
            loss_aggregation: self.loss_aggregation.unwrap_or(absent.loss_aggregation),
            kl: config::Kl {
                coefficient: self.kl_coefficient.unwrap_or(absent.kl_coefficient),
                placement,
                estimator: self.kl_estimator.unwrap_or(match placement {
                    KlPlacement::Loss => KlEstimator::K3,
                    KlPlacement::Reward => KlEstimator::K1,
                }),
                target: self.kl_target,
                horizon: self.kl_horizon,
            },
            rollout_correction: self.rollout_correction,
            rollout_correction_cap: self.rollout_correction_cap,
            entropy_coefficient: self.entropy_coefficient,
            gamma: self.gamma,
            overlong_buffer_tokens: self
                .overlong_buffer_tokens
                .unwrap_or_else(|| longest.checked_div(absent.buffer_divisor).unwrap_or(0)),
            overlong_penalty: self.overlong_penalty,
            max_resamples: self.max_resamples.unwrap_or(absent.max_resamples),
            max_grad_norm: self.max_grad_norm,
            weight_decay: self.weight_decay,
            betas: self.betas,
            warmup_steps: self.warmup_steps,
            schedule: self.schedule,
            max_skipped_updates: self.max_skipped_updates,
        }
    }
}
