//! What a run wrote about itself: `metrics.jsonl` and `evaluations.jsonl` of its directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use real_crds::progress::Evaluation;
use real_terminal::errln;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A line of `metrics.jsonl`; names are verl's. A number that was not finite is `null` there and absent here.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Step {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean reward of the answers.
    #[serde(default, rename = "critic/score/mean")]
    pub reward: Option<f64>,
    /// Mean share of tests passed.
    #[serde(default, rename = "reward/function_mean")]
    pub function: Option<f64>,
    /// Mean quality.
    #[serde(default, rename = "reward/quality_mean")]
    pub quality: Option<f64>,
    /// Divergence from the reference policy, nats an answer.
    #[serde(default, rename = "critic/kl_per_answer")]
    pub kl: Option<f64>,
    /// Loss (SFT).
    #[serde(default, rename = "train/loss")]
    pub loss: Option<f64>,
    /// Tokens a second.
    #[serde(default, rename = "perf/throughput")]
    pub tokens_per_second: Option<f64>,
    /// Samples scored a second.
    #[serde(default, rename = "perf/samples_per_second")]
    pub samples_per_second: Option<f64>,
    /// Seconds the step took.
    #[serde(default, rename = "timing_s/step")]
    pub seconds: Option<f64>,
}

/// Everything a run has recorded so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Training steps, in order.
    pub steps: Vec<Step>,
    /// Evaluations, in order.
    pub evaluations: Vec<Evaluation>,
}

impl Record {
    /// Reads the record of a run directory. Files that are not there yet are empty.
    pub fn read(run_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            steps: read_lines(&run_dir.join("metrics.jsonl"))?,
            evaluations: read_lines(&run_dir.join("evaluations.jsonl"))?,
        })
    }

    /// Number of the last step done.
    pub fn last_step(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.step)
    }
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let naming = |error: io::Error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => {
            let lines = parse_lines(&text);
            // The last one may be half a line.
            let lost = whole_lines(&text).saturating_sub(lines.len());
            if lost > 0 {
                errln!("warning: {}: lines that cannot be read, and are left out: {lost}", path.display());
            }
            Ok(lines)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(naming(error)),
    }
}

fn whole_lines(text: &str) -> usize {
    text.split_inclusive('\n').filter(|line| line.ends_with('\n') && !line.trim().is_empty()).count()
}

/// The lines that can be read; the last one may be half-written, which is no news while a run goes on.
pub fn parse_lines<T: DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_last_line_and_numbers_that_are_null_are_no_error() {
        let text = "{\"step\": 1, \"critic/score/mean\": 0.25, \"actor/lr\": 1}\n{\"step\": 2, \"critic/score/mean\": null}\n{\"st";
        let steps: Vec<Step> = parse_lines(text);
        assert_eq!(steps.iter().map(|s| (s.step, s.reward)).collect::<Vec<_>>(), [(1, Some(0.25)), (2, None)]);
    }

    #[test]
    fn evaluations_of_earlier_versions_can_be_read() {
        let line = r#"{"suite":"s","decoding":"greedy","step":0,"n":4,"function":0.5,"quality":1.0,"joint":0.5}"#;
        let read: Vec<Evaluation> = parse_lines(line);
        assert_eq!((read[0].joint, read[0].no_code, read[0].dropped), (Some(0.5), None, 0));
    }

    #[test]
    fn a_run_that_wrote_nothing_has_an_empty_record() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::read(dir.path()).unwrap();
        assert_eq!((record.last_step(), record.evaluations.len()), (0, 0));
    }
}
