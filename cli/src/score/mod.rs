//! `real score`: answers to a data set's tasks, scored by the real detector and the real sandbox.

mod baseline;
mod summary;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{anyhow, bail};
use clap::ValueEnum;
use futures::{StreamExt, stream};
use real_datasets::files::is_one_file;
use real_datasets::{ColumnRole, DatasetKind, Mapping, Reading, Task};
use real_reward::profile::Rules;
use real_reward::{EmptyOutputs, Extraction, Profile, Scorer, ScorerConfig};
use real_terminal::{OrRefused as _, Stream, errln, exit, fit, outln, width};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::services::args::ServiceArgs;
use crate::services::failed;
use crate::services::scratch::Scratch;
use crate::shutdown::Shutdown;
use crate::ui::Work;
use real_evaluation::answers::{self, Answer, Source};
use real_evaluation::{DroppedRow, Row, Unfinished};
use real_terminal::arguments::{at_least_one, share};
use summary::Summary;

/// Arguments of `real score`.
#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    /// The data set's kind; recognised by its columns where absent
    #[arg(long, value_name = "safesql|seccodeplt|apps|humaneval|mbpp")]
    dataset: Option<DatasetKind>,
    /// The data set: a file of JSON or Parquet whose form is known, or `bundled://NAME`
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Which of the data set's columns is what, as prompt=question; may be repeated
    #[arg(long, value_name = "ROLE=COLUMN")]
    map: Vec<ColumnRole>,
    /// Answers: a file (lines of `{"id", "response"}`, `{"task_id", "completion"}`, or what a batch API gives), the data set's own `references` or `vulnerable` programs, or
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
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_tests: Option<usize>,
    /// Weight of quality; function's is 1 - alpha
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    alpha: f64,
    /// Write a JSON line an answer; as long as some are not scored yet, FILE.partial has those that are
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on with the FILE.partial that an earlier start left
    #[arg(long, requires = "output")]
    resume: bool,
    /// Score the first N answers only
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    services: ServiceArgs,
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
pub(crate) enum ExtractionName {
    /// The last match of the paper's expression for a fenced block of `python`
    Paper,
    /// Markdown as models write it: the block of Python that defines the entry point, else the longest
    Tolerant,
}

/// What tests that expect no output are worth.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum EmptyOutputsName {
    /// As much as every other
    Count,
    /// Nothing, unless a test that expects some output passes
    Ignore,
}

/// What the rows depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    /// The data set.
    data: String,
    /// Where answers come from.
    responses: String,
    /// Weight of quality.
    alpha: f64,
    /// Shape of the reward.
    profile: String,
    /// How the program is found in an answer.
    extraction: String,
    /// What tests are worth that expect no output.
    empty_outputs: String,
    /// Most functional tests an answer; all where absent.
    max_tests: Option<usize>,
}

/// What is read is not written over.
fn spare_inputs(args: &ScoreArgs) -> anyhow::Result<()> {
    let Some(output) = &args.output else { return Ok(()) };
    let answers = if let Source::File(path) = &args.responses { Some(path.to_string_lossy()) } else { None };
    for (option, read) in [("--data", Some(args.data.as_str())), ("--responses", answers.as_deref())] {
        let is_read = read.is_some_and(|read| is_one_file(read, output));
        anyhow::ensure!(!is_read, "--output {} is the file that {option} reads; name another", output.display());
    }
    Ok(())
}

/// Loads, scores, reports.
///
/// # Errors
/// Data, answers or services that cannot be used, or no answer that could be scored.
pub async fn run(args: ScoreArgs) -> anyhow::Result<ExitCode> {
    spare_inputs(&args).or_refused()?;
    let tasks = load(&args).or_refused()?;
    let mut answers = answers::read(&args.responses, &tasks).or_refused()?;
    answers.truncate(args.limit.unwrap_or(usize::MAX));
    if answers.is_empty() {
        return Err(anyhow!("nothing to score: {} holds no answer", args.responses)).or_refused();
    }
    // Before any service is started, so that a wrong number costs nothing.
    let mut config = config(&args);
    let placeholder = [Url::parse("http://127.0.0.1")?];
    let checked = ScorerConfig { detectors: placeholder.to_vec(), sandboxes: placeholder.to_vec(), ..config.clone() };
    checked.validate().or_refused()?;
    let rules = Rules::from(&config);
    let (mut file, mut rows) = match &args.output {
        Some(target) => {
            let settings = args.settings();
            let opened = Unfinished::open(target, &settings, &answers, args.resume).or_refused()?;
            if args.resume && opened.1.is_empty() {
                errln!(
                    "note: there was no {} to go on with; beginning with the first answer",
                    opened.0.path().display()
                );
            }
            (Some(opened.0), opened.1)
        }
        None => (None, Vec::new()),
    };

    let mut shutdown = Shutdown::listen()?;
    let logs = Scratch::new("score")?;
    let services = args.services.start_missing(&mut config, logs.path()).await?;
    let scorer = Scorer::new(config)?;
    let (start, before, wanted) = (Instant::now(), rows.len(), answers.len());
    let left = answers.split_off(before);
    let stopped = tokio::select! {
        kept = score_all(&scorer, &tasks, left, (args.services.concurrency(), false), &mut file, &mut rows) => {
            kept?;
            false
        }
        error = failed(services.as_ref()) => return Err(error.into()),
        () = shutdown.requested() => true,
    };
    let elapsed = start.elapsed();
    match services {
        Some(services) if stopped => services.abandon().await,
        Some(services) => services.stop().await,
        None => {}
    }
    let summary = Summary::of(&rows, &tasks, rules, rows.len() - before, elapsed);
    report(&args, &rows, &summary)?;
    if stopped {
        let kept = match &file {
            Some(_) if rows.is_empty() => "nothing is kept".to_owned(),
            Some(file) => format!("they are in {}, and --resume goes on", file.path().display()),
            None => "with --output they would be kept, and --resume go on".to_owned(),
        };
        errln!("stopped on request: {} of {wanted} answers are scored; {kept}", rows.len());
        return Ok(exit::STOPPED.into());
    }
    if let Some(file) = file {
        file.finish(&rows)?;
    }
    if summary.scored == 0 {
        bail!("no answer could be scored; the first reason is above");
    }
    Ok(ExitCode::SUCCESS)
}

impl ScoreArgs {
    fn settings(&self) -> Settings {
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        Settings {
            data: self.data.clone(),
            responses: self.responses.to_string(),
            alpha: self.alpha,
            profile: name(&self.profile),
            extraction: name(&self.extraction),
            empty_outputs: name(&self.empty_outputs),
            max_tests: self.max_tests,
        }
    }
}

fn load(args: &ScoreArgs) -> anyhow::Result<BTreeMap<String, Task>> {
    let mapping = Mapping::new(args.map.iter().cloned()).map_err(anyhow::Error::msg)?;
    let tasks = real_datasets::load_with(&args.data, &Reading { kind: args.dataset, mapping })?;
    for task in &tasks {
        if let Some(why) = real_datasets::passed_by_nothing(task) {
            errln!("warning: task {} may be passed by a program that does nothing: {why}", task.id);
        }
    }
    Ok(tasks.into_iter().map(|task| (task.id.clone(), task)).collect())
}

fn config(args: &ScoreArgs) -> ScorerConfig {
    ScorerConfig {
        alpha: args.alpha,
        profile: match args.profile {
            ProfileName::Paper => Profile::Paper,
            ProfileName::Reference => Profile::Reference,
        },
        extraction: args.extraction.into(),
        empty_outputs: args.empty_outputs.into(),
        max_tests: args.max_tests,
        report_safety_tests: true,
        ..args.services.config()
    }
}

impl From<ExtractionName> for Extraction {
    fn from(name: ExtractionName) -> Self {
        match name {
            ExtractionName::Paper => Self::Paper,
            ExtractionName::Tolerant => Self::Tolerant,
        }
    }
}

impl From<EmptyOutputsName> for EmptyOutputs {
    fn from(name: EmptyOutputsName) -> Self {
        match name {
            EmptyOutputsName::Count => Self::Count,
            EmptyOutputsName::Ignore => Self::Ignore,
        }
    }
}

/// Scores answers; rows are in their order, each kept as soon as those before it are known. They hold the answer itself where
/// `keep` says so.
pub(crate) async fn score_all(
    scorer: &Scorer,
    tasks: &BTreeMap<String, Task>,
    answers: Vec<Answer>,
    (concurrency, keep): (usize, bool),
    file: &mut Option<Unfinished>,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let mut work = Work::new("scoring", answers.len());
    let outcomes = stream::iter(answers)
        .map(|answer| async {
            let task = &tasks[&answer.id];
            if let Some(dropped) = answer.lost {
                return Row::Dropped(DroppedRow { id: answer.id, dropped });
            }
            let result = scorer.score(task, &answer.response).await;
            Row::of(task, answer, result, keep)
        })
        .buffered(concurrency);
    let mut outcomes = std::pin::pin!(outcomes);
    while let Some(row) = outcomes.next().await {
        if let Some(file) = file {
            file.push(&row)?;
        }
        rows.push(row);
        work.advance();
    }
    Ok(())
}

fn report(args: &ScoreArgs, rows: &[Row], summary: &Summary) -> anyhow::Result<()> {
    for row in rows {
        if let Row::Dropped(row) = row {
            errln!("dropped: answer to {}: {}", row.id, row.dropped);
        }
    }
    if args.responses == Source::Baselines {
        let shares = baseline::Shares::of(rows);
        if args.json {
            outln!("{}", serde_json::to_string(&shares)?);
        } else {
            outln!("{}", fit(baseline::table(&shares), width(Stream::Output)));
        }
        return Ok(());
    }
    if args.json {
        outln!("{}", serde_json::to_string(summary)?);
    } else {
        outln!("{}", fit(summary.table(), width(Stream::Output)));
    }
    Ok(())
}
