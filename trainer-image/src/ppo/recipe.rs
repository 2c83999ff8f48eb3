//! What tells one algorithm from another, resolved from the configuration: where advantages come from, what the loss is, and
//! which models there have to be.

use real_crds::config::{self, KlEstimator, KlPlacement, LossAggregation, Schedule};

use super::advantage::Estimator;
use super::kl::Controller;
use super::losses::Clip;
use crate::optim::AdamWConfig;
use crate::sequences::MicroBatches;

/// An algorithm with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Its name in checkpoints and messages.
    pub name: &'static str,
    /// Optimisation steps, each one rollout.
    pub steps: u64,
    /// Prompts a step.
    pub batch_size: u64,
    /// Answers a prompt.
    pub samples_per_prompt: u64,
    /// Samples per optimiser step.
    pub mini_batch_size: u64,
    /// How a mini-batch is cut.
    pub micro: MicroBatches,
    /// Passes over the rollout.
    pub epochs: u64,
    /// Where advantages come from.
    pub estimator: Estimator,
    /// Whether a greedy answer to each prompt is the baseline.
    pub greedy_baseline: bool,
    /// The critic, where there is one.
    pub critic: Option<Critic>,
    /// The actor's loss.
    pub loss: PolicyLossSpec,
    /// The pull towards the starting point in the rewards; its strength may be 0.
    pub reward_kl: Option<Pull>,
    /// What steers the strength of the pull, where it does not stay as it is.
    pub kl_controller: Option<Controller>,
    /// How the loss allows for the difference between generation and training.
    pub correction: Option<Correction>,
    /// Whether there has to be a reference model.
    pub reference: bool,
    /// Penalty of long answers.
    pub overlong: Option<Overlong>,
    /// How often at most further prompts are drawn in place of those whose answers all earn the same.
    pub max_resamples: u64,
    /// Learning rate of the actor.
    pub learning_rate: f64,
    /// Constants of the optimiser.
    pub adamw: AdamWConfig,
    /// Largest global norm of gradients.
    pub max_grad_norm: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Schedule after warm-up.
    pub schedule: Schedule,
    /// Updates in a row that may be skipped.
    pub max_skipped_updates: u64,
}

/// How the critic learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Critic {
    /// Its learning rate.
    pub learning_rate: f64,
    /// Clip range of its values.
    pub clip_range: f64,
    /// Steps in which it alone learns.
    pub warmup_steps: u64,
}

/// Truncated importance sampling between generation and training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// Whether by the ratio of whole answers; else of single tokens.
    pub by_sequence: bool,
    /// Largest weight.
    pub cap: f64,
}

impl Correction {
    fn of(configured: config::RolloutCorrection, cap: f64) -> Option<Self> {
        let by_sequence = match configured {
            config::RolloutCorrection::None => return None,
            config::RolloutCorrection::Token => false,
            config::RolloutCorrection::Sequence => true,
        };
        Some(Self { by_sequence, cap })
    }
}

/// A pull towards the starting point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// Strength.
    pub coefficient: f64,
    /// Estimator of a token's divergence.
    pub estimator: KlEstimator,
}

/// The actor's loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyLossSpec {
    /// Clipping of the probability ratio.
    pub clip: Clip,
    /// How tokens' losses become one.
    pub aggregation: LossAggregation,
    /// Most tokens of an answer.
    pub longest: u64,
    /// The pull towards the starting point in the loss.
    pub kl: Option<Pull>,
    /// Coefficient of the entropy bonus.
    pub entropy: f64,
}

/// Penalty of long answers, which rises from 0 to `penalty` over the last `buffer` tokens up to the `longest` (Yu et al. 2025,
/// soft overlong punishment).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlong {
    /// Tokens over which it rises.
    pub buffer: u64,
    /// Its most.
    pub penalty: f64,
    /// Most tokens of an answer.
    pub longest: u64,
}

impl Overlong {
    /// What is added to the reward of an answer of `length` tokens; 0 or less.
    pub fn shaping(self, length: usize) -> f64 {
        let free = self.longest.saturating_sub(self.buffer);
        let over = (length as u64).saturating_sub(free) as f64 / self.buffer.max(1) as f64;
        -self.penalty * over.min(1.0)
    }
}

impl Recipe {
    /// PPO; answers have at most `longest` tokens.
    pub fn ppo(ppo: &config::Ppo, longest: u64) -> Self {
        Self {
            name: "ppo",
            steps: ppo.steps,
            batch_size: ppo.batch_size,
            samples_per_prompt: ppo.samples_per_prompt,
            mini_batch_size: ppo.mini_batch_size,
            micro: MicroBatches::new(ppo.micro_batch_size, ppo.micro_batch_tokens),
            epochs: ppo.epochs,
            estimator: Estimator::Gae { gamma: ppo.gamma, lambda: ppo.gae_lambda, whiten: ppo.whiten_advantages },
            greedy_baseline: false,
            critic: Some(Critic {
                learning_rate: ppo.critic_learning_rate,
                clip_range: ppo.value_clip_range,
                warmup_steps: ppo.critic_warmup_steps,
            }),
            loss: PolicyLossSpec {
                clip: Clip { low: ppo.clip_range, high: ppo.clip_range, dual: Some(3.0) },
                aggregation: LossAggregation::TokenMean,
                longest,
                kl: None,
                entropy: ppo.entropy_coefficient,
            },
            reward_kl: Some(Pull { coefficient: ppo.kl_coefficient, estimator: KlEstimator::K1 }),
            kl_controller: ppo.kl_target.map(|target| Controller { target, horizon: ppo.kl_horizon as f64 }),
            correction: Correction::of(ppo.rollout_correction, ppo.rollout_correction_cap),
            reference: true,
            overlong: None,
            max_resamples: 0,
            learning_rate: ppo.actor_learning_rate,
            adamw: adamw(ppo.betas, ppo.weight_decay),
            max_grad_norm: ppo.max_grad_norm,
            warmup_steps: ppo.warmup_steps,
            schedule: ppo.schedule,
            max_skipped_updates: ppo.max_skipped_updates,
        }
    }

    /// The strength of the pull towards the starting point, wherever it is; none where there is no pull.
    pub fn kl_coefficient(&self) -> Option<f64> {
        self.reward_kl.or(self.loss.kl).map(|pull| pull.coefficient)
    }

    /// Sets it.
    pub fn set_kl_coefficient(&mut self, coefficient: f64) {
        for pull in [&mut self.reward_kl, &mut self.loss.kl].into_iter().flatten() {
            pull.coefficient = coefficient;
        }
    }

    /// GRPO or one of its relatives; answers have at most `longest` tokens.
    pub fn policy_gradient(gradient: &config::PolicyGradient, longest: u64) -> Self {
        use config::Estimator as Named;
        let (name, estimator) = match gradient.estimator {
            Named::Grpo => ("grpo", Estimator::Group { scaled: true }),
            Named::DrGrpo => ("drGrpo", Estimator::Group { scaled: false }),
            Named::Dapo => ("dapo", Estimator::Group { scaled: true }),
            Named::Rloo => ("rloo", Estimator::LeaveOneOut),
            Named::ReinforcePlusPlus => ("reinforcePlusPlus", Estimator::Whitened { gamma: gradient.gamma }),
            Named::Remax => ("remax", Estimator::GreedyBaseline),
        };
        let pull = Pull { coefficient: gradient.kl.coefficient, estimator: gradient.kl.estimator };
        let at = |place| (gradient.kl.placement == place && pull.coefficient > 0.0).then_some(pull);
        let (buffer, penalty) = (gradient.overlong_buffer_tokens, gradient.overlong_penalty);
        Self {
            name,
            steps: gradient.steps,
            batch_size: gradient.batch_size,
            samples_per_prompt: gradient.samples_per_prompt,
            mini_batch_size: gradient.mini_batch_size,
            micro: MicroBatches::new(gradient.micro_batch_size, gradient.micro_batch_tokens),
            epochs: gradient.epochs,
            estimator,
            greedy_baseline: estimator == Estimator::GreedyBaseline,
            critic: None,
            loss: PolicyLossSpec {
                clip: Clip {
                    low: gradient.clip_range,
                    high: gradient.clip_range_high,
                    dual: (gradient.dual_clip > 0.0).then_some(gradient.dual_clip),
                },
                aggregation: gradient.loss_aggregation,
                longest,
                kl: at(KlPlacement::Loss),
                entropy: gradient.entropy_coefficient,
            },
            reward_kl: at(KlPlacement::Reward),
            kl_controller: gradient
                .kl
                .target
                .filter(|_| pull.coefficient > 0.0)
                .map(|target| Controller { target, horizon: gradient.kl.horizon as f64 }),
            correction: Correction::of(gradient.rollout_correction, gradient.rollout_correction_cap),
            reference: pull.coefficient > 0.0,
            overlong: (buffer > 0).then_some(Overlong { buffer, penalty, longest }),
            max_resamples: gradient.max_resamples,
            learning_rate: gradient.learning_rate,
            adamw: adamw(gradient.betas, gradient.weight_decay),
            max_grad_norm: gradient.max_grad_norm,
            warmup_steps: gradient.warmup_steps,
            schedule: gradient.schedule,
            max_skipped_updates: gradient.max_skipped_updates,
        }
    }
}

fn adamw(betas: [f64; 2], weight_decay: f64) -> AdamWConfig {
    AdamWConfig { betas, weight_decay, ..AdamWConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_penalty_of_length_rises_over_the_buffer_and_no_further() {
        let overlong = Overlong { buffer: 20, penalty: 0.5, longest: 100 };
        let of = |length| overlong.shaping(length);
        assert!((of(1), of(80)) == (0.0, 0.0) || (of(1), of(80)) == (-0.0, -0.0));
        assert!((of(90) + 0.25).abs() < 1e-12 && (of(100) + 0.5).abs() < 1e-12 && (of(120) + 0.5).abs() < 1e-12);
    }
}
