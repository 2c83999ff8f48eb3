//! The trainer's configuration: what a `RealTrainingJob` renders to, for the operator and `real run` alike.
//!
//! Plain JSON. Every field is resolved (no optional knobs with hidden defaults), so that the file in a run directory
//! says what ran.

mod checkpoint;
mod reward;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checkpoint::{Checkpoint, Goal, KeepBest, Store};
pub use reward::{EmptyOutputs, Extraction, Normalization, Profile, Quality, Reward};

/// Names of the models that are part of the trainer: `bundled://NAME`.
pub const BUNDLED_MODELS: [&str; 1] = ["quickstart-base"];

/// Everything `real-trainer train --config FILE` needs to know besides where its run directory is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrainerConfig {
    /// Name of the job.
    pub job: String,
    /// Seed of data order, initialisation and sampling.
    pub seed: u64,
    /// The policy's starting point.
    pub model: Model,
    /// Training tasks (PPO) or demonstrations (SFT).
    pub train: Vec<Dataset>,
    /// What to optimise and how.
    pub algorithm: Algorithm,
    /// How answers are turned into rewards; also used by evaluation.
    pub reward: Reward,
    /// Length limits and sampling of answers.
    pub rollout: Rollout,
    /// Checkpoints.
    pub checkpoint: Checkpoint,
    /// Evaluations.
    pub evaluation: Evaluation,
    /// Where computation happens.
    pub compute: Compute,
}

/// The policy's starting point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Model {
    /// Hugging Face folder: a path, `file://`, or `bundled://NAME`. With `initialize: random` it holds `config.json` and
    /// the tokenizer only.
    pub uri: String,
    /// Where the weights come from.
    pub initialize: Initialize,
    /// Adapters that learn in place of the model's own parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// Low-rank adapters: W·x + α/r · B·A·x, of which A and B learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lora {
    /// Rank r.
    pub rank: u64,
    /// Strength α.
    pub alpha: f64,
    /// Which matrices are adapted, in the order of [`LoraTarget::ALL`].
    pub targets: Vec<LoraTarget>,
}

/// A matrix of each layer that may have an adapter, by its name in checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoraTarget {
    /// Query projection.
    QProj,
    /// Key projection.
    KProj,
    /// Value projection.
    VProj,
    /// Output projection of attention.
    OProj,
    /// Gate of the feed-forward layer.
    GateProj,
    /// Up projection of the feed-forward layer.
    UpProj,
    /// Down projection of the feed-forward layer.
    DownProj,
}

impl LoraTarget {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];
}

/// Where initial weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Initialize {
    /// `model.safetensors` of the folder.
    Pretrained,
    /// Drawn at random as `transformers` does (normal, `initializer_range`).
    Random,
}

/// A data set and its share of the batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Dataset {
    /// Name shown in metrics and evaluations.
    pub name: String,
    /// `bundled://NAME`, a path or `file://` to canonical JSONL (`.jsonl`, `.jsonl.gz`) or one of the paper's parquet files.
    pub uri: String,
    /// Relative weight when batches are drawn; > 0.
    pub weight: f64,
}

/// The algorithm and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Algorithm {
    /// Proximal policy optimisation with a learned critic.
    Ppo(Ppo),
    /// A policy gradient without a critic: GRPO and its relatives.
    PolicyGradient(PolicyGradient),
    /// Supervised fine-tuning on demonstrations.
    Sft(Sft),
}

/// PPO. Defaults in the CRD are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ppo {
    /// Optimisation steps, each one rollout.
    pub steps: u64,
    /// Prompts a step.
    pub batch_size: u64,
    /// Answers a prompt.
    pub samples_per_prompt: u64,
    /// Samples per optimiser step.
    pub mini_batch_size: u64,
    /// Samples per forward/backward pass; divides `miniBatchSize`.
    pub micro_batch_size: u64,
    /// Most tokens of a forward/backward pass in place of `microBatchSize`; 0 for no such limit.
    #[serde(default)]
    pub micro_batch_tokens: u64,
    /// Passes over the rollout.
    pub epochs: u64,
    /// Learning rate of the actor.
    pub actor_learning_rate: f64,
    /// Learning rate of the critic.
    pub critic_learning_rate: f64,
    /// Coefficient of the KL penalty in the reward; with `klTarget` where it starts.
    pub kl_coefficient: f64,
    /// Divergence that the coefficient is steered to, nats a token; it stays as it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_target: Option<f64>,
    /// Answers after which a coefficient that is steered all the way has changed by a fifth.
    #[serde(default = "kl_horizon")]
    pub kl_horizon: u64,
    /// Coefficient of the entropy bonus.
    pub entropy_coefficient: f64,
    /// Clip range ε of the probability ratio.
    pub clip_range: f64,
    /// Clip range of the value function.
    pub value_clip_range: f64,
    /// Discount γ.
    pub gamma: f64,
    /// GAE λ.
    pub gae_lambda: f64,
    /// Whether advantages are whitened over the batch.
    pub whiten_advantages: bool,
    /// Largest global norm of gradients.
    pub max_grad_norm: f64,
    /// AdamW weight decay.
    pub weight_decay: f64,
    /// AdamW (β₁, β₂).
    pub betas: [f64; 2],
    /// Steps in which only the critic learns.
    pub critic_warmup_steps: u64,
    /// Steps of linear warm-up of both learning rates, each counted from the first step in which its model learns.
    pub warmup_steps: u64,
    /// Schedule of both learning rates after warm-up.
    pub schedule: Schedule,
    /// How the loss allows for the difference between generation and training.
    #[serde(default)]
    pub rollout_correction: RolloutCorrection,
    /// Largest weight of that correction.
    #[serde(default = "rollout_correction_cap")]
    pub rollout_correction_cap: f64,
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    pub max_skipped_updates: u64,
}

/// A policy gradient without a critic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyGradient {
    /// Where advantages come from.
    pub estimator: Estimator,
    /// Optimisation steps, each one rollout.
    pub steps: u64,
    /// Prompts a step.
    pub batch_size: u64,
    /// Answers a prompt.
    pub samples_per_prompt: u64,
    /// Samples per optimiser step.
    pub mini_batch_size: u64,
    /// Samples per forward/backward pass.
    pub micro_batch_size: u64,
    /// Most tokens of a forward/backward pass in place of `microBatchSize`; 0 for no such limit.
    pub micro_batch_tokens: u64,
    /// Passes over the rollout.
    pub epochs: u64,
    /// Learning rate.
    pub learning_rate: f64,
    /// The probability ratio is clipped to [1 - `clipRange`, 1 + `clipRangeHigh`].
    pub clip_range: f64,
    /// See `clipRange`.
    pub clip_range_high: f64,
    /// Most of ratio·|A| where the advantage A is negative; 0 for no such limit.
    pub dual_clip: f64,
    /// How tokens' losses become one.
    pub loss_aggregation: LossAggregation,
    /// The pull towards the starting point.
    pub kl: Kl,
    /// How the loss allows for the difference between generation and training.
    #[serde(default)]
    pub rollout_correction: RolloutCorrection,
    /// Largest weight of that correction.
    #[serde(default = "rollout_correction_cap")]
    pub rollout_correction_cap: f64,
    /// Coefficient of the entropy bonus.
    pub entropy_coefficient: f64,
    /// Discount γ of REINFORCE++.
    pub gamma: f64,
    /// Last tokens of the longest answer in which an answer is penalised for its length; 0 for none.
    pub overlong_buffer_tokens: u64,
    /// Penalty of an answer of the full length.
    pub overlong_penalty: f64,
    /// How often at most further prompts are drawn in place of those whose answers all earn the same; 0 keeps those.
    pub max_resamples: u64,
    /// Largest global norm of gradients.
    pub max_grad_norm: f64,
    /// AdamW weight decay.
    pub weight_decay: f64,
    /// AdamW (β₁, β₂).
    pub betas: [f64; 2],
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Schedule after warm-up.
    pub schedule: Schedule,
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    pub max_skipped_updates: u64,
}

/// Where advantages come from without a critic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Estimator {
    /// Reward minus the mean of the prompt's answers, over their standard deviation (Shao et al. 2024).
    Grpo,
    /// The same without the division (Liu et al. 2025).
    DrGrpo,
    /// As `grpo`, with the parts of DAPO (Yu et al. 2025) as defaults.
    Dapo,
    /// Reward minus the mean of the prompt's other answers (Ahmadian et al. 2024).
    Rloo,
    /// Discounted sum of the rewards still to come, whitened over the batch (Hu 2025).
    ReinforcePlusPlus,
    /// Sum of the rewards still to come minus the reward of the greedy answer (Li et al. 2023).
    Remax,
}

/// How the losses of tokens become the loss of a mini-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LossAggregation {
    /// Mean over all tokens.
    TokenMean,
    /// Mean over answers of the mean over their tokens.
    SequenceMean,
    /// Mean over answers of the sum over their tokens.
    SequenceSum,
    /// Mean over answers of the sum over their tokens divided by `maxResponseTokens`.
    FixedLength,
}

/// A pull towards the starting point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kl {
    /// Its strength; with 0 there is no reference model.
    pub coefficient: f64,
    /// Where it pulls.
    pub placement: KlPlacement,
    /// How the divergence of a token is estimated.
    pub estimator: KlEstimator,
    /// Divergence that the coefficient is steered to, nats a token; it stays as it is where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Answers after which a coefficient that is steered all the way has changed by a fifth.
    #[serde(default = "kl_horizon")]
    pub horizon: u64,
}

/// How the loss allows for the difference between the probabilities of generation and of training: each token's is multiplied by
/// the ratio of the two, truncated (Ionides 2008, "Truncated importance sampling").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RolloutCorrection {
    /// Not at all: the two are taken for equal.
    #[default]
    None,
    /// By the ratio of the token.
    Token,
    /// By the ratio of the whole answer.
    Sequence,
}

fn kl_horizon() -> u64 {
    10_000
}

fn rollout_correction_cap() -> f64 {
    2.0
}

/// Where the divergence from the starting point is a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KlPlacement {
    /// In the rewards of tokens, before advantages are computed.
    Reward,
    /// In the loss.
    Loss,
}

/// Estimators of the divergence from one sample (Schulman 2020).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KlEstimator {
    /// log π − log `π_ref`.
    K1,
    /// ½ (log π − log `π_ref`)².
    K2,
    /// r − 1 − log r with r = `π_ref`/π.
    K3,
}

/// Supervised fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sft {
    /// Optimiser steps.
    pub steps: u64,
    /// Demonstrations a step.
    pub batch_size: u64,
    /// Demonstrations per forward/backward pass.
    pub micro_batch_size: u64,
    /// Most tokens of a forward/backward pass in place of `microBatchSize`; 0 for no such limit.
    #[serde(default)]
    pub micro_batch_tokens: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Schedule after warm-up.
    pub schedule: Schedule,
    /// Largest global norm of gradients.
    pub max_grad_norm: f64,
    /// AdamW weight decay.
    pub weight_decay: f64,
    /// AdamW (β₁, β₂).
    pub betas: [f64; 2],
    /// Updates in a row that may be skipped because a loss or a gradient is not finite; one more fails the run.
    pub max_skipped_updates: u64,
}

/// Learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Schedule {
    /// Constant.
    Constant,
    /// Half a cosine, which would be zero in the step after the last.
    Cosine,
    /// A straight line, which would be zero in the step after the last.
    Linear,
}

/// Length limits and sampling of answers in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rollout {
    /// Longest prompt, tokens; longer tasks are left out and counted.
    pub max_prompt_tokens: u64,
    /// Longest answer, tokens.
    pub max_response_tokens: u64,
    /// Sampling temperature.
    pub temperature: f64,
    /// Nucleus: smallest set of tokens whose probability reaches this.
    pub top_p: f64,
    /// Number of most probable tokens to sample from; 0 for all.
    pub top_k: u64,
}

/// Evaluations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Evaluation {
    /// Steps between evaluations; 0 for only before and after training.
    pub every_steps: u64,
    /// Whether the starting point is evaluated.
    pub before_training: bool,
    /// Data sets to evaluate on.
    pub suites: Vec<Dataset>,
    /// Most tasks of a suite, 0 for all.
    pub limit: u64,
    /// Whether one greedy answer a task is evaluated.
    pub greedy: bool,
    /// Sampled answers a task (temperature 1), 0 for none.
    pub samples: u64,
}

/// Where computation happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Compute {
    /// Device of model and optimiser.
    pub device: Device,
    /// Type of activations; master weights and optimiser state are always 32 bits.
    pub dtype: Dtype,
    /// CPU threads of libtorch; 0 for as many as there are cores.
    pub threads: u64,
    /// What is kept of a forward pass for the backward pass.
    #[serde(default)]
    pub gradient_checkpointing: GradientCheckpointing,
}

/// What is kept of a forward pass for the backward pass. The numbers are the same in all cases; memory and time differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GradientCheckpointing {
    /// The activations of as many of the last layers as fit into 1 GiB (8 GiB on a GPU); of the others, their inputs.
    #[default]
    Auto,
    /// The inputs of layers alone; everything else is computed a second time.
    Always,
    /// All activations.
    Never,
}

/// Device of model and optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Device {
    /// CUDA where present, else CPU.
    Auto,
    /// CPU.
    Cpu,
    /// The CUDA device of the local rank.
    Cuda,
}

/// Type of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}
