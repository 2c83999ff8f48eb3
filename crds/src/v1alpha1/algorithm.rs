//! What to optimise and how. Defaults are the paper's.

use kube::core::{Message, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PolicyGradient, defaults, rules};
use crate::config::{RolloutCorrection, Schedule};

/// An algorithm that compares a prompt's answers needs two of them.
fn group_of_two(name: &str) -> Rule {
    Rule::new(format!("!has(self.{name}) || !has(self.{name}.samplesPerPrompt) || self.{name}.samplesPerPrompt >= 2"))
        .message(Message::Message(format!(
            "samplesPerPrompt of {name} must be at least 2: answers to a prompt are compared with each other"
        )))
        .field_path(format!(".{name}.samplesPerPrompt"))
}

/// The training algorithm: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("(has(self.ppo) ? 1 : 0) + (has(self.grpo) ? 1 : 0) + (has(self.drGrpo) ? 1 : 0) + (has(self.dapo) ? 1 : 0) \
            + (has(self.rloo) ? 1 : 0) + (has(self.reinforcePlusPlus) ? 1 : 0) + (has(self.remax) ? 1 : 0) \
            + (has(self.sft) ? 1 : 0) == 1")
        .message("exactly one of ppo, grpo, drGrpo, dapo, rloo, reinforcePlusPlus, remax and sft must be set"),
    group_of_two("grpo"),
    group_of_two("drGrpo"),
    group_of_two("dapo"),
    group_of_two("rloo"),
]))]
pub struct Algorithm {
    /// Proximal policy optimisation with a learned critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ppo: Option<Ppo>,
    /// Group relative policy optimisation: an answer is compared with the others to its prompt. No critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpo: Option<PolicyGradient>,
    /// GRPO without its biases: no division by the deviation, nor by the length of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dr_grpo: Option<PolicyGradient>,
    /// GRPO with a higher upper clip, a mean over tokens, a penalty of overlong answers, and new prompts in place of those whose
    /// answers all earn the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dapo: Option<PolicyGradient>,
    /// REINFORCE, the mean of the prompt's other answers being the baseline. No critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rloo: Option<PolicyGradient>,
    /// REINFORCE with rewards whitened over the batch; one answer a prompt will do. No critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reinforce_plus_plus: Option<PolicyGradient>,
    /// REINFORCE, the reward of the greedy answer being the baseline; it is generated beside the others. No critic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remax: Option<PolicyGradient>,
    /// Supervised fine-tuning on demonstrations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sft: Option<Sft>,
}

/// Proximal policy optimisation. A step is one rollout of `batchSize · samplesPerPrompt` answers and `epochs` passes over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rules::mini_batch(),
    Rule::new("!has(self.miniBatchSize) || has(self.microBatchTokens) || self.microBatchSize < 1 || self.miniBatchSize % self.microBatchSize == 0")
        .message(Message::Expression("'microBatchSize (%d) must divide miniBatchSize (%d)'\
            .format([self.microBatchSize, self.miniBatchSize])".into()))
        .field_path(".microBatchSize"),
    Rule::new("has(self.miniBatchSize) || has(self.microBatchTokens) || self.microBatchSize < 1 || self.batchSize > 1000000 || self.samplesPerPrompt > 1024 \
            || (self.batchSize * self.samplesPerPrompt) % self.microBatchSize == 0")
        .message(Message::Expression("'microBatchSize (%d) must divide batchSize · samplesPerPrompt (%d)'\
            .format([self.microBatchSize, self.batchSize * self.samplesPerPrompt])".into()))
        .field_path(".microBatchSize"),
    Rule::new("self.criticWarmupSteps <= self.steps")
        .message(Message::Expression("'criticWarmupSteps (%d) must not be more than steps (%d)'\
            .format([self.criticWarmupSteps, self.steps])".into()))
        .field_path(".criticWarmupSteps"),
    Rule::new("self.warmupSteps == 0 || self.criticWarmupSteps + self.warmupSteps <= self.steps")
        .message(Message::Expression("'criticWarmupSteps (%d) and warmupSteps (%d) together must not be more than steps (%d)'\
            .format([self.criticWarmupSteps, self.warmupSteps, self.steps])".into()))
        .field_path(".warmupSteps"),
    rules::betas(),
    Rule::new("!has(self.klTarget) || self.klCoefficient > 0.0")
        .message("klTarget steers klCoefficient by factors: give one above 0 to start from")
        .field_path(".klTarget"),
]))]
pub struct Ppo {
    /// Optimisation steps, each one rollout.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Prompts a step.
    #[serde(default = "defaults::batch_size")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_size: u64,
    /// Answers a prompt.
    #[serde(default = "defaults::one")]
    #[schemars(range(min = 1, max = 1024))]
    pub samples_per_prompt: u64,
    /// Samples per optimiser step; the whole rollout where absent, as in the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub mini_batch_size: Option<u64>,
    /// Samples per forward/backward pass; divides `miniBatchSize`.
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
    /// Learning rate of the actor.
    #[serde(default = "defaults::actor_learning_rate")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub actor_learning_rate: f64,
    /// Learning rate of the critic.
    #[serde(default = "defaults::critic_learning_rate")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub critic_learning_rate: f64,
    /// Coefficient of the KL penalty in the reward.
    #[serde(default = "defaults::kl_coefficient")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub kl_coefficient: f64,
    /// Mean divergence from the starting point that the coefficient is steered to, nats a token (Ziegler et al. 2019); the coefficient
    /// stays as it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000.0), extend("exclusiveMinimum" = true))]
    pub kl_target: Option<f64>,
    /// With `klTarget`: answers after which a coefficient that is steered all the way has changed by a fifth.
    #[serde(default = "defaults::kl_horizon")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub kl_horizon: u64,
    /// Coefficient of the entropy bonus.
    #[serde(default = "defaults::entropy_coefficient")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub entropy_coefficient: f64,
    /// Clip range ε of the probability ratio.
    #[serde(default = "defaults::clip_range")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub clip_range: f64,
    /// Clip range of the value function.
    #[serde(default = "defaults::value_clip_range")]
    #[schemars(range(min = 0.0, max = 1_000.0), extend("exclusiveMinimum" = true))]
    pub value_clip_range: f64,
    /// Discount γ.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gamma: f64,
    /// λ of generalised advantage estimation.
    #[serde(default = "defaults::unit")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gae_lambda: f64,
    /// Whether advantages are whitened over the batch.
    #[serde(default = "defaults::yes")]
    pub whiten_advantages: bool,
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
    /// Steps in which only the critic learns.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub critic_warmup_steps: u64,
    /// Steps of linear warm-up of both learning rates, each counted from the first step in which its model learns.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub warmup_steps: u64,
    /// Schedule of both learning rates after warm-up: `constant`, `cosine` or `linear`; no step that is done has a rate of 0.
    #[serde(default = "defaults::constant")]
    pub schedule: Schedule,
    /// Whether the loss allows for the difference between the probabilities of generation and of training, by truncated importance
    /// sampling: `none`, `token` or `sequence`.
    #[serde(default)]
    pub rollout_correction: RolloutCorrection,
    /// Largest weight of that correction.
    #[serde(default = "defaults::rollout_correction_cap")]
    #[schemars(range(min = 1.0, max = 1_000.0))]
    pub rollout_correction_cap: f64,
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    #[serde(default = "defaults::max_skipped_updates")]
    #[schemars(range(max = 1_000))]
    pub max_skipped_updates: u64,
}

/// Supervised fine-tuning on demonstrations; the loss is on the answer only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    Rule::new("has(self.microBatchTokens) || self.microBatchSize < 1 || self.batchSize % self.microBatchSize == 0")
        .message(Message::Expression("'microBatchSize (%d) must divide batchSize (%d)'\
            .format([self.microBatchSize, self.batchSize])".into()))
        .field_path(".microBatchSize"),
    rules::warmup(),
    rules::betas(),
]))]
pub struct Sft {
    /// Optimiser steps.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub steps: u64,
    /// Demonstrations a step.
    #[serde(default = "defaults::batch_size")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub batch_size: u64,
    /// Demonstrations per forward/backward pass; divides `batchSize`.
    #[serde(default = "defaults::micro_batch_size")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub micro_batch_size: u64,
    /// Most tokens of a forward/backward pass in place of `microBatchSize`; a longer sequence is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub micro_batch_tokens: Option<u64>,
    /// Peak learning rate.
    #[serde(default = "defaults::sft_learning_rate")]
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub learning_rate: f64,
    /// Steps of linear warm-up from 0.
    #[serde(default)]
    #[schemars(range(max = 10_000_000))]
    pub warmup_steps: u64,
    /// Schedule after warm-up: `constant`, `cosine` or `linear`; no step that is done has a rate of 0.
    #[serde(default = "defaults::constant")]
    pub schedule: Schedule,
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
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    #[serde(default = "defaults::max_skipped_updates")]
    #[schemars(range(max = 1_000))]
    pub max_skipped_updates: u64,
}
