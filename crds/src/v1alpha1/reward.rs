//! Answers, their rewards and their evaluation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EmptyOutputs, Extraction, Normalization, Profile, Quality};

/// Length limits and sampling of answers in training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Rollout {
    /// Longest prompt in tokens; tasks with longer ones are left out and counted.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_prompt_tokens: u64,
    /// Longest answer in tokens.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_response_tokens: u64,
    /// Sampling temperature.
    #[schemars(range(min = 0.0, max = 100.0), extend("exclusiveMinimum" = true))]
    pub temperature: f64,
    /// Nucleus: tokens are drawn from the smallest set whose probability reaches this.
    #[schemars(range(min = 0.0, max = 1.0), extend("exclusiveMinimum" = true))]
    pub top_p: f64,
    /// Number of most probable tokens to draw from; 0 for all.
    #[schemars(range(max = 1_048_576))]
    pub top_k: u64,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { max_prompt_tokens: 1024, max_response_tokens: 1024, temperature: 1.0, top_p: 1.0, top_k: 0 }
    }
}

/// How answers are turned into rewards, in training and in evaluation: reward = α·quality + (1-α)·function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Reward {
    /// Weight α of quality. 1 is quality only, 0 function only (the paper's ablations).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub alpha: f64,
    /// Shape of the reward. `paper`: quality is 0 or 1, function is the share of tests passed. `reference`: the scores of
    /// the paper's released code, which grade findings, type errors, errors and time limits, without its bugs.
    pub profile: Profile,
    /// Reward of an answer without runnable code.
    #[schemars(range(min = -100.0, max = 0.0))]
    pub penalty: f64,
    /// Normalisation of rewards before they become advantages: `none`, over the `batch`, or `running` over the whole job.
    pub normalization: Normalization,
    /// What decides quality: the program `analysis` that each task names, or the task's `safetyTests` (an ablation of
    /// the paper).
    pub quality: Quality,
    /// Which part of an answer is the program. `paper`: the last match of its expression for a fenced block of `python`.
    /// `tolerant`: Markdown as models write it; the block of Python that defines the entry point, else the longest.
    pub extraction: Extraction,
    /// Tests that expect no output are passed by a program that does nothing. `count`: they count like every other, as in
    /// the paper. `ignore`: they count as failed unless a test that expects some output passes.
    pub empty_outputs: EmptyOutputs,
    /// CWE numbers that count as findings; all that rules exist for where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(range(min = 1, max = 100_000)))]
    pub cwes: Vec<u32>,
    /// Most tests run per answer, 0 for all; drawn anew for each prompt, the same for all its answers.
    #[schemars(range(max = 100_000))]
    pub max_tests: u64,
    /// Seconds to wait for a verdict, retries included, before the sample is dropped. A dropped sample is no reward.
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: u64,
}

impl Default for Reward {
    fn default() -> Self {
        Self {
            alpha: 0.5,
            profile: Profile::Paper,
            penalty: -1.0,
            normalization: Normalization::None,
            quality: Quality::Analysis,
            extraction: Extraction::Paper,
            empty_outputs: EmptyOutputs::Count,
            cwes: Vec::new(),
            max_tests: 0,
            timeout_seconds: 120,
        }
    }
}

/// When and how the data sets under `datasets.eval` are evaluated. The end of training is always evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Evaluation {
    /// Steps between evaluations; 0 for only before and after training.
    #[schemars(range(max = 10_000_000))]
    pub every_steps: u64,
    /// Whether the starting point is evaluated.
    pub before_training: bool,
    /// Most tasks of a suite, 0 for all.
    #[schemars(range(max = 100_000_000))]
    pub limit: u64,
    /// Whether one greedy answer a task is evaluated.
    pub greedy: bool,
    /// Sampled answers a task (temperature 1), 0 for none.
    #[schemars(range(max = 1024))]
    pub samples: u64,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { every_steps: 20, before_training: true, limit: 0, greedy: true, samples: 0 }
    }
}
