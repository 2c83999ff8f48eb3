//! `real-trainer evaluate`: one shard of one cell of a sweep, from its tasks to counts.
//!
//! The counts are the last words: a cell needs no storage, and whoever reads them adds up the shards.

mod api;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use real_crds::cell::{CellConfig, ShardWords, Tally};
use real_crds::progress::Outcome;
use real_crds::sweep::Settings;
use real_datasets::Task;
use real_evaluation::endpoint::is_endpoint;
use real_terminal::{causes, outln};
use tch::Device;

use crate::checkpoint::lease;
use crate::compute;
use crate::evaluate::{keep, tally};
use crate::model::Decoder;
use crate::runtime::Runtime;
use crate::sampling::{SamplingOptions, generate_until};
use crate::scoring::{Outcome as Outcomes, Scoring};
use crate::tokenizer::Tokenizer;
use crate::train::failure::Failure;
use crate::train::last_words;
use crate::train::memory::prompts_at_a_time;
use crate::train::seeds::{Purpose, derived};
use crate::train::setup::{look, scoring};
use crate::train::stop::Stop;

/// Exit code of an evaluation that was asked to stop: nothing of it is kept.
const STOPPED: u8 = 75;
/// Exit code of a cell that cannot be evaluated.
const BAD_CONFIG: u8 = 2;
/// Longest answer where neither the cell nor the model says less, tokens.
const RESPONSE_TOKENS: u64 = 512;
/// The place of a prompt's last message in a template.
const PROMPT: &str = "{prompt}";

/// Arguments of `real-trainer evaluate`.
#[derive(Clone, Debug, clap::Args)]
pub struct EvaluateArgs {
    /// Configuration: the JSON of one cell of a `RealEvalSweep`
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Which shard of the tasks, from 0
    #[arg(long, env = "JOB_COMPLETION_INDEX", default_value_t = 0, value_name = "N")]
    pub shard: u64,
}

/// Runs the subcommand. 0: done, and the counts are printed as a line of JSON; 2: the cell cannot be evaluated as it is
/// configured, trying again is of no use; 75: stopped; 1: anything else.
pub fn evaluate(arguments: &EvaluateArgs) -> ExitCode {
    let (code, outcome, message, counts) = match run(arguments) {
        Ok(Some(counts)) => (0, Outcome::Done, String::new(), Some(counts)),
        Ok(None) => (STOPPED, Outcome::Stopped, "asked to stop before all answers were judged".to_owned(), None),
        Err(failure) => {
            let code = if matches!(failure, Failure::Config(_)) { BAD_CONFIG } else { 1 };
            let (Failure::Config(error) | Failure::Run(error)) = failure;
            (code, Outcome::Failed, causes(error.as_ref()), None)
        }
    };
    if outcome == Outcome::Failed {
        tracing::error!("{message}");
    }
    let words = ShardWords::compose(outcome, arguments.shard, &message, counts);
    if outcome == Outcome::Done {
        outln!("{words}");
    }
    last_words::write(&words);
    ExitCode::from(code)
}

fn run(arguments: &EvaluateArgs) -> Result<Option<Tally>, Failure> {
    let config = read(&arguments.config, arguments.shard).map_err(Failure::of_input)?;
    let runtime = Runtime::of_threads()?;
    let stop = {
        let _inside = runtime.enter();
        Stop::on_signals()?
    };
    let judge = scoring(&config.reward, 0, runtime.handle()).map_err(Failure::of_input)?;
    let ended = if is_endpoint(&config.model) {
        api::answer(&config, arguments.shard, &runtime, &judge, &stop)
    } else {
        by_model(&config, arguments.shard, &judge, &stop)
    };
    match ended {
        // What went wrong meanwhile is no reason: it may come of what else ends just now.
        Err(_) if stop.requested() => Ok(None),
        ended => ended,
    }
}

/// Has a model of ours answer the tasks of a shard and counts what the services say; none where asked to stop meanwhile.
fn by_model(config: &CellConfig, shard: u64, judge: &Scoring, stop: &Stop) -> Result<Option<Tally>, Failure> {
    // That there is no such device is this machine's failure: another one may have it.
    let device =
        compute::device(config.compute.device, 0).map_err(|reason| Failure::Run(anyhow::Error::msg(reason)))?;
    compute::set_threads(config.compute.threads as usize);
    let scratch = tempfile::tempdir()?;
    // Before it is read: from now on nobody removes it.
    let _lease = lease::Held::take(
        &config.model,
        config.leases.as_deref().map(Path::new),
        &format!("{}, shard {shard}", config.cell),
        stop,
    );
    let (prepared, policy) = prepare(config, shard, scratch.path(), device, stop).map_err(Failure::of_input)?;
    let policy = policy.with_compute(compute::kind(config.compute.dtype));
    let seed = derived(config.settings.seed, Purpose::Evaluation, &[shard]);
    answer(config, &policy, &prepared, (shard, seed), judge, stop).map_err(Failure::of_run)
}

/// Reads and checks a configuration.
fn read(path: &Path, shard: u64) -> anyhow::Result<CellConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let config: CellConfig =
        serde_json::from_str(&text).with_context(|| format!("{} is not a cell's configuration", path.display()))?;
    let Settings { temperature, top_p, samples, max_response_tokens, prompt_template, .. } = &config.settings;
    ensure!(config.shards > 0, "shards is 0; it has to be at least 1");
    ensure!(shard < config.shards, "shard {shard} is asked for, and there are {} (from 0)", config.shards);
    ensure!(
        *temperature >= 0.0 && temperature.is_finite(),
        "settings.temperature is {temperature}; it has to be 0 or more"
    );
    ensure!(*top_p > 0.0 && *top_p <= 1.0, "settings.topP is {top_p}; it has to be above 0 and at most 1");
    ensure!(*samples > 0, "settings.samples is 0; it has to be at least 1");
    ensure!(*max_response_tokens != Some(0), "settings.maxResponseTokens is 0; it has to be at least 1");
    if let Some(template) = prompt_template {
        ensure!(template.contains(PROMPT), "settings.promptTemplate is {template:?}; {PROMPT} has to be in it");
    }
    for (field, services) in [("detectors", &config.reward.detectors), ("sandboxes", &config.reward.sandboxes)] {
        ensure!(!services.is_empty(), "reward.{field} is empty: there is nobody to judge answers");
    }
    Ok(config)
}

/// The tasks of a shard, as the model sees them.
struct Prepared {
    tokenizer: Tokenizer,
    tasks: Vec<(Arc<Task>, Vec<i64>)>,
    /// Tasks of this shard whose prompts leave no room for an answer.
    left_out: u64,
    max_new_tokens: u64,
}

/// The tasks of a shard and the model, whose files go to `scratch` where it is a bundled one. What takes long is left to itself once
/// someone asks to stop, which is an error.
fn prepare(
    config: &CellConfig,
    shard: u64,
    scratch: &Path,
    device: Device,
    stop: &Stop,
) -> anyhow::Result<(Prepared, Decoder)> {
    let (folder, tokenizer, model) = look(&config.model, scratch, stop)?;
    let uri = config.suite.uri.clone();
    let loaded = stop.unless_requested(move || real_datasets::load(&uri))?;
    let mut tasks = loaded.with_context(|| format!("data set {}", config.suite.name))?;
    ensure!(!tasks.is_empty(), "data set {} ({}) has no tasks", config.suite.name, config.suite.uri);
    if config.limit > 0 {
        tasks.truncate(usize::try_from(config.limit).unwrap_or(usize::MAX));
    }
    let mut encoded = Vec::with_capacity(tasks.len());
    for task in tasks {
        stop.check()?;
        let task = templated(task, config);
        let place = || format!("data set {}, task {}", config.suite.name, task.id);
        let tokens = tokenizer.chat(&task.prompt).with_context(place)?;
        let unknown = tokens.iter().find(|token| !(0..model.vocab_size).contains(*token));
        ensure!(
            unknown.is_none(),
            "{}: the tokenizer gives token {}, which the model does not know",
            place(),
            unknown.unwrap_or(&0)
        );
        encoded.push((Arc::new(task), tokens));
    }
    let positions = model.max_position_embeddings.max(0) as u64;
    // All shards have to cut answers alike, so this is asked of all tasks.
    let longest = encoded.iter().map(|(_, tokens)| tokens.len() as u64).max().unwrap_or(0);
    let by_itself = || positions.saturating_sub(longest).clamp(1, RESPONSE_TOKENS);
    let max_new_tokens = config.settings.max_response_tokens.unwrap_or_else(by_itself);
    ensure!(
        max_new_tokens < positions,
        "settings.maxResponseTokens is {max_new_tokens}, and the model has {positions} positions for prompt and answer"
    );
    let ours = (0u64..).zip(encoded).filter(|(place, _)| place % config.shards == shard);
    let (tasks, too_long): (Vec<_>, Vec<_>) =
        ours.map(|(_, task)| task).partition(|(_, tokens)| tokens.len() as u64 + max_new_tokens <= positions);
    if !too_long.is_empty() {
        tracing::warn!(
            "{} tasks are left out: their prompts and answers of {max_new_tokens} tokens have no room in {positions} positions",
            too_long.len()
        );
    }
    let policy = stop.unless_requested(move || Decoder::load(&folder, device))??;
    Ok((Prepared { tokenizer, tasks, left_out: too_long.len() as u64, max_new_tokens }, policy))
}

/// Keeps what became of each answer in the cell's folder below `results`, a path or a prefix in a bucket.
fn keep_at<'a>(
    results: &str,
    shard: u64,
    answers: impl Iterator<Item = ((&'a Task, String), Outcomes)>,
    cell: &str,
    stop: &Stop,
) -> anyhow::Result<()> {
    if !real_sources::is_in_a_bucket(results) {
        return keep(&Path::new(results).join(cell), shard, answers, cell);
    }
    let folder = tempfile::tempdir()?;
    keep(folder.path(), shard, answers, cell)?;
    let shelf = real_sources::Shelf::from_environment(results)?;
    let runtime = Runtime::of_this_thread()?;
    // The lines last: whoever sees them finds the table.
    for ending in ["parquet", "jsonl"] {
        let name = format!("shard-{shard}.{ending}");
        let place = format!("{cell}/{name}");
        let sent = runtime.block_on(stop.unless_asked(shelf.put(&place, &folder.path().join(&name))))?;
        sent.with_context(|| format!("cannot keep results in {results}"))?;
    }
    Ok(())
}

/// Answers all tasks and counts what the services say; none where asked to stop meanwhile.
fn answer(
    config: &CellConfig,
    policy: &Decoder,
    prepared: &Prepared,
    (shard, seed): (u64, u64),
    judge: &Scoring,
    stop: &Stop,
) -> anyhow::Result<Option<Tally>> {
    let Prepared { tokenizer, tasks, left_out, max_new_tokens } = prepared;
    // More greedy answers would be the same one.
    let samples = if config.settings.temperature > 0.0 { config.settings.samples as usize } else { 1 };
    let asked: Vec<&(Arc<Task>, Vec<i64>)> = tasks.iter().flat_map(|task| std::iter::repeat_n(task, samples)).collect();
    let prompts: Vec<Vec<i64>> = asked.iter().map(|(_, tokens)| tokens.clone()).collect();
    let max_new_tokens = *max_new_tokens as usize;
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) + max_new_tokens;
    let options = SamplingOptions {
        max_new_tokens,
        temperature: config.settings.temperature,
        top_p: config.settings.top_p,
        top_k: 0,
        seed,
        batch_size: prompts_at_a_time(policy, longest),
        eos: tokenizer.eos().to_vec(),
    };
    let mut pending = judge.begin();
    let mut undecodable = None;
    let mut texts = vec![String::new(); asked.len()];
    let asked_to_stop = || stop.requested();
    let whole = generate_until(policy, &prompts, &options, &asked_to_stop, &mut |index, sampled| match tokenizer
        .decode(&sampled.ids)
    {
        Ok(text) => {
            if config.results.is_some() {
                texts[index].clone_from(&text);
            }
            pending.submit(index, asked[index].0.clone(), text, 0);
        }
        Err(error) => undecodable = Some(error),
    })
    .with_context(|| format!("generating answers to suite {}", config.suite.name))?;
    if let Some(error) = undecodable {
        return Err(error).with_context(|| format!("decoding answers to suite {}", config.suite.name));
    }
    if !whole {
        return Ok(None);
    }
    let Some(outcomes) = pending.wait(stop)? else { return Ok(None) };
    let counts = Tally { tasks: tasks.len() as u64, left_out: *left_out, ..Tally::default() };
    let all = asked.iter().map(|(task, _)| &**task).zip(texts);
    count(config, shard, counts, outcomes, all, stop).map(Some)
}

/// A task as the model is shown it.
fn templated(mut task: Task, config: &CellConfig) -> Task {
    if let (Some(template), Some(last)) = (&config.settings.prompt_template, task.prompt.last_mut()) {
        last.content = template.replace(PROMPT, &last.content);
    }
    task
}

/// Adds to what is known of the tasks what became of their answers, which are kept where they are to be. An error where asked to stop
/// meanwhile.
fn count<'a>(
    config: &CellConfig,
    shard: u64,
    known: Tally,
    outcomes: Vec<Outcomes>,
    answers: impl Iterator<Item = (&'a Task, String)>,
    stop: &Stop,
) -> anyhow::Result<Tally> {
    let counts = Tally { tasks: known.tasks, left_out: known.left_out, ..tally(&outcomes) };
    if let Some(Err(reason)) = outcomes.iter().find(|outcome| outcome.is_err()) {
        let message =
            format!("{} of {} answers could not be judged; the first: {reason}", counts.dropped, outcomes.len());
        // Another try may find the services back.
        ensure!(counts.n > 0, "{message}");
        tracing::warn!("{message}");
    }
    if let Some(results) = &config.results {
        keep_at(results, shard, answers.zip(outcomes), &config.cell, stop)?;
    }
    Ok(counts)
}
