//! One cell: answers, then verdicts, then what they come to. Whatever is done is kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use real_crds::sweep::Cell;
use real_datasets::files::write_whole;
use real_evaluation::answers::{self, Source};
use real_evaluation::endpoint::Endpoint;
use real_evaluation::summary::Summary;
use real_evaluation::{Row, Unfinished};
use real_reward::Scorer;
use serde_json::{Value, json};

use super::plan::Target;
use super::suite::Loaded;
use super::{generate, identity};
use crate::process::Spawner;
use crate::score::score_all;

/// Seed of all intervals: the same rows give the same report.
const SEED: u64 = 1;

/// Everything that a cell's evaluation needs around it.
pub(super) struct Evaluator {
    /// Judges answers.
    pub(super) scorer: Scorer,
    /// Starts `real-trainer`.
    pub(super) spawner: Spawner,
    /// Key of APIs.
    pub(super) key: Option<String>,
    /// Where logs go.
    pub(super) logs: PathBuf,
    /// What verdicts depend on.
    pub(super) settings: Value,
    /// Answers asked for, and judged, at once.
    pub(super) concurrency: usize,
}

/// How a cell ended.
pub(super) enum Ended {
    /// It is evaluated.
    Done(Box<Summary>),
    /// Somebody asked for the end meanwhile.
    Stopped,
}

impl Evaluator {
    /// Evaluates a cell in its folder, going on with what is there.
    pub(super) async fn evaluate(
        &self,
        cell: &Cell,
        target: &Target,
        suite: &Loaded,
        folder: &Path,
    ) -> anyhow::Result<Ended> {
        let key = json!({
            "cell": cell,
            "target": target.uri(),
            "suite": suite.uri,
            "settings": self.settings,
            "tasks": identity::of_tasks(&suite.tasks)?,
            "answeredBy": identity::of_target(target)?,
        });
        same_key(folder, &key)?;
        let rows = folder.join("rows.jsonl");
        if rows.is_file() {
            return Ok(Ended::Done(Box::new(Summary::of(&real_evaluation::read_rows(&rows)?, SEED))));
        }
        let source = match target {
            Target::Answers(source) => source.clone(),
            Target::Model(uri) => {
                let path = folder.join("answers.jsonl");
                if !path.is_file() {
                    let name = folder.file_name().unwrap_or_default().to_string_lossy();
                    let log = self.logs.join(format!("{name}.log"));
                    generate::with_trainer(&self.spawner, uri, &suite.tasks, &cell.settings, &path, &log).await?;
                }
                Source::File(path)
            }
            Target::Endpoint(uri) => {
                let path = folder.join("answers.jsonl");
                if !path.is_file() {
                    let endpoint = Endpoint::open(uri, self.key.clone()).await?;
                    generate::with_endpoint(&endpoint, &suite.tasks, &cell.settings, self.concurrency, &path).await?;
                }
                Source::File(path)
            }
        };
        let mut left = answers::read(&source, &suite.tasks)?;
        ensure!(!left.is_empty(), "{source} holds no answer");
        let answered = left.iter().map(|answer| answer.id.as_str()).collect::<BTreeSet<_>>().len();
        if answered < suite.tasks.len() {
            let (name, all) = (&cell.name, suite.tasks.len());
            tracing::warn!("{name}: {source} has answers to {answered} of {all} tasks; the figures are of those alone");
        }
        let (file, mut done) = Unfinished::open(&rows, &key, &left, true)?;
        let left = left.split_off(done.len());
        let mut file = Some(file);
        let how = (self.concurrency, true);
        score_all(&self.scorer, &suite.tasks, left, how, &mut file, &mut done).await?;
        if let Some(Row::Dropped(first)) = done.iter().find(|row| row.scored().is_none()) {
            tracing::warn!("{}: the answer to {} could not be judged: {}", cell.name, first.id, first.dropped);
        }
        if done.iter().all(|row| row.scored().is_none()) {
            // It is left unfinished, so that --resume tries again.
            let Some(Row::Dropped(first)) = done.first() else { unreachable!("there is an answer") };
            let all = done.len();
            drop(file);
            fs::remove_file(rows.with_extension("jsonl.partial")).context("cannot remove what could not be judged")?;
            anyhow::bail!(
                "none of {} could be judged; the first: {}",
                real_terminal::count(all, "answer"),
                first.dropped
            );
        }
        if let Some(file) = file {
            file.finish(&done)?;
        }
        Ok(Ended::Done(Box::new(Summary::of(&done, SEED))))
    }
}

/// What differs of two keys, in words.
fn differences(earlier: &Value, now: &Value) -> String {
    let names: BTreeSet<&String> =
        [earlier, now].into_iter().filter_map(Value::as_object).flat_map(|key| key.keys()).collect();
    let differ = names.into_iter().filter(|name| earlier.get(*name) != now.get(*name));
    let said = differ.map(|name| format!("{name} is {} there, {} here", earlier[name.as_str()], now[name.as_str()]));
    said.collect::<Vec<_>>().join("; ")
}

/// Makes the folder, or makes sure that it holds the same cell.
fn same_key(folder: &Path, key: &Value) -> anyhow::Result<()> {
    let path = folder.join("cell.json");
    if let Ok(text) = fs::read_to_string(&path) {
        let earlier: Value = serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            earlier == *key,
            "{} was made with other settings: {}; add --fresh, or choose another folder with --output",
            folder.display(),
            differences(&earlier, key)
        );
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write_whole(&path, serde_json::to_string_pretty(key)? + "\n")?;
    Ok(())
}
