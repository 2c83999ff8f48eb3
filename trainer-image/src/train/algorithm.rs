//! What a training run asks of an algorithm.

use std::path::Path;

use serde::Serialize;

use super::stop::Stop;
use crate::metrics::Metrics;
use crate::model::Decoder;
use crate::progress::SharedProgress;
use crate::weights::Files;

/// Reinforcement learning or SFT: one optimisation step at a time, with state that goes into checkpoints.
pub trait Algorithm {
    /// Its name in checkpoints: `ppo`, `grpo`, `sft`, …
    fn name(&self) -> &'static str;

    /// The model that is being trained.
    fn policy(&self) -> &Decoder;

    /// Does step `step` (from 1). None where `stop` was requested before anything was changed; a step that has begun to
    /// change weights is finished.
    fn step(&mut self, step: u64, surroundings: &Surroundings<'_>) -> anyhow::Result<Option<StepReport>>;

    /// Everything that has to outlive the process, the policy itself first. The tensors are those of the run: they are written,
    /// or copied, before the next step.
    fn files(&self) -> anyhow::Result<Files>;

    /// Takes everything over that [`Algorithm::files`] gave, unless someone asks to stop meanwhile
    /// ([`super::stop::StoppedEarly`]). That the run began with something else than this one is told.
    fn load(&mut self, folder: &Path, surroundings: &Surroundings<'_>) -> anyhow::Result<()>;
}

/// What a step may look at and tell while it runs.
pub struct Surroundings<'a> {
    /// Told what is going on.
    pub progress: &'a SharedProgress,
    /// Asked whether to end early.
    pub stop: &'a Stop,
}

impl Surroundings<'_> {
    /// Reports the updates of a step that were skipped (see [`crate::optim::guard::Guard::take`]): as `MODEL/skipped`, and
    /// to people where there are any.
    pub fn skipped(&self, metrics: &mut Metrics, model: &str, (count, sentence): (u64, Option<String>)) {
        metrics.set(format!("{model}/skipped"), count as f64);
        if let Some(sentence) = sentence {
            self.progress.update(|progress| progress.skipped_updates += count);
            self.progress.warn("UpdateSkipped", sentence);
        }
    }
}

/// What a step has to say.
#[derive(Debug, Default)]
pub struct StepReport {
    /// Numbers.
    pub metrics: Metrics,
    /// Some of the step's answers; none where the algorithm generates none.
    pub samples: Vec<SampleRecord>,
}

/// A line of `samples/step-N.jsonl`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleRecord {
    /// Data set.
    pub dataset: String,
    /// Task.
    pub task: String,
    /// The prompt as text, special tokens included.
    pub prompt: String,
    /// The answer as text.
    pub response: String,
    /// Whether the answer ended by itself.
    pub finished: bool,
    /// The reward with its parts; the reason instead where the answer could not be scored.
    #[serde(flatten)]
    pub outcome: SampleOutcome,
}

/// What became of an answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SampleOutcome {
    /// Its reward and the parts of it.
    Scored(Box<real_reward::Scored>),
    /// Why it was dropped.
    Dropped(String),
}
