//! `real datasets`: builds tasks and demonstrations, writes the quickstart model's folder, shows what a data set holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use real_datasets::builder::{self, BuildOptions, Built, RunError, Split};
use real_datasets::{ColumnRole, Mapping, Reading, Task, write_jsonl};
use real_sandbox_api::{BatchRequest, BatchResponse, Check, Group};
use real_terminal::{bars, errln, outln};

use crate::refused::OrRefused as _;
use crate::services::{Kind, Services, failed};
use crate::shutdown::Shutdown;
use crate::ui::fixed;

/// Candidates between two lines of news.
const NEWS_EVERY: usize = 100;
/// Tasks that doing nothing passes, of those that `show` names.
const SHOWN_IDLE: usize = 20;

/// Arguments of `real datasets`
#[derive(Debug, Args)]
pub struct DatasetsArgs {
    #[command(subcommand)]
    command: DatasetsCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetsCommand {
    /// Generate SafeSQL-like tasks and keep those that a sandbox confirms
    Build(BuildArgs),
    /// Write the demonstrations that the quickstart's base policy is taught
    Demonstrations(DemonstrationsArgs),
    /// Write the quickstart policy's configuration and tokenizer
    Tokenizer(TokenizerArgs),
    /// Write a data set of any known form, or with columns of its own, as tasks in JSON lines
    Convert(ConvertArgs),
    /// Say what a data set holds, and print its first task
    Show(ShowArgs),
}

#[derive(Debug, Args)]
struct BuildArgs {
    /// File to write, `.jsonl` or `.jsonl.gz`
    #[arg(long)]
    out: PathBuf,
    /// Tasks wanted
    #[arg(long, default_value_t = 2000)]
    count: usize,
    /// Seed: the same tasks every time
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Whose schemas to use; no pair of table and column is in both
    #[arg(long, value_enum, default_value = "train")]
    split: SplitName,
    /// Base URL of a running sandbox; one is started for the time of the build where this is absent
    #[arg(long)]
    sandbox: Option<url::Url>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitName {
    Train,
    Eval,
}

#[derive(Debug, Args)]
struct DemonstrationsArgs {
    /// File to write, `.jsonl` or `.jsonl.gz`
    #[arg(long)]
    out: PathBuf,
    /// Demonstrations wanted
    #[arg(long, default_value_t = 60_000)]
    count: u64,
    /// Seed: the same demonstrations every time
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Args)]
struct TokenizerArgs {
    /// Folder to write, made where it is absent
    #[arg(long)]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct ConvertArgs {
    /// File, `https://`, `hf://` or `s3://` URI: JSON lines or an array, plain or compressed, or Parquet
    uri: String,
    /// File to write, `.jsonl` or `.jsonl.gz`
    #[arg(long)]
    out: PathBuf,
    /// Which column is what, as prompt=question; may be repeated
    #[arg(long, value_name = "ROLE=COLUMN")]
    map: Vec<ColumnRole>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// `bundled://NAME`, or a path or URI of JSON or Parquet whose form is known
    uri: String,
    /// Which column is what, as prompt=question; may be repeated
    #[arg(long, value_name = "ROLE=COLUMN")]
    map: Vec<ColumnRole>,
}

/// Does what the arguments say.
///
/// # Errors
/// What could not be read, built or written, and why.
pub async fn run(args: DatasetsArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        DatasetsCommand::Build(args) => build(args).await?,
        DatasetsCommand::Demonstrations(args) => {
            write_jsonl(&args.out, builder::demonstrations(args.count, args.seed))?;
            outln!("{}: {} demonstrations", args.out.display(), args.count);
        }
        DatasetsCommand::Tokenizer(args) => tokenizer(&args)?,
        DatasetsCommand::Convert(args) => convert(&args)?,
        DatasetsCommand::Show(args) => show(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn build(args: BuildArgs) -> anyhow::Result<()> {
    writable(&args.out).or_refused()?;
    let logs = std::env::temp_dir().join(format!("real-datasets-{}", std::process::id()));
    let mut shutdown = Shutdown::listen()?;
    let services = if args.sandbox.is_some() {
        None
    } else {
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("cannot make a folder for logs at {}", logs.display()))?;
        Some(Services::start(&[Kind::Sandbox], &logs).await?)
    };
    let started = services.iter().flat_map(|services| services.urls(Kind::Sandbox)).next();
    let base = match (&args.sandbox, started) {
        (Some(url), _) => url.to_string(),
        (None, url) => url.context("no sandbox")?,
    };
    let route: url::Url =
        format!("{}/v1/batch", base.trim_end_matches('/')).parse().with_context(|| format!("--sandbox {base}"))?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build()?;
    let runner = |request: BatchRequest| ask(client.clone(), route.clone(), request);
    let split = match args.split {
        SplitName::Train => Split::Train,
        SplitName::Eval => Split::Eval,
    };
    let concurrency = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let style = ProgressStyle::with_template("building {wide_bar} {pos}/{len} tasks  {msg}")?;
    let bar = bars::add(ProgressBar::new(args.count as u64).with_style(style));
    let news = |built: &Built| match &bar {
        Some(bar) => {
            bar.set_position(built.tasks.len() as u64);
            bar.set_message(format!("{} rejected", built.rejected.len()));
        }
        // A line now and then where there is no terminal.
        None if (built.tasks.len() + built.rejected.len()).is_multiple_of(NEWS_EVERY) => {
            errln!("{} of {} tasks, {} rejected", built.tasks.len(), args.count, built.rejected.len());
        }
        None => {}
    };
    let options = BuildOptions { count: args.count, seed: args.seed, split, concurrency };
    let built = tokio::select! {
        built = builder::build(options, &runner, news) => built?,
        error = failed(services.as_ref()) => return Err(error.into()),
        () = shutdown.requested() => bail!("stopped on request; nothing was written"),
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    write_jsonl(&args.out, &built.tasks)?;
    for (id, reason) in &built.rejected {
        outln!("rejected {id}: {reason}");
    }
    let (kept, rejected, seconds) = (built.tasks.len(), built.rejected.len(), began.elapsed().as_secs_f64());
    outln!("{}: {kept} tasks that the sandbox confirms, {rejected} rejected, {seconds:.1} s", args.out.display());
    if let Some(services) = services {
        services.stop().await;
        // Logs of a service that did its work are of no further use.
        let _ = std::fs::remove_dir_all(&logs);
    }
    Ok(())
}

/// Sees whether a file can be written, before minutes of work for it. Leaves nothing, and what is there as it is.
fn writable(out: &Path) -> anyhow::Result<()> {
    let name = out.to_string_lossy();
    if !name.ends_with(".jsonl") && !name.ends_with(".jsonl.gz") {
        bail!("--out {name}: the file's name must end in .jsonl or .jsonl.gz");
    }
    let is_new = !out.exists();
    let opened = std::fs::File::options().create(true).append(true).open(out);
    drop(opened.with_context(|| format!("--out {name}: cannot be written"))?);
    if is_new {
        std::fs::remove_file(out).with_context(|| format!("--out {name}: cannot be written"))?;
    }
    Ok(())
}

async fn ask(client: reqwest::Client, route: url::Url, request: BatchRequest) -> Result<BatchResponse, RunError> {
    let response = client.post(route.clone()).json(&request).send().await?;
    let status = response.status();
    if !status.is_success() {
        let text = response.text().await.unwrap_or_default();
        return Err(format!("{route} answered {status}: {}", text.chars().take(500).collect::<String>()).into());
    }
    Ok(response.json().await?)
}

fn tokenizer(args: &TokenizerArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    for (name, content) in builder::quickstart_model_files() {
        let path = args.out.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        outln!("{}", path.display());
    }
    Ok(())
}

fn reading(map: &[ColumnRole]) -> anyhow::Result<Reading> {
    let mapping = Mapping::new(map.iter().cloned()).map_err(anyhow::Error::msg).or_refused()?;
    Ok(Reading { kind: None, mapping })
}

fn convert(args: &ConvertArgs) -> anyhow::Result<()> {
    writable(&args.out).or_refused()?;
    let tasks = real_datasets::load_with(&args.uri, &reading(&args.map)?).or_refused()?;
    write_jsonl(&args.out, &tasks)?;
    outln!(
        "{}: {} tasks; `real score --data {} --responses references` tries their solutions",
        args.out.display(),
        tasks.len(),
        args.out.display()
    );
    Ok(())
}

fn show(ShowArgs { uri, map }: &ShowArgs) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    // A task at a time: a data set may be larger than memory.
    real_datasets::each_with(uri, &reading(map)?, |task| seen.add(task)).or_refused()?;
    let Seen { tasks, tests, stdin, safety, beside, attacks, solutions, nothing, idle, splits, first } = seen;
    outln!("{uri}: {tasks} tasks");
    outln!("tests: {tests} ({stdin} with standard input, {safety} for safety)");
    if beside > 0 {
        outln!(
            "{beside} tests are assertions that run beside the program: one that wants to can see what they ask for"
        );
    }
    outln!("attacks: {attacks}, solutions: {solutions}");
    if tasks > 0 {
        let share = fixed(100.0 * nothing / tasks as f64, 1);
        outln!("doing nothing passes: {share} % of a task's functional tests, on the mean");
    }
    for (id, why) in idle.iter().take(SHOWN_IDLE) {
        outln!("task {id} may be passed by a program that does nothing: {why}");
    }
    if idle.len() > SHOWN_IDLE {
        outln!("and {} others", idle.len() - SHOWN_IDLE);
    }
    outln!("splits: {}", splits.iter().map(|(split, n)| format!("{split} {n}")).collect::<Vec<_>>().join(", "));
    if let Some(first) = first {
        outln!("{}", serde_json::to_string_pretty(&first)?);
    }
    Ok(())
}

/// What was counted of a data set.
#[derive(Default)]
struct Seen {
    tasks: usize,
    tests: usize,
    stdin: usize,
    safety: usize,
    /// Tests that a program could see.
    beside: usize,
    attacks: usize,
    solutions: usize,
    /// Sum over the tasks of the share of functional tests that a program passes which does nothing.
    nothing: f64,
    /// Tasks that such a program may pass altogether, and why.
    idle: Vec<(String, &'static str)>,
    splits: BTreeMap<String, usize>,
    first: Option<Task>,
}

impl Seen {
    fn add(&mut self, task: Task) {
        self.tasks += 1;
        self.tests += task.tests.len();
        self.stdin += task.tests.iter().filter(|test| matches!(test.check, Check::Stdin { .. })).count();
        self.safety += task.tests.iter().filter(|test| test.group == Group::Safety).count();
        self.beside += task.tests.iter().filter(|test| real_datasets::beside_the_program(test)).count();
        self.attacks += task.attacks.len();
        self.solutions += task.solutions.len();
        self.nothing += real_reward::profile::share_of_nothing(&task);
        self.idle.extend(real_datasets::passed_by_nothing(&task).map(|why| (task.id.clone(), why)));
        *self.splits.entry(task.split.clone()).or_default() += 1;
        self.first.get_or_insert(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_known_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let message = format!("{:#}", writable(Path::new("/nowhere/x.jsonl")).unwrap_err());
        assert!(message.contains("--out /nowhere/x.jsonl"), "{message}");
        let there = folder.path().join("there.jsonl");
        std::fs::write(&there, "old").unwrap();
        writable(&there).unwrap();
        writable(&folder.path().join("new.jsonl.gz")).unwrap();
        assert_eq!(std::fs::read_to_string(&there).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
