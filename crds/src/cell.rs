//! One cell of a sweep: what its pods are told to evaluate, and what they say when they end.
//!
//! Rendered by the operator, read by `real-trainer evaluate`; what that says last is read by the operator.

use serde::{Deserialize, Serialize};

use crate::config::{Compute, Dataset, Reward};
use crate::progress::{LastWords, Outcome, cut};
use crate::sweep::Settings;

/// Everything `real-trainer evaluate --config FILE` needs to know besides which shard it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CellConfig {
    /// Name of the cell.
    pub cell: String,
    /// Hugging Face folder: a path, or a URI beginning with `file://`, `hf://`, `s3://`, `gs://`, `az://` or `bundled://`.
    pub model: String,
    /// Tasks to evaluate on.
    pub suite: Dataset,
    /// Most tasks, the first ones; 0 for all.
    pub limit: u64,
    /// Parts that the tasks are shared among: shard `i` has every task whose place in the suite is `i` modulo this.
    pub shards: u64,
    /// How answers are generated.
    pub settings: Settings,
    /// How answers are judged.
    pub reward: Reward,
    /// Where computation happens.
    pub compute: Compute,
    /// Folder, or a prefix in a bucket (`s3://`, `gs://`, `az://`), in which each cell has one of its own, with the rows of all answers; none are kept where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<String>,
    /// Folder in which it is said that the checkpoint `model` is being read, where that is not beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases: Option<String>,
}

/// Counts of answers. Those of all shards of a cell are added up, and rates made of the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tally {
    /// Tasks that were evaluated.
    pub tasks: u64,
    /// Tasks that were not, because the model has no room for their prompts.
    pub left_out: u64,
    /// Answers judged.
    pub n: u64,
    /// Answers that could not be judged because of the system; not part of `n`.
    pub dropped: u64,
    /// Answers that passed all functional tests (the paper's Function).
    pub function: u64,
    /// Answers without findings (the paper's Quality).
    pub quality: u64,
    /// Answers that are both (the paper's Func.-Qual.).
    pub joint: u64,
    /// Answers without a code block.
    pub no_code: u64,
}

impl Tally {
    /// The sums with those of another shard.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tasks: self.tasks.saturating_add(other.tasks),
            left_out: self.left_out.saturating_add(other.left_out),
            n: self.n.saturating_add(other.n),
            dropped: self.dropped.saturating_add(other.dropped),
            function: self.function.saturating_add(other.function),
            quality: self.quality.saturating_add(other.quality),
            joint: self.joint.saturating_add(other.joint),
            no_code: self.no_code.saturating_add(other.no_code),
        }
    }

    /// The share of the judged answers that `count` is; a mean of nothing is none.
    pub fn rate(&self, count: u64) -> Option<f64> {
        (self.n > 0).then(|| count as f64 / self.n as f64)
    }
}

/// The termination message of a shard's container: JSON of at most [`LastWords::LIMIT`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardWords {
    /// How it ended.
    pub outcome: Outcome,
    /// Which shard, from 0.
    pub shard: u64,
    /// Why, for people; empty where all is done.
    #[serde(default)]
    pub message: String,
    /// What was counted, where all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
}

impl ShardWords {
    /// The JSON. The message is cut to what the kubelet keeps.
    ///
    /// # Panics
    ///
    /// Never: plain data can be written as JSON.
    pub fn compose(outcome: Outcome, shard: u64, message: &str, tally: Option<Tally>) -> String {
        let message = cut(message, LastWords::LIMIT - 1024);
        serde_json::to_string(&Self { outcome, shard, message, tally }).expect("plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_made_of_the_sums_and_there_is_none_of_nothing() {
        let shard = |n, joint| Tally { n, joint, ..Tally::default() };
        let sum = shard(1, 1).plus(shard(3, 0));
        assert_eq!(sum.rate(sum.joint), Some(0.25));
        assert_eq!(Tally::default().rate(0), None);
    }

    #[test]
    fn last_words_of_a_shard_fit_whatever_they_say() {
        let tally = Tally { n: u64::MAX, dropped: u64::MAX, tasks: u64::MAX, ..Tally::default() };
        let words = ShardWords::compose(Outcome::Failed, u64::MAX, &"\"\u{1}é".repeat(5000), Some(tally));
        assert!(words.len() <= LastWords::LIMIT, "{} bytes", words.len());
        let read: ShardWords = serde_json::from_str(&words).expect("JSON");
        assert_eq!(read.tally, Some(tally));
    }
}
