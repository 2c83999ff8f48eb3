//! Rows in a file, a JSON line an answer, written as each is known, so that nothing is lost and scoring can go on later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use real_datasets::files::{check_writable, read_text, write_whole};
use real_datasets::partial::Partial;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answers::Answer;
use crate::row::Row;

/// The file while it is unfinished: `FILE.partial`. Its first line is what the rows depend on, so that it is not gone on with
/// under other settings.
#[derive(Debug)]
pub struct Unfinished {
    target: PathBuf,
    partial: Partial,
}

impl Unfinished {
    /// Opens the file before any work is done: a folder that is not there or not writable is known at once. Rows that an
    /// earlier start wrote come back where `resume` is set.
    ///
    /// # Errors
    /// It cannot be written; another process writes to it; there is an unfinished file of an earlier start and `resume` is not
    /// set; or it is of other settings or answers.
    pub fn open<S: Serialize + DeserializeOwned + PartialEq>(
        target: &Path,
        settings: &S,
        answers: &[Answer],
        resume: bool,
    ) -> anyhow::Result<(Self, Vec<Row>)> {
        let cannot = || format!("cannot write {}; name another file with --output", target.display());
        check_writable(target).with_context(cannot)?;
        let (mut partial, lines) = Partial::open(target, "answers", resume)?;
        let rows = read(&lines, settings, answers)
            .with_context(|| format!("cannot go on with {}", partial.path().display()))?;
        partial.head(settings)?;
        Ok((Self { target: target.to_owned(), partial }, rows))
    }

    /// Writes a row; it is in the file when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, row: &Row) -> anyhow::Result<()> {
        Ok(self.partial.push(row)?)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.partial.path()
    }

    /// All rows are there: writes the final file, and removes this one.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self, rows: &[Row]) -> anyhow::Result<()> {
        let mut text = String::new();
        for row in rows {
            text.push_str(&serde_json::to_string(row)?);
            text.push('\n');
        }
        write_whole(&self.target, text)
            .with_context(|| format!("what was scored is in {}", self.partial.path().display()))?;
        Ok(self.partial.remove()?)
    }
}

/// The rows of a finished file.
///
/// # Errors
/// It cannot be read, or a line of it is no row.
pub fn read_rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = read_text(path, u64::MAX).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let cells: BTreeSet<String> =
        lines.clone().filter_map(|(_, line)| serde_json::from_str::<OfCell>(line).ok()?.cell).collect();
    // Each has its own answers to the same tasks.
    ensure!(
        cells.len() < 2,
        "{} holds the rows of several cells ({}); name the folder of one of them, `cells/NAME`",
        path.display(),
        cells.iter().take(3).map(String::as_str).chain((cells.len() > 3).then_some("…")).collect::<Vec<_>>().join(", ")
    );
    let row = |(number, line): (usize, &str)| {
        // What `serde` says of an enum without a tag names no field.
        serde_json::from_str(line).map_err(|_| {
            let place = path.display();
            anyhow!("{place}, line {number}: no judged answer, as `real score --output` and `real eval` write them")
        })
    };
    lines.map(row).collect()
}

/// What a row of a whole evaluation says besides.
#[derive(Deserialize)]
struct OfCell {
    cell: Option<String>,
}

/// The rows of an unfinished file, which must be those of the first answers.
fn read<S: Serialize + DeserializeOwned + PartialEq>(
    lines: &[String],
    settings: &S,
    answers: &[Answer],
) -> anyhow::Result<Vec<Row>> {
    let Some((first, lines)) = lines.split_first() else { return Ok(Vec::new()) };
    let earlier: S = serde_json::from_str(first).context("its first line does not say what was scored")?;
    ensure!(
        earlier == *settings,
        "it was scored with other settings: {} there, {} here",
        serde_json::to_string(&earlier)?,
        serde_json::to_string(settings)?
    );
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let row: Row = serde_json::from_str(line).with_context(|| format!("line {} is no scored answer", index + 2))?;
        let expected = answers.get(index).map(|answer| answer.id.as_str());
        ensure!(
            expected == Some(row.id()),
            "line {} is of the task '{}', but answer {} is {}; the answers have changed",
            index + 2,
            row.id(),
            index + 1,
            expected.map_or_else(|| "not there".to_owned(), |id| format!("of '{id}'"))
        );
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use real_reward::{Reason, Service, Unscored};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Settings {
        alpha: f64,
    }

    fn settings() -> Settings {
        Settings { alpha: 0.5 }
    }

    fn answers(ids: &[&str]) -> Vec<Answer> {
        ids.iter()
            .map(|id| Answer { id: (*id).to_owned(), response: String::new(), baseline: None, lost: None })
            .collect()
    }

    fn dropped(id: &str) -> Row {
        let what = "a bracket is open".to_owned();
        let reason = Reason::Unreadable { service: Service::Detector, what };
        let answer = Answer { id: id.to_owned(), response: String::new(), baseline: None, lost: None };
        let task =
            serde_json::json!({"id": id, "dataset": "d", "split": "s", "prompt": [], "tests": [], "quality": []});
        let task = serde_json::from_value(task).unwrap();
        Row::of(&task, answer, Err(Unscored { reason, attempts: 2 }), false)
    }

    #[test]
    fn what_was_scored_is_kept_and_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        let answers = answers(&["1", "2", "3"]);
        let (mut file, rows) = Unfinished::open(&target, &settings(), &answers, false).unwrap();
        assert!(rows.is_empty());
        file.push(&dropped("1")).unwrap();
        file.push(&dropped("2")).unwrap();
        let partial = file.path().to_owned();
        drop(file);
        // Killed in the middle of a line.
        let text = fs::read_to_string(&partial).unwrap();
        fs::write(&partial, &text[..text.len() - 5]).unwrap();

        let again = Unfinished::open(&target, &settings(), &answers, false).err().unwrap().to_string();
        assert!(again.contains("--resume"), "{again}");
        let (mut file, mut rows) = Unfinished::open(&target, &settings(), &answers, true).unwrap();
        assert_eq!(rows, [dropped("1")]);
        for id in ["2", "3"] {
            rows.push(dropped(id));
            file.push(&rows[rows.len() - 1]).unwrap();
        }
        file.finish(&rows).unwrap();
        let lines = fs::read_to_string(&target).unwrap();
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.contains("a bracket is open") && !lines.contains("reward"), "{lines}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_settings_and_other_answers_are_not_mixed_in() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        let (mut file, _) = Unfinished::open(&target, &settings(), &answers(&["1"]), false).unwrap();
        file.push(&dropped("1")).unwrap();
        drop(file);
        let open = |settings: &Settings, ids: &[&str]| {
            format!("{:#}", Unfinished::open(&target, settings, &answers(ids), true).err().unwrap())
        };
        let other = open(&Settings { alpha: 0.8 }, &["1"]);
        assert!(other.contains("0.5") && other.contains("0.8"), "{other}");
        let other = open(&settings(), &["7"]);
        assert!(other.contains("'1'") && other.contains("'7'"), "{other}");
    }

    #[test]
    fn a_folder_in_the_files_place_is_known_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.jsonl");
        fs::create_dir(&target).unwrap();
        let error = format!("{:#}", Unfinished::open(&target, &settings(), &[], false).err().unwrap());
        assert!(error.contains("out.jsonl; name another") && error.contains("directory"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Unfinished::open(Path::new("/nowhere/out.jsonl"), &settings(), &[], false).err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains("/nowhere/out.jsonl") && error.contains("--output"), "{error}");
    }
}
