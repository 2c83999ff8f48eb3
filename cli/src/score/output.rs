//! `--output`: a JSON line an answer.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use real_detector_api::{Finding, TypesVerdict};
use real_sandbox_api::TestResult;
use serde::Serialize;

use super::Outcome;

/// A file being written beside its final place, so that a failure leaves nothing half-written.
pub(super) struct Pending {
    target: PathBuf,
    partial: PathBuf,
    file: Option<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    /// Share of functional tests passed.
    function: f64,
    quality: u8,
    reward: f64,
    no_code: bool,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<&'a TypesVerdict>,
    verdicts: &'a [TestResult],
}

#[derive(Serialize)]
struct Dropped<'a> {
    id: &'a str,
    /// Why there is no reward.
    dropped: String,
}

impl Pending {
    /// Makes the file before any work is done: a folder that is not there or not writable is known at once.
    pub(super) fn create(target: &Path) -> anyhow::Result<Self> {
        let mut partial = target.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial)
            .with_context(|| format!("cannot write {}; name another file with --output", target.display()))?;
        Ok(Self { target: target.to_owned(), partial, file: Some(file) })
    }

    /// Writes all lines and moves the file to its place.
    pub(super) fn write(mut self, outcomes: &[Outcome]) -> anyhow::Result<()> {
        let write = |file: File| -> std::io::Result<()> {
            let mut writer = BufWriter::new(file);
            for outcome in outcomes {
                serde_json::to_writer(&mut writer, &line(outcome))?;
                writer.write_all(b"\n")?;
            }
            writer.into_inner()?.sync_all()?;
            std::fs::rename(&self.partial, &self.target)
        };
        match self.file.take() {
            Some(file) => write(file).with_context(|| format!("cannot write {}", self.target.display())),
            None => Ok(()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Already gone where it was moved to its place.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn line(outcome: &Outcome) -> serde_json::Value {
    let id = outcome.answer.id.as_str();
    let value = match &outcome.result {
        Ok(scored) => serde_json::to_value(Line {
            id,
            function: scored.function,
            quality: u8::from(scored.quality > 0.5),
            reward: scored.reward,
            no_code: scored.no_code,
            findings: &scored.findings,
            types: scored.types.as_ref(),
            verdicts: &scored.verdicts,
        }),
        Err(unscored) => serde_json::to_value(Dropped { id, dropped: unscored.to_string() }),
    };
    // Plain data with string keys always has a JSON form.
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use real_reward::{Reason, Unscored};

    use super::super::responses::Answer;
    use super::*;

    #[test]
    fn nothing_is_left_where_writing_did_not_finish() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        drop(Pending::create(&target).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_dropped_answer_has_a_reason_and_no_reward() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        let reason = Reason::ParserDisagrees("line 1".into());
        let outcome = Outcome {
            answer: Answer { id: "7".into(), response: String::new(), baseline: None },
            result: Err(Unscored { reason, attempts: 2 }),
        };
        Pending::create(&target).unwrap().write(&[outcome]).unwrap();
        let line: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(target).unwrap()).unwrap();
        assert_eq!(line["id"], "7");
        assert!(line.get("reward").is_none() && line["dropped"].as_str().unwrap().contains("syntax error"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = format!("{:#}", Pending::create(Path::new("/nowhere/out.jsonl")).err().unwrap());
        assert!(error.contains("/nowhere/out.jsonl") && error.contains("--output"), "{error}");
    }
}
