//! `summary.json` of a run directory: how the run stands.

use std::fs;
use std::io;
use std::path::Path;

use real_crds::progress::Evaluation;
use real_datasets::files::write_whole;
use serde::{Deserialize, Serialize};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// All steps are done.
    Complete,
    /// Stopped on request, with a checkpoint to go on from.
    Stopped,
    /// Given up.
    Failed,
}

/// `summary.json`. The aliases are names of earlier versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Name of the job.
    pub job: String,
    /// How the run stands.
    pub phase: Phase,
    /// Why it failed or stopped; absent when complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Training steps done.
    pub steps: u64,
    /// Training steps asked for.
    #[serde(alias = "total_steps")]
    pub total_steps: u64,
    /// Seconds from start to end, summed over all starts of the run.
    #[serde(alias = "wall_seconds")]
    pub wall_seconds: f64,
    /// Times the trainer was started again after a crash, summed over all starts of the run.
    pub restarts: u64,
    /// All evaluations, in order.
    pub evaluations: Vec<Evaluation>,
}

impl Summary {
    const FILE: &str = "summary.json";

    /// The summary of a run directory; `None` where there is none that can be read.
    pub fn read(run_dir: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(run_dir.join(Self::FILE)).ok()?).ok()
    }

    /// Writes the summary, whole or not at all.
    pub fn write(&self, run_dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(&run_dir.join(Self::FILE), &text)
    }
}

#[cfg(test)]
mod tests {
    use real_crds::progress::Decoding;

    use super::*;

    #[test]
    fn the_summary_has_the_documented_names() {
        let evaluation = Evaluation {
            suite: "s".into(),
            decoding: Decoding::Greedy,
            step: 0,
            n: 4,
            function: Some(0.5),
            quality: Some(1.0),
            joint: Some(0.5),
            no_code: Some(0.25),
            dropped: 1,
            intervals: None,
        };
        let summary = Summary {
            job: "j".into(),
            phase: Phase::Complete,
            reason: None,
            steps: 2,
            total_steps: 2,
            wall_seconds: 1.5,
            restarts: 0,
            evaluations: vec![evaluation],
        };
        let dir = tempfile::tempdir().unwrap();
        summary.write(dir.path()).unwrap();
        assert_eq!(Summary::read(dir.path()), Some(summary));
        insta::assert_snapshot!(fs::read_to_string(dir.path().join("summary.json")).unwrap(), @r#"
        {
          "job": "j",
          "phase": "Complete",
          "steps": 2,
          "totalSteps": 2,
          "wallSeconds": 1.5,
          "restarts": 0,
          "evaluations": [
            {
              "suite": "s",
              "decoding": "greedy",
              "step": 0,
              "n": 4,
              "function": 0.5,
              "quality": 1.0,
              "joint": 0.5,
              "noCode": 0.25,
              "dropped": 1
            }
          ]
        }
        "#);
    }
}
