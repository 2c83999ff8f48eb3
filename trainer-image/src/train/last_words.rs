//! The termination message: what the kubelet shows of a container that ended.

use std::fs;

use serde_json::{Value, json};

use crate::evaluate::EvaluationRecord;
use crate::progress::Progress;

/// The kubelet keeps this many bytes.
const LIMIT: usize = 4096;

/// Where the kubelet looks by default.
const PATH: &str = "/dev/termination-log";

/// Writes outcome, step and last evaluations as JSON to `/dev/termination-log` where `REAL_TERMINATION_LOG` is set.
///
/// Failing to write is logged only: the outcome itself is in the exit code.
pub fn say(outcome: &str, message: &str, progress: &Progress) {
    if std::env::var_os("REAL_TERMINATION_LOG").is_none() {
        return;
    }
    if let Err(error) = fs::write(PATH, compose(outcome, message, progress)) {
        tracing::warn!("cannot write {PATH}: {error}");
    }
}

/// At most [`LIMIT`] bytes: the message is cut, then evaluations are left out, the oldest first.
fn compose(outcome: &str, message: &str, progress: &Progress) -> String {
    let message: String = message.chars().take(LIMIT / 8).collect();
    let mut evaluations = progress.evaluations.as_slice();
    loop {
        let words = render(outcome, &message, progress, evaluations).to_string();
        if words.len() <= LIMIT || evaluations.is_empty() {
            return words;
        }
        evaluations = &evaluations[1..];
    }
}

fn render(outcome: &str, message: &str, progress: &Progress, evaluations: &[EvaluationRecord]) -> Value {
    json!({
        "outcome": outcome,
        "message": message,
        "attempt": progress.attempt,
        "step": progress.step,
        "totalSteps": progress.total_steps,
        "reward": progress.reward,
        "loss": progress.loss,
        "lastCheckpoint": progress.checkpoints.last(),
        "evaluations": evaluations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Decoding;

    #[test]
    fn last_words_fit_and_keep_the_newest_evaluations() {
        let record = |step| EvaluationRecord {
            suite: "quickstart".into(),
            decoding: Decoding::Greedy,
            step,
            n: 256,
            function: 0.5,
            quality: 0.5,
            joint: 0.25,
            no_code: 0.0,
            dropped: 0,
        };
        let progress = Progress { evaluations: (0..200).map(record).collect(), ..Progress::default() };
        let words = compose("failed", &"é\"".repeat(10_000), &progress);
        assert!(words.len() <= LIMIT, "{} bytes", words.len());
        let parsed: Value = serde_json::from_str(&words).expect("JSON");
        assert_eq!(parsed["evaluations"].as_array().and_then(|all| all.last()).expect("one is left")["step"], 199);
    }
}
