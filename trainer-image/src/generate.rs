//! `real-trainer generate`: answers to a file of prompts.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use real_crds::config;
use real_datasets::files::{WholeFile, is_one_file, read_text};
use real_datasets::{Message, Task};
use real_terminal::OrRefused as _;
use real_terminal::arguments::at_least_one;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::lease;
use crate::compute;
use crate::model::{Decoder, resolve};
use crate::sampling::{Sampled, SamplingOptions, generate};
use crate::tokenizer::Tokenizer;
use crate::train::stop::Stop;

/// Generates an answer to each prompt of a file or data set.
#[derive(clap::Args, Debug)]
pub struct GenerateArgs {
    /// Hugging Face folder of a Qwen2 or Llama model: a path, `file://`, `hf://ORG/NAME` or `bundled://NAME`.
    #[arg(long, value_name = "URI")]
    model: String,
    /// JSON lines: `id` and `prompt`, which is a list of chat messages, or a string to go on with as it is. Canonical
    /// tasks are such lines.
    #[arg(long, value_name = "FILE", required_unless_present = "dataset", conflicts_with = "dataset")]
    prompts: Option<PathBuf>,
    /// Data set to take prompts from: a path, `file://`, `https://`, `hf://` or `bundled://NAME`.
    #[arg(long, value_name = "URI")]
    dataset: Option<String>,
    /// Most prompts, from the first; all where absent.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Where answers go, in the order of the prompts: a line each, with `id` and `response`.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Longest answer in tokens; 512 where absent, or what the model has positions for after the longest prompt.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_new_tokens: Option<usize>,
    /// Sampling temperature; 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// Nucleus: draw from the smallest set of tokens with this probability.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f64,
    /// Draw from this many most probable tokens; 0 for all.
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Seed of sampling.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Answers a prompt; with more than one, lines have a `sample` too.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = at_least_one)]
    samples: usize,
    /// Answers generated at a time.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = at_least_one)]
    batch_size: usize,
    /// `auto`, `cpu` or `cuda`.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = parse_name::<config::Device>)]
    device: config::Device,
    /// Type of activations: `f32` or `bf16`.
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = parse_name::<config::Dtype>)]
    dtype: config::Dtype,
    /// CPU threads; 0 for as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

/// Parses a name as the configuration's JSON spells it.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|e| e.to_string())
}

/// One prompt as read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct PromptLine {
    id: Value,
    prompt: Prompt,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Prompt {
    /// Goes through the chat template.
    Messages(Vec<Message>),
    /// Taken as it is.
    Text(String),
}

impl From<Task> for PromptLine {
    fn from(task: Task) -> Self {
        Self { id: task.id.into(), prompt: Prompt::Messages(task.prompt) }
    }
}

#[derive(Serialize)]
struct ResponseLine<'t> {
    id: &'t Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<usize>,
    response: String,
    /// Whether the model ended it; false where it was cut at the length limit.
    finished: bool,
}

/// Runs the command.
///
/// # Errors
/// The model, the prompts or the output file are unusable; the message says which and why.
pub fn run(args: &GenerateArgs) -> Result<()> {
    let lines = asked(args).or_refused()?;
    let read = args.prompts.as_ref().map(|path| path.to_string_lossy());
    let read = read.as_deref().or(args.dataset.as_deref()).unwrap_or_default();
    let written = args.output.display();
    if is_one_file(read, &args.output) {
        return Err(anyhow::anyhow!("--output {written} is the file that is read; name another")).or_refused();
    }
    // Before the work, so that an output that cannot be written costs nothing. It vanishes where the work fails.
    let mut file = WholeFile::create(&args.output)
        .with_context(|| format!("cannot write {}", args.output.display()))
        .or_refused()?;

    compute::set_threads(args.threads);
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let _lease = lease::Held::take(
        &args.model,
        None,
        &format!("real-trainer generate, process {}", std::process::id()),
        &Stop::default(),
    );
    let dir = resolve(&args.model, scratch.path()).or_refused()?;
    let tokenizer = Tokenizer::load(&dir).or_refused()?;
    let device = compute::device(args.device, 0).map_err(anyhow::Error::msg).or_refused()?;
    let model = Decoder::load(&dir, device).or_refused()?.with_compute(compute::kind(args.dtype));

    let encoded: Vec<Vec<i64>> = lines
        .iter()
        .map(|line| {
            match &line.prompt {
                Prompt::Messages(messages) => tokenizer.chat(messages),
                Prompt::Text(text) => tokenizer.encode(text),
            }
            .with_context(|| format!("prompt {}", line.id))
        })
        .collect::<Result<_>>()
        .or_refused()?;
    let repeated: Vec<Vec<i64>> =
        encoded.iter().flat_map(|ids| std::iter::repeat_n(ids.clone(), args.samples)).collect();
    let longest = encoded.iter().map(Vec::len).max().unwrap_or(0);
    let left = usize::try_from(model.config().max_position_embeddings).unwrap_or(0).saturating_sub(longest);
    let new = args.max_new_tokens.unwrap_or(left.clamp(1, 512));
    model
        .config()
        .check_lengths(&dir, longest as u64, new as u64, "shorten the prompts or lower --max-new-tokens")
        .or_refused()?;
    let answers = answer(&model, &tokenizer, &repeated, new, args)?;
    write_answers(&mut file, &lines, &answers, &tokenizer, args)
        .and_then(|()| Ok(file.commit()?))
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    Ok(())
}

/// The prompts, where everything that is asked for can be.
fn asked(args: &GenerateArgs) -> Result<Vec<PromptLine>> {
    ensure!(
        args.temperature >= 0.0 && args.temperature.is_finite(),
        "--temperature is {}; it must be 0 or more",
        args.temperature
    );
    ensure!(args.top_p > 0.0 && args.top_p <= 1.0, "--top-p is {}; it must be above 0 and at most 1", args.top_p);
    let mut lines = prompts(args)?;
    lines.truncate(args.limit.unwrap_or(usize::MAX));
    Ok(lines)
}

fn answer(
    model: &Decoder,
    tokenizer: &Tokenizer,
    prompts: &[Vec<i64>],
    max_new_tokens: usize,
    args: &GenerateArgs,
) -> Result<Vec<Sampled>> {
    let options = SamplingOptions {
        max_new_tokens,
        temperature: args.temperature,
        top_p: args.top_p,
        top_k: args.top_k,
        seed: args.seed,
        batch_size: args.batch_size,
        eos: tokenizer.eos().to_vec(),
    };
    let start = Instant::now();
    let (mut answers, mut done, mut tokens) = (vec![None; prompts.len()], 0, 0);
    generate(model, prompts, &options, &mut |index, sampled| {
        done += 1;
        tokens += sampled.ids.len();
        tracing::info!(done, of = prompts.len(), tokens = sampled.ids.len(), "answered");
        answers[index] = Some(sampled);
    })
    .or_refused()?;
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!(answers = done, tokens, seconds, tokens_per_second = tokens as f64 / seconds, "generated");
    answers.into_iter().collect::<Option<_>>().context("an answer is missing")
}

fn write_answers(
    file: &mut WholeFile,
    lines: &[PromptLine],
    answers: &[Sampled],
    tokenizer: &Tokenizer,
    args: &GenerateArgs,
) -> Result<()> {
    let mut out = BufWriter::new(file);
    for (line, samples) in lines.iter().zip(answers.chunks(args.samples)) {
        for (sample, sampled) in samples.iter().enumerate() {
            let response = tokenizer.decode(&sampled.ids)?;
            let sample = (args.samples > 1).then_some(sample);
            let line = ResponseLine { id: &line.id, sample, response, finished: sampled.finished };
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}

fn prompts(args: &GenerateArgs) -> Result<Vec<PromptLine>> {
    let lines = match (&args.prompts, &args.dataset) {
        (Some(path), _) => read_prompts(path)?,
        (None, Some(uri)) => real_datasets::load(uri)?.into_iter().map(PromptLine::from).collect(),
        (None, None) => bail!("give --prompts or --dataset"),
    };
    ensure!(!lines.is_empty(), "there are no prompts");
    Ok(lines)
}

fn read_prompts(path: &Path) -> Result<Vec<PromptLine>> {
    let text = read_text(path, u64::MAX).with_context(|| format!("cannot read prompts from {}", path.display()))?;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let parsed = serde_json::from_str(line).with_context(|| {
            format!(
                "{}:{number}: a prompt is {{\"id\", \"prompt\": text or [{{\"role\", \"content\"}}]}}",
                path.display()
            )
        })?;
        lines.push(parsed);
    }
    Ok(lines)
}
