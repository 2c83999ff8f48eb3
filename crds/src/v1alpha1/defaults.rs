//! Default values that several types share. Numbers are the paper's training configuration where it has one.

pub(super) fn one() -> u64 {
    1
}

pub(super) fn unit() -> f64 {
    1.0
}

pub(super) fn yes() -> bool {
    true
}

/// Prompts a step; the paper's batch.
pub(super) fn batch_size() -> u64 {
    256
}

/// Samples per forward/backward pass; the paper's for its 0.5B model.
pub(super) fn micro_batch_size() -> u64 {
    8
}

pub(super) fn actor_learning_rate() -> f64 {
    1e-6
}

pub(super) fn critic_learning_rate() -> f64 {
    1e-5
}

pub(super) fn kl_coefficient() -> f64 {
    1e-3
}

/// Answers; the value of verl and TRL.
pub(super) fn kl_horizon() -> u64 {
    10_000
}

/// The value of verl and TRL.
pub(super) fn rollout_correction_cap() -> f64 {
    2.0
}

pub(super) fn entropy_coefficient() -> f64 {
    1e-3
}

pub(super) fn clip_range() -> f64 {
    0.2
}

pub(super) fn value_clip_range() -> f64 {
    0.5
}

pub(super) fn weight_decay() -> f64 {
    0.01
}

/// AdamW's (β₁, β₂).
pub(super) fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

pub(super) fn max_skipped_updates() -> u64 {
    3
}

pub(super) fn sft_learning_rate() -> f64 {
    1e-5
}

pub(super) fn constant() -> crate::config::Schedule {
    crate::config::Schedule::Constant
}

pub(super) fn pretrained() -> crate::config::Initialize {
    crate::config::Initialize::Pretrained
}

/// Seconds without a step after which a run hangs. The longest steps known, of large models with evaluations, take minutes.
pub(super) fn progress_deadline_seconds() -> u64 {
    7200
}

/// Seconds after which a cell of a sweep has failed: a day, longer than the slowest evaluations known.
pub(super) fn cell_deadline_seconds() -> u64 {
    86_400
}

/// Ten minutes: a store that is restarted is back by then.
pub(super) fn store_timeout_seconds() -> u64 {
    600
}
