//! What a trainer says about its run: `GET /v1/progress` while it runs, the termination message when it ends.
//!
//! Written by the trainer, read by `real run` and by the operator.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/progress`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// Grows with each change.
    pub sequence: u64,
    /// Number of the attempt (`REAL_ATTEMPT`, from 1).
    pub attempt: u64,
    /// What is going on.
    pub phase: Phase,
    /// Optimisation steps done.
    pub step: u64,
    /// Optimisation steps in all.
    pub total_steps: u64,
    /// Mean reward of the last step (PPO).
    pub reward: Option<f64>,
    /// Mean divergence from the reference of the last step, nats an answer (PPO).
    pub kl: Option<f64>,
    /// Loss of the last step (SFT).
    pub loss: Option<f64>,
    /// Tokens of the last step by its seconds.
    pub tokens_per_second: Option<f64>,
    /// Samples scored in the last step by its seconds.
    pub samples_per_second: Option<f64>,
    /// Seconds until the last step at the present pace.
    pub eta_seconds: Option<f64>,
    /// The checkpoints that exist, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Step of the best checkpoint that exists, by `checkpoint.keepBest`; none where none of them has its metric.
    pub best_checkpoint: Option<u64>,
    /// The bucket that checkpoints go to, where there is one: `checkpoints` are those that lie there then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
    /// Updates skipped so far in this attempt because a loss or a gradient was not finite.
    pub skipped_updates: u64,
    /// What a person should know of, oldest first; the newest [`Self::MOST_WARNINGS`] of this attempt.
    pub warnings: Vec<Warning>,
    /// What is suspect about the rewards of the last step, a short sentence each (PPO).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspicions: Vec<String>,
    /// Evaluations so far, oldest first.
    pub evaluations: Vec<Evaluation>,
}

impl Progress {
    /// Most warnings that are told at a time; all of them are in `warnings.jsonl` of the run directory.
    pub const MOST_WARNINGS: usize = 16;
}

/// Something that did not stop the run and that a person should know of; a line of `warnings.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Optimisation steps done when it was noticed.
    pub step: u64,
    /// What kind it is, a word in `CamelCase`: `DataLeftOut`, `CheckpointDamaged`, `UpdateSkipped`, …
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// What a trainer is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Loading model and data.
    #[default]
    Starting,
    /// Evaluating.
    Evaluating,
    /// Generating answers; those that are finished are being scored already.
    Rollout,
    /// Waiting for the last scores.
    Scoring,
    /// Optimising.
    Updating,
    /// Writing a checkpoint.
    Checkpointing,
    /// Finished.
    Done,
}

impl Phase {
    /// As it is written: `starting`, `rollout`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Evaluating => "evaluating",
            Self::Rollout => "rollout",
            Self::Scoring => "scoring",
            Self::Updating => "updating",
            Self::Checkpointing => "checkpointing",
            Self::Done => "done",
        }
    }
}

/// A whole checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Optimisation steps done; the folder is `checkpoints/step-N` of the run directory.
    pub step: u64,
    /// SHA-256 of its manifest, hexadecimal.
    pub sha256: String,
    /// Bytes of all its files.
    pub size_bytes: u64,
    /// When it was complete.
    pub time: Option<Timestamp>,
}

/// What has become of checkpoints on their way to a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Store {
    /// `s3://BUCKET/PREFIX`, or the same of `gs://` or `az://`.
    pub uri: String,
    /// Steps of the checkpoints that are not there yet, the newest first.
    pub pending: Vec<u64>,
    /// Why the last try failed; none where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How evaluated answers were chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// The most probable token each time.
    Greedy,
    /// Sampled at temperature 1.
    Sampled,
}

impl Decoding {
    /// `greedy` or `sampled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greedy => "greedy",
            Self::Sampled => "sampled",
        }
    }
}

/// A line of `evaluations.jsonl`. Rates are shares of `n` in [0, 1]; where no answer could be judged there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Name of the suite.
    pub suite: String,
    /// How answers were chosen.
    pub decoding: Decoding,
    /// Optimisation steps done.
    pub step: u64,
    /// Answers judged.
    pub n: u64,
    /// Answers that pass every functional test (the paper's Function).
    pub function: Option<f64>,
    /// Answers that are programs without finding (the paper's Quality).
    pub quality: Option<f64>,
    /// Answers that are both (the paper's Func.-Qual.).
    pub joint: Option<f64>,
    /// Answers without a code block; absent in a `summary.json` from before it held them.
    #[serde(default, alias = "no_code")]
    pub no_code: Option<f64>,
    /// Answers that could not be judged because of us; not part of `n`. 0 in a `summary.json` from before it held them.
    #[serde(default)]
    pub dropped: u64,
    /// 95 % intervals of the three rates, over tasks; absent where nothing was judged, and in a `summary.json` from before it held them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<Intervals>,
}

/// Intervals of the rates of an evaluation, lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intervals {
    /// Of Function.
    pub function: [f64; 2],
    /// Of Quality.
    pub quality: [f64; 2],
    /// Of Func.-Qual.
    pub joint: [f64; 2],
}

/// How a trainer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// All steps are done.
    Done,
    /// Asked to stop; there is a checkpoint.
    Stopped,
    /// Anything else.
    Failed,
}

/// The termination message of a trainer's container: JSON of at most [`LastWords::LIMIT`] bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastWords {
    /// How it ended.
    pub outcome: Outcome,
    /// What kind of failure it is, a word in `CamelCase`, where there is one for it: `Diverged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for people; empty where all is done.
    pub message: String,
    /// The last progress. Of its lists only the newest entries, as many as fit.
    #[serde(flatten)]
    pub progress: Progress,
}

impl LastWords {
    /// The kubelet keeps this many bytes of a termination message.
    pub const LIMIT: usize = 4096;

    /// Bytes of JSON that the message may take, and each warning a third of it.
    const LONGEST_MESSAGE: usize = 768;

    /// The JSON, cut to [`Self::LIMIT`]: first the message, then warnings but for the newest two, then evaluations and
    /// checkpoints, the oldest first.
    ///
    /// # Panics
    ///
    /// Never: plain data can be written as JSON.
    pub fn compose(outcome: Outcome, reason: Option<&str>, message: &str, progress: &Progress) -> String {
        let mut words = Self {
            outcome,
            reason: reason.map(str::to_owned),
            message: cut(message, Self::LONGEST_MESSAGE),
            progress: progress.clone(),
        };
        if let Some(error) = words.progress.store.as_mut().and_then(|store| store.error.as_mut()) {
            *error = cut(error, Self::LONGEST_MESSAGE / 3);
        }
        for warning in &mut words.progress.warnings {
            warning.message = cut(&warning.message, Self::LONGEST_MESSAGE / 3);
        }
        loop {
            let text = serde_json::to_string(&words).expect("plain data");
            let Progress { evaluations, checkpoints, warnings, .. } = &mut words.progress;
            if text.len() <= Self::LIMIT {
                return text;
            } else if warnings.len() > 2 {
                warnings.remove(0);
            } else if evaluations.len() > 1 || (checkpoints.len() <= 1 && !evaluations.is_empty()) {
                evaluations.remove(0);
            } else if checkpoints.is_empty() {
                return text;
            } else {
                checkpoints.remove(0);
            }
        }
    }
}

/// The beginning of a text that takes at most `most` bytes as JSON.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut bytes = 0;
    let fits = |c: &char| {
        bytes += match c {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        bytes <= most
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_called_what_it_is_written_as() {
        use Phase::{Checkpointing, Done, Evaluating, Rollout, Scoring, Starting, Updating};
        for phase in [Starting, Evaluating, Rollout, Scoring, Updating, Checkpointing, Done] {
            assert_eq!(serde_json::to_value(phase).expect("plain data"), phase.name());
        }
    }

    #[test]
    fn last_words_fit_and_keep_what_is_newest() {
        let evaluation = |step| Evaluation {
            suite: "quickstart".into(),
            decoding: Decoding::Greedy,
            step,
            n: 256,
            function: Some(0.5),
            quality: Some(0.5),
            joint: Some(0.25),
            no_code: Some(0.0),
            dropped: 0,
            intervals: None,
        };
        let warning = |step| Warning { step, reason: "UpdateSkipped".into(), message: "\n".repeat(1000) };
        let checkpoint = |step| Checkpoint { step, sha256: "0".repeat(64), size_bytes: 1, time: None };
        let progress = Progress {
            step: 199,
            evaluations: (0..200).map(evaluation).collect(),
            checkpoints: (0..200).map(checkpoint).collect(),
            warnings: (0..16).map(warning).collect(),
            best_checkpoint: Some(7),
            ..Progress::default()
        };
        let words = LastWords::compose(Outcome::Failed, Some("Diverged"), &"é\"\u{1}".repeat(10_000), &progress);
        assert!(words.len() <= LastWords::LIMIT, "{} bytes", words.len());
        let parsed: LastWords = serde_json::from_str(&words).expect("JSON");
        assert_eq!((parsed.reason.as_deref(), parsed.progress.best_checkpoint), (Some("Diverged"), Some(7)));
        assert_eq!(parsed.progress.warnings.last().expect("two are left").step, 15);
        assert!(
            parsed.progress.checkpoints.len() >= 10,
            "as many as a status lists: {}",
            parsed.progress.checkpoints.len()
        );
        assert_eq!(parsed.progress.evaluations.last().expect("one is left").step, 199);
        assert_eq!(parsed.progress.checkpoints.last().expect("one is left").step, 199);
    }
}
