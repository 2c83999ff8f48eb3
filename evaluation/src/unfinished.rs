//! Rows in a file, a JSON line an answer, written as each is known, so that nothing is lost and scoring can go on later.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use real_datasets::files::{check_writable, read_text, write_whole};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answers::Answer;
use crate::row::Row;

/// The file while it is unfinished: `FILE.partial`. Its first line is what the rows depend on, so that it is not gone on with
/// under other settings.
#[derive(Debug)]
pub struct Unfinished {
    target: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
}

impl Unfinished {
    /// Opens the file before any work is done: a folder that is not there or not writable is known at once. Rows that an
    /// earlier start wrote come back where `resume` is set.
    ///
    /// # Errors
    /// It cannot be written; there is an unfinished file of an earlier start and `resume` is not set; or it is of other
    /// settings or answers.
    pub fn open<S: Serialize + DeserializeOwned + PartialEq>(
        target: &Path,
        settings: &S,
        answers: &[Answer],
        resume: bool,
    ) -> anyhow::Result<(Self, Vec<Row>)> {
        let mut partial = target.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        // A first line alone says what was to be done and was not.
        let earlier = fs::read_to_string(&partial).ok().filter(|text| whole_lines(text).lines().count() > 1);
        ensure!(
            earlier.is_none() || resume,
            "{} holds the answers that an earlier start scored; add --resume to go on with it, or remove it",
            partial.display()
        );
        let cannot = || format!("cannot write {}; name another file with --output", target.display());
        check_writable(target).with_context(cannot)?;
        if let Some(text) = earlier {
            let rows =
                read(&text, settings, answers).with_context(|| format!("cannot go on with {}", partial.display()))?;
            let file = File::options().append(true).open(&partial).with_context(cannot)?;
            file.set_len(whole_lines(&text).len() as u64).with_context(cannot)?;
            return Ok((Self { target: target.to_owned(), partial, file: BufWriter::new(file) }, rows));
        }
        let file = File::create(&partial).with_context(cannot)?;
        let mut unfinished = Self { target: target.to_owned(), partial, file: BufWriter::new(file) };
        unfinished.line(settings)?;
        unfinished.flush()?;
        Ok((unfinished, Vec::new()))
    }

    /// Writes a row; it is in the file when this returns.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, row: &Row) -> anyhow::Result<()> {
        self.line(row)?;
        self.flush()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.partial
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
        drop(self.file);
        write_whole(&self.target, text).with_context(|| format!("what was scored is in {}", self.partial.display()))?;
        fs::remove_file(&self.partial).with_context(|| format!("cannot remove {}", self.partial.display()))
    }

    fn line(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let written = serde_json::to_writer(&mut self.file, value).map_err(std::io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).with_context(|| self.unwritable())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        self.file.flush().with_context(|| self.unwritable())
    }

    fn unwritable(&self) -> String {
        format!("cannot write {}", self.partial.display())
    }
}

/// The rows of a finished file.
///
/// # Errors
/// It cannot be read, or a line of it is no row.
pub fn read_rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    let text = read_text(path, u64::MAX).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let row = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {number}: no judged answer", path.display()))
    };
    lines.map(row).collect()
}

/// The text up to its last line's end; what stands behind it is half a line.
fn whole_lines(text: &str) -> &str {
    &text[..text.rfind('\n').map_or(0, |end| end + 1)]
}

/// The rows of an unfinished file, which must be those of the first answers.
fn read<S: Serialize + DeserializeOwned + PartialEq>(
    text: &str,
    settings: &S,
    answers: &[Answer],
) -> anyhow::Result<Vec<Row>> {
    let mut lines = whole_lines(text).lines();
    let first = lines.next().unwrap_or_default();
    let earlier: S = serde_json::from_str(first).context("its first line does not say what was scored")?;
    ensure!(
        earlier == *settings,
        "it was scored with other settings: {} there, {} here",
        serde_json::to_string(&earlier)?,
        serde_json::to_string(settings)?
    );
    let mut rows: Vec<Row> = Vec::new();
    for (index, line) in lines.enumerate() {
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
    use real_reward::{Reason, Unscored};

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
        let reason = Reason::ParserDisagrees("line 1".into());
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
        assert!(lines.contains("syntax error") && !lines.contains("reward"), "{lines}");
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
