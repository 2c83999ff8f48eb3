//! Rewards, as the trainer is told of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How answers are turned into rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reward {
    /// Weight α of quality: reward = α·quality + (1-α)·function.
    pub alpha: f64,
    /// Shape of the reward.
    pub profile: Profile,
    /// Reward of an answer without runnable code.
    pub penalty: f64,
    /// Normalisation of rewards before they become advantages.
    pub normalization: Normalization,
    /// What decides quality.
    pub quality: Quality,
    /// Which part of an answer is the program.
    pub extraction: Extraction,
    /// Whether tests that expect no output earn anything by themselves.
    pub empty_outputs: EmptyOutputs,
    /// CWE numbers that count; all that rules exist for where empty.
    pub cwes: Vec<u32>,
    /// Most tests run per answer, 0 for all; which ones is drawn anew for each prompt, the same for all its answers.
    pub max_tests: u64,
    /// Base URLs of detector services.
    pub detectors: Vec<String>,
    /// Base URLs of sandbox services.
    pub sandboxes: Vec<String>,
    /// Seconds to wait for a verdict, retries included, before the sample is dropped.
    pub timeout_seconds: u64,
}

/// Shape of the reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// As the paper's text: quality ∈ {0, 1}, function = share of tests passed.
    Paper,
    /// As the paper's released code, which grades findings, type errors, errors and time limits, without its bugs.
    Reference,
}

/// Which part of an answer is the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Extraction {
    /// The last match of the paper's expression for a fenced block of `python`.
    Paper,
    /// Markdown as models write it: the block of Python that defines the entry point, else the longest.
    Tolerant,
}

/// Whether tests that expect no output earn anything by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EmptyOutputs {
    /// They count like every other, as in the paper.
    Count,
    /// They count as failed unless a test that expects some output passes.
    Ignore,
}

/// Normalisation of rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Normalization {
    /// None; advantages are whitened anyway.
    None,
    /// To zero mean and unit variance over the batch.
    Batch,
    /// By running mean and variance over the whole run.
    Running,
}

/// What decides quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Quality {
    /// The program analyses that each task names.
    Analysis,
    /// The task's safety unit tests (an ablation of the paper).
    SafetyTests,
}
