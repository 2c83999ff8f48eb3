//! Loose numbers of a checkpoint: `state.json`.

use std::path::Path;

use anyhow::Context as _;
use real_reward::monitor::Monitor;
use real_reward::normalize::Moments;
use serde::{Deserialize, Serialize};

use super::algorithm::Surroundings;
use super::data_order::OrderState;
use super::origin::Origin;
use crate::json_file;
use crate::weights::Files;

/// `state.json`. Random numbers are functions of seed and step (see [`super::seeds`]), so the seed and the place in the data are
/// the state of all generators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct State {
    /// `ppo`, `grpo`, `sft`, …
    pub algorithm: String,
    /// The run's seed.
    pub seed: u64,
    /// Where the run is in its data.
    pub data_order: OrderState,
    /// What the run began with; absent in checkpoints of before it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Moments of all rewards so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Moments>,
    /// How the run began, which the rewards of later steps are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// The strength of the pull towards the starting point, where it is steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_coefficient: Option<f64>,
}

impl State {
    /// Adds `state.json` to the files of a checkpoint.
    pub fn add(&self, files: &mut Files) -> anyhow::Result<()> {
        files.text("state.json", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    /// Tells where a run that began with something else is gone on with.
    pub fn compare(&self, now: &Origin, surroundings: &Surroundings<'_>) {
        for (reason, sentence) in self.origin.iter().flat_map(|earlier| now.differences(earlier)) {
            surroundings.progress.warn(reason, sentence);
        }
    }

    /// Reads `state.json` and makes sure that it belongs to a run of this algorithm and seed.
    pub fn load(folder: &Path, algorithm: &str, seed: u64) -> anyhow::Result<Self> {
        let path = folder.join("state.json");
        let text = json_file::text(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let state: Self = json_file::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        anyhow::ensure!(
            state.algorithm == algorithm,
            "{} is of {}, the configuration says {algorithm}: use another run directory",
            path.display(),
            state.algorithm
        );
        anyhow::ensure!(
            state.seed == seed,
            "{} is of a run with seed {}, the configuration says {seed}: resume with the same seed or use another run \
             directory",
            path.display(),
            state.seed
        );
        Ok(state)
    }
}
