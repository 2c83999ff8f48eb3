//! `real score`: answers to a data set's tasks, scored by the real detector and the real sandbox.

mod baseline;
mod output;
mod responses;
mod summary;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use real_datasets::{DatasetKind, Task};
use real_reward::profile::Rules;
use real_reward::{EmptyOutputs, Extraction, Profile, Scored, Scorer, ScorerConfig, Unscored};
use real_terminal::{bars, errln, outln};
use url::Url;

use crate::services::{Kind, Services};
use crate::shutdown::Shutdown;
use responses::{Answer, Source};
use summary::Summary;

/// Arguments of `real score`.
#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    /// The data set's kind; recognised by its columns where absent
    #[arg(long, value_name = "safesql|seccodeplt|apps")]
    dataset: Option<DatasetKind>,
    /// The data set: one of the paper's parquet files, a canonical .jsonl, or `bundled://NAME`
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Answers: a file of {"id", "response"} lines, the data set's own `references` or `vulnerable` programs, or
    /// `baselines`: programs that do no work, to see what each earns
    #[arg(long, value_name = "references|vulnerable|baselines|FILE")]
    responses: Source,
    /// Shape of the reward
    #[arg(long, value_enum, default_value = "paper")]
    profile: ProfileName,
    /// Which part of an answer is the program
    #[arg(long, value_enum, default_value = "paper")]
    extraction: ExtractionName,
    /// Whether tests that expect no output earn anything by themselves
    #[arg(long, value_enum, default_value = "count")]
    empty_outputs: EmptyOutputsName,
    /// Most functional tests run per answer; all where absent
    #[arg(long, value_name = "N")]
    max_tests: Option<usize>,
    /// Weight of quality; function's is 1 - alpha
    #[arg(long, default_value_t = 0.5)]
    alpha: f64,
    /// Write a JSON line an answer
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Score the first N answers only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Base URL of a running detector, may be repeated; started here where absent
    #[arg(long, value_name = "URL")]
    detector: Vec<Url>,
    /// Base URL of a running sandbox, may be repeated; started here where absent
    #[arg(long, value_name = "URL")]
    sandbox: Vec<Url>,
    /// Seconds for one answer, retries included; then it is dropped and counted
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Answers scored at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    concurrency: usize,
}

/// Names of reward profiles.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProfileName {
    /// The paper's text: quality 0 or 1, function the share of tests passed, -1 where nothing runs
    Paper,
    /// The scores of the paper's released code, which grade, without its bugs
    Reference,
}

/// Names of ways to find the program.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExtractionName {
    /// The last match of the paper's expression for a fenced block of `python`
    Paper,
    /// Markdown as models write it: the block of Python that defines the entry point, else the longest
    Tolerant,
}

/// What tests that expect no output are worth.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EmptyOutputsName {
    /// As much as every other
    Count,
    /// Nothing, unless a test that expects some output passes
    Ignore,
}

/// An answer and what became of it.
struct Outcome {
    answer: Answer,
    result: Result<Scored, Unscored>,
}

/// Loads, scores, reports.
///
/// # Errors
/// Data, answers or services that cannot be used, or no answer that could be scored.
pub async fn run(args: ScoreArgs) -> anyhow::Result<ExitCode> {
    let tasks = load(&args)?;
    let mut answers = responses::read(&args.responses, &tasks)?;
    answers.truncate(args.limit.unwrap_or(usize::MAX));
    if answers.is_empty() {
        bail!("nothing to score: {} holds no answer", args.responses);
    }
    let output = args.output.as_deref().map(output::Pending::create).transpose()?;
    // Before any service is started, so that a wrong number costs nothing.
    let mut config = config(&args);
    let placeholder = [Url::parse("http://127.0.0.1")?];
    ScorerConfig { detectors: placeholder.to_vec(), sandboxes: placeholder.to_vec(), ..config.clone() }.validate()?;

    let mut shutdown = Shutdown::listen()?;
    let logs = std::env::temp_dir().join(format!("real-score-{}", std::process::id()));
    let services = start_missing(&args, &mut config, &logs).await?;
    let scorer = Scorer::new(config)?;
    let start = Instant::now();
    let outcomes = tokio::select! {
        outcomes = score_all(&scorer, &tasks, answers, args.concurrency) => outcomes,
        error = failed(services.as_ref()) => return Err(error.into()),
        () = shutdown.requested() => bail!("interrupted; nothing was written"),
    };
    let elapsed = start.elapsed();
    if let Some(services) = services {
        services.stop().await;
        // Logs of services that did their work are of no further use.
        let _ = std::fs::remove_dir_all(&logs);
    }
    report(&args, &tasks, &outcomes, elapsed, output)
}

fn load(args: &ScoreArgs) -> anyhow::Result<HashMap<String, Task>> {
    let tasks = match args.dataset {
        Some(kind) => real_datasets::load_as(kind, Path::new(&args.data))?,
        None => real_datasets::load(&args.data)?,
    };
    Ok(tasks.into_iter().map(|task| (task.id.clone(), task)).collect())
}

fn config(args: &ScoreArgs) -> ScorerConfig {
    ScorerConfig {
        alpha: args.alpha,
        profile: match args.profile {
            ProfileName::Paper => Profile::Paper,
            ProfileName::Reference => Profile::Reference,
        },
        extraction: match args.extraction {
            ExtractionName::Paper => Extraction::Paper,
            ExtractionName::Tolerant => Extraction::Tolerant,
        },
        empty_outputs: match args.empty_outputs {
            EmptyOutputsName::Count => EmptyOutputs::Count,
            EmptyOutputsName::Ignore => EmptyOutputs::Ignore,
        },
        max_tests: args.max_tests,
        report_safety_tests: true,
        detectors: args.detector.clone(),
        sandboxes: args.sandbox.clone(),
        timeout: Duration::from_secs(args.timeout),
        concurrency: args.concurrency,
        ..ScorerConfig::default()
    }
}

/// Starts the services that were not given, and puts their addresses into the configuration.
async fn start_missing(args: &ScoreArgs, config: &mut ScorerConfig, logs: &Path) -> anyhow::Result<Option<Services>> {
    let mut kinds = Vec::new();
    kinds.extend(args.detector.is_empty().then_some(Kind::Detector));
    kinds.extend(args.sandbox.is_empty().then_some(Kind::Sandbox));
    if kinds.is_empty() {
        return Ok(None);
    }
    std::fs::create_dir_all(logs).with_context(|| format!("cannot make a folder for logs at {}", logs.display()))?;
    let services = Services::start(&kinds, logs).await?;
    let urls = |kind| services.urls(kind).iter().map(|url| Url::parse(url)).collect::<Result<Vec<_>, _>>();
    config.detectors.extend(urls(Kind::Detector)?);
    config.sandboxes.extend(urls(Kind::Sandbox)?);
    Ok(Some(services))
}

async fn failed(services: Option<&Services>) -> crate::services::ServiceError {
    match services {
        Some(services) => services.failed().await,
        None => std::future::pending().await,
    }
}

/// Scores all answers; outcomes are in their order.
async fn score_all(
    scorer: &Scorer,
    tasks: &HashMap<String, Task>,
    answers: Vec<Answer>,
    concurrency: usize,
) -> Vec<Outcome> {
    let progress = progress(answers.len() as u64);
    let outcomes = stream::iter(answers)
        .map(|answer| async {
            let result = scorer.score(&tasks[&answer.id], &answer.response).await;
            if let Some(bar) = &progress {
                bar.inc(1);
            }
            Outcome { answer, result }
        })
        .buffered(concurrency)
        .collect()
        .await;
    if let Some(bar) = progress {
        bar.finish_and_clear();
    }
    outcomes
}

fn progress(length: u64) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template("scoring {wide_bar} {pos}/{len} {per_sec} eta {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    bars::add(ProgressBar::new(length).with_style(style))
}

fn report(
    args: &ScoreArgs,
    tasks: &HashMap<String, Task>,
    outcomes: &[Outcome],
    elapsed: Duration,
    output: Option<output::Pending>,
) -> anyhow::Result<ExitCode> {
    for outcome in outcomes {
        if let Err(unscored) = &outcome.result {
            errln!("dropped: answer to {}: {unscored}", outcome.answer.id);
        }
    }
    if let Some(output) = output {
        output.write(outcomes)?;
    }
    if args.responses == Source::Baselines {
        let shares = baseline::Shares::of(outcomes);
        if args.json {
            outln!("{}", serde_json::to_string(&shares)?);
        } else {
            outln!("{}", baseline::table(&shares));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let summary = Summary::of(outcomes, tasks, Rules::from(&config(args)), elapsed);
    if args.json {
        outln!("{}", serde_json::to_string(&summary)?);
    } else {
        outln!("{}", summary.table());
    }
    if summary.scored == 0 {
        bail!("no answer could be scored; the first reason is above");
    }
    Ok(ExitCode::SUCCESS)
}
