//! Answers of a model: by `real-trainer generate`, or from an API.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};
use futures::{StreamExt as _, stream};
use indicatif::ProgressBar;
use real_crds::sweep::Settings;
use real_datasets::files::write_whole;
use real_datasets::{Message, Task};
use real_evaluation::answers::ordered;
use real_evaluation::endpoint::Endpoint;
use real_terminal::{bars, count};
use serde::{Deserialize, Serialize};

use crate::log_tail::tail;
use crate::process::{Spawner, Spec, describe};
use crate::programs;
use crate::ui::Work;

const LOG_LINES: usize = 8;

/// A line of a file of answers.
#[derive(Deserialize, Serialize)]
struct Line {
    id: String,
    #[serde(default)]
    sample: u64,
    response: String,
}

/// What a task's model is shown: its messages, the last of them in the template where there is one.
pub(super) fn prompt(task: &Task, template: Option<&str>) -> Vec<Message> {
    let mut messages = task.prompt.clone();
    if let (Some(template), Some(last)) = (template, messages.last_mut()) {
        last.content = template.replace("{prompt}", &last.content);
    }
    messages
}

/// Lets `real-trainer` answer, into `answers`, which is there whole or not at all.
pub(super) async fn with_trainer(
    spawner: &Spawner,
    model: &str,
    tasks: &BTreeMap<String, Task>,
    settings: &Settings,
    answers: &Path,
    log: &Path,
) -> anyhow::Result<()> {
    let prompts = answers.with_file_name("prompts.jsonl");
    let mut text = String::new();
    for task in ordered(tasks) {
        let prompt = prompt(task, settings.prompt_template.as_deref());
        text += &serde_json::to_string(&serde_json::json!({"id": task.id, "prompt": prompt}))?;
        text.push('\n');
    }
    write_whole(&prompts, &text)?;
    let mut args = vec!["generate".to_owned(), "--model".to_owned(), model.to_owned()];
    let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
    add("--prompts", prompts.display().to_string());
    add("--output", answers.display().to_string());
    add("--temperature", settings.temperature.to_string());
    add("--top-p", settings.top_p.to_string());
    add("--samples", settings.samples.to_string());
    add("--seed", settings.seed.to_string());
    if let Some(most) = settings.max_response_tokens {
        add("--max-new-tokens", most.to_string());
    }
    let program = programs::find("real-trainer")?;
    let spec = Spec { program, args, env: Vec::new(), log: log.to_owned(), capture_stdout: false };
    let spinner = bars::add(
        ProgressBar::new_spinner().with_message(format!("{model} is answering {}", count(tasks.len(), "task"))),
    );
    let mut process = spawner.spawn(&spec).await.context("cannot start real-trainer")?;
    if let Some(spinner) = &spinner {
        spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    }
    let status = process.wait().await.context("real-trainer cannot be waited for")?;
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    if !status.success() {
        bail!("real-trainer ended with {}; {}", describe(status), tail(log, LOG_LINES));
    }
    Ok(())
}

/// Asks an API, into `answers`; what it said so far is kept in `answers.begun.jsonl`, and gone on with.
pub(super) async fn with_endpoint(
    endpoint: &Endpoint,
    tasks: &BTreeMap<String, Task>,
    settings: &Settings,
    concurrency: usize,
    answers: &Path,
) -> anyhow::Result<()> {
    let partial = answers.with_extension("begun.jsonl");
    let mut known: HashMap<(String, u64), String> = HashMap::new();
    let earlier = fs::read_to_string(&partial).unwrap_or_default();
    // What stands behind the last line's end is half a line.
    let whole = &earlier[..earlier.rfind('\n').map_or(0, |end| end + 1)];
    for line in whole.lines() {
        let line: Line =
            serde_json::from_str(line).with_context(|| format!("{} holds no answers", partial.display()))?;
        known.insert((line.id, line.sample), line.response);
    }
    let cannot = || format!("cannot write {}", partial.display());
    let mut file = File::options().create(true).append(true).open(&partial).with_context(cannot)?;
    file.set_len(whole.len() as u64).with_context(cannot)?;
    let wanted: Vec<(&Task, u64)> =
        ordered(tasks).into_iter().flat_map(|task| (0..settings.samples).map(move |sample| (task, sample))).collect();
    let missing: Vec<(&Task, u64)> =
        wanted.iter().filter(|(task, sample)| !known.contains_key(&(task.id.clone(), *sample))).copied().collect();
    let mut work = Work::new("answering", missing.len());
    let mut asked = stream::iter(missing)
        .map(|(task, sample)| async move {
            let messages = prompt(task, settings.prompt_template.as_deref());
            let response = endpoint.answer(&messages, settings, sample).await;
            response.map(|response| Line { id: task.id.clone(), sample, response })
        })
        .buffer_unordered(concurrency);
    while let Some(line) = asked.next().await {
        let line = line?;
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        file.write_all(text.as_bytes()).with_context(cannot)?;
        known.insert((line.id, line.sample), line.response);
        work.advance();
    }
    drop(work);
    let mut text = String::new();
    for (task, sample) in wanted {
        let response = known.remove(&(task.id.clone(), sample)).context("every answer was asked for")?;
        text += &serde_json::to_string(&Line { id: task.id.clone(), sample, response })?;
        text.push('\n');
    }
    write_whole(answers, &text)?;
    fs::remove_file(&partial).with_context(|| format!("cannot remove {}", partial.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_around_the_last_message() {
        let task = serde_json::json!({"id": "1", "dataset": "d", "split": "s", "tests": [], "quality": [],
            "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": "U {prompt}"}]});
        let task: Task = serde_json::from_value(task).unwrap();
        let said = |template| prompt(&task, template).into_iter().map(|message| message.content).collect::<Vec<_>>();
        assert_eq!(said(None), ["S", "U {prompt}"]);
        assert_eq!(said(Some("Safe: {prompt}!")), ["S", "Safe: U {prompt}!"]);
    }
}
