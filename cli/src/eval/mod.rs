//! `real eval`: models on data sets, judged by the real detector and the real sandbox.

mod cell;
mod checkpoints;
mod folder;
mod generate;
mod identity;
mod plan;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use real_evaluation::report::{CellReport, Format, Report};
use real_reward::{Scorer, ScorerConfig};
use real_terminal::{OrRefused as _, Stream, causes, count, errln, exit, outln, width};

use self::cell::{Ended, Evaluator};
use self::folder::{Existing, Folder};
use self::plan::Plan;
use self::suite::Loaded;
use crate::process::Spawner;
use crate::programs;
use crate::score::{EmptyOutputsName, ExtractionName};
use crate::services::args::ServiceArgs;
use crate::services::{Services, failed};
use crate::shutdown::Shutdown;
use real_terminal::arguments::at_least_one;

/// Arguments of `real eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct EvalArgs {
    /// What to evaluate: a `RealEvalSweep`, the very file that `kubectl apply` takes. Options add to it
    #[arg(value_name = "SWEEP.yaml")]
    sweep: Option<PathBuf>,
    /// A model: a Hugging Face folder, `bundled://NAME`, or an API like OpenAI's, `http://HOST/v1` or
    /// `http://HOST/v1?model=NAME` (its key in `REAL_API_KEY`); may be repeated
    #[arg(long, value_name = "[NAME=]URI")]
    model: Vec<String>,
    /// Answers that are there already: a file of {"id", "response"} lines, the data set's own `references` or `vulnerable`
    /// programs, `nothing` (a program that does nothing), or `baselines` (all programs that do no work); may be repeated
    #[arg(long, value_name = "[NAME=]references|vulnerable|nothing|baselines|FILE")]
    responses: Vec<String>,
    /// A data set to evaluate on, as `real score --data` takes it; may be repeated
    #[arg(long, value_name = "[NAME=]URI")]
    suite: Vec<String>,
    /// A setting and its values, which are all combined: temperature, topP, samples, seed, maxResponseTokens, promptTemplate;
    /// may be repeated
    #[arg(long, value_name = "SETTING=VALUE,…")]
    matrix: Vec<String>,
    /// Evaluate on the first N tasks of each suite only
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit: Option<usize>,
    /// Say how much of each suite is in this training set already; may be repeated
    #[arg(long, value_name = "URI")]
    train: Vec<String>,
    /// Folder of run directories, for a sweep that selects jobs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// Where everything goes [default: evals/NAME, NAME being the sweep's]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on with what an earlier start left in the folder
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Move what an earlier start left aside
    #[arg(long)]
    fresh: bool,
    /// How the results are printed
    #[arg(long, value_enum, default_value = "table")]
    format: FormatName,
    /// Which part of an answer is the program
    #[arg(long, value_enum, default_value = "paper")]
    extraction: ExtractionName,
    /// Whether tests that expect no output earn anything by themselves
    #[arg(long, value_enum, default_value = "count")]
    empty_outputs: EmptyOutputsName,
    #[command(flatten)]
    services: ServiceArgs,
}

const AFTER_HELP: &str = "\
Exit codes:
   0  all cells are evaluated
   1  a cell failed, or something on this machine is missing or broke
   2  it cannot be evaluated as it is asked for
  75  stopped by Ctrl-C or SIGTERM; go on with --resume

The folder holds summary.json, results.jsonl (a line an answer: verdicts, findings, parts of the
reward, the answer itself), report.html (one file, works offline) and cells/.";

/// How results are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatName {
    /// For this terminal
    Table,
    /// For a page
    Markdown,
    /// A line a cell
    Csv,
    /// All of it, for programs
    Json,
    /// Rows are models, columns are suites
    Latex,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Table => Self::Table,
            FormatName::Markdown => Self::Markdown,
            FormatName::Csv => Self::Csv,
            FormatName::Json => Self::Json,
            FormatName::Latex => Self::Latex,
        }
    }
}

impl EvalArgs {
    fn existing(&self) -> Existing {
        match (self.resume, self.fresh) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::MoveAside,
            _ => Existing::Refuse,
        }
    }

    fn config(&self) -> ScorerConfig {
        ScorerConfig {
            extraction: self.extraction.into(),
            empty_outputs: self.empty_outputs.into(),
            report_safety_tests: true,
            ..self.services.config()
        }
    }
}

/// Evaluates every cell, reports.
///
/// # Errors
/// Something that was asked for cannot be, or a service that is missing or broke.
pub async fn run(args: EvalArgs) -> anyhow::Result<ExitCode> {
    let plan = plan::plan(&args).or_refused()?;
    if plan.targets.values().any(|target| matches!(target, plan::Target::Model(_))) {
        programs::find("real-trainer")?;
    }
    for note in &plan.notes {
        errln!("note: {note}");
    }
    let mut shutdown = Shutdown::listen()?;
    let (asked, trained_on, limit) = (plan.suites.clone(), args.train.clone(), args.limit);
    let loading = tokio::task::spawn_blocking(move || suite::load(&asked, &trained_on, limit));
    let suites = tokio::select! {
        loaded = loading => loaded.context("loading the suites panicked")?.or_refused()?,
        () = shutdown.requested() => {
            errln!("stopped on request: nothing is evaluated yet");
            return Ok(exit::STOPPED.into());
        }
    };
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("evals").join(&plan.name));
    let folder = Folder::open(&path, args.existing()).or_refused()?;
    let mut config = args.config();
    let services = args.services.start_missing(&mut config, &folder.logs()).await?;
    let result = evaluate(&args, &plan, &suites, &folder, config, services.as_ref(), &mut shutdown).await;
    match (services, &result) {
        (Some(services), Ok((_, true))) => services.abandon().await,
        (Some(services), _) => services.stop().await,
        (None, _) => {}
    }
    let (cells, stopped) = result?;
    let report = Report { name: plan.name.clone(), suites: suites.iter().map(Loaded::report).collect(), cells };
    folder.write(&report, &plan.cells)?;
    outln!("{}", report.text(args.format.into(), width(Stream::Output))?);
    let left = report.cells.iter().filter(|cell| cell.summary.is_none()).count();
    if stopped {
        errln!("stopped on request: {left} of {} cells are not done; --resume goes on", plan.cells.len());
        return Ok(exit::STOPPED.into());
    }
    errln!("everything is in {}; open {} in a browser", path.display(), path.join("report.html").display());
    let without_result = report.cells.iter().any(|cell| cell.reason.is_some());
    Ok(if without_result { exit::FAILED.into() } else { ExitCode::SUCCESS })
}

/// The report of each cell, and whether somebody asked for the end before all were done.
async fn evaluate(
    args: &EvalArgs,
    plan: &Plan,
    suites: &[Loaded],
    folder: &Folder,
    config: ScorerConfig,
    services: Option<&Services>,
    shutdown: &mut Shutdown,
) -> anyhow::Result<(Vec<CellReport>, bool)> {
    let concurrency = config.concurrency;
    let evaluator = Evaluator {
        scorer: Scorer::new(config)?,
        spawner: Spawner::new()?,
        key: std::env::var("REAL_API_KEY").ok().filter(|key| !key.is_empty()),
        logs: folder.logs(),
        settings: args.settings(),
        concurrency,
    };
    let (mut reports, mut failures, mut stopped) = (Vec::new(), 0, false);
    for (number, cell) in (1..).zip(&plan.cells) {
        let mut report = CellReport {
            name: cell.name.clone(),
            target: cell.target.clone(),
            suite: cell.suite.clone(),
            summary: None,
            reason: None,
        };
        if stopped || failures > plan.max_failures {
            let why =
                if stopped { "stopped before it was evaluated" } else { "skipped: too many cells failed before it" };
            report.reason = Some(why.to_owned());
            say(number, plan.cells.len(), &report, Duration::ZERO);
            reports.push(report);
            continue;
        }
        let suite = suites.iter().find(|suite| suite.name == cell.suite).context("every cell has a suite")?;
        let (start, place) = (Instant::now(), folder.cell(cell));
        let ended = tokio::select! {
            ended = evaluator.evaluate(cell, &plan.targets[&cell.target], suite, &place) => ended,
            error = failed(services) => return Err(error.into()),
            () = shutdown.requested() => Ok(Ended::Stopped),
        };
        match ended {
            Ok(Ended::Stopped) => {
                stopped = true;
                report.reason = Some("stopped before it was done".to_owned());
            }
            Ok(Ended::Done(summary)) => {
                if summary.answers == 0 {
                    failures += 1;
                    report.reason = Some(format!("none of {} could be judged", count(summary.dropped, "answer")));
                }
                report.summary = Some(*summary);
            }
            Err(error) => {
                failures += 1;
                report.reason = Some(causes(error.as_ref()));
            }
        }
        say(number, plan.cells.len(), &report, start.elapsed());
        reports.push(report);
    }
    Ok((reports, stopped))
}

/// A line a cell.
fn say(number: usize, all: usize, report: &CellReport, elapsed: Duration) {
    let rate = |rate: Option<real_evaluation::statistics::Rate>| {
        rate.map_or_else(|| "no result".to_owned(), |rate| format!("{:.1} %", 100.0 * rate.value))
    };
    let said = match (&report.summary, &report.reason) {
        (_, Some(reason)) => format!("no result: {reason}"),
        (Some(s), None) => format!(
            "Function {}, Quality {}, Func.-Qual. {} ({} answers to {} tasks)",
            rate(s.function),
            rate(s.quality),
            rate(s.joint),
            s.answers,
            s.tasks
        ),
        (None, None) => String::new(),
    };
    let said = real_terminal::harmless_lines(&said);
    let (said, more) = said.split_at(said.find('\n').unwrap_or(said.len()));
    errln!("[{number}/{all}] {}: {said} in {:.1} s{more}", report.name, elapsed.as_secs_f64());
}

impl EvalArgs {
    /// What the verdicts depend on, besides answers and tasks.
    fn settings(&self) -> serde_json::Value {
        let name = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        serde_json::json!({
            "limit": self.limit,
            "extraction": name(&self.extraction),
            "emptyOutputs": name(&self.empty_outputs),
        })
    }
}
