//! `real datasets`: builds tasks and demonstrations, writes the quickstart model's folder, shows what a data set holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use real_datasets::builder::{self, BuildOptions, RunError, Split};
use real_datasets::{Task, load, write_jsonl};
use real_sandbox_api::{BatchRequest, BatchResponse, Check};
use real_terminal::outln;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

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
struct ShowArgs {
    /// `bundled://NAME`, or a path to canonical JSONL or one of the paper's Parquet files
    uri: String,
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
        DatasetsCommand::Show(args) => show(&args.uri)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn build(args: BuildArgs) -> anyhow::Result<()> {
    let name = args.out.to_string_lossy();
    if !name.ends_with(".jsonl") && !name.ends_with(".jsonl.gz") {
        bail!("--out {name}: the file's name must end in .jsonl or .jsonl.gz");
    }
    let started = match args.sandbox {
        Some(_) => None,
        None => Some(StartedSandbox::start().await?),
    };
    let base = args.sandbox.or_else(|| started.as_ref().map(|sandbox| sandbox.url.clone())).context("no sandbox")?;
    let route = base.join("v1/batch").with_context(|| format!("--sandbox {base}"))?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build()?;
    let runner = |request: BatchRequest| ask(client.clone(), route.clone(), request);
    let split = match args.split {
        SplitName::Train => Split::Train,
        SplitName::Eval => Split::Eval,
    };
    let concurrency = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let built =
        builder::build(BuildOptions { count: args.count, seed: args.seed, split, concurrency }, &runner).await?;
    write_jsonl(&args.out, &built.tasks)?;
    for (id, reason) in &built.rejected {
        outln!("rejected {id}: {reason}");
    }
    let (kept, rejected, seconds) = (built.tasks.len(), built.rejected.len(), began.elapsed().as_secs_f64());
    outln!("{}: {kept} tasks that the sandbox confirms, {rejected} rejected, {seconds:.1} s", args.out.display());
    if let Some(sandbox) = started {
        sandbox.stop().await;
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

/// A sandbox that lives as long as the build.
struct StartedSandbox {
    process: Child,
    url: url::Url,
}

impl StartedSandbox {
    async fn start() -> anyhow::Result<Self> {
        let program = crate::programs::find("real-sandbox")?;
        let mut process = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("RUST_LOG", "warn")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = process.stdout.take().context("the sandbox's output is not captured")?;
        let first = BufReader::new(stdout).lines().next_line().await.context("cannot read the sandbox's output")?;
        let Some(address) = first.as_deref().and_then(|line| line.strip_prefix("listening on ")) else {
            bail!("the sandbox did not start; what it wrote is above");
        };
        let url = format!("{}/", address.trim()).parse().with_context(|| format!("the sandbox's address {address}"))?;
        Ok(Self { process, url })
    }

    async fn stop(mut self) {
        if let Some(id) = self.process.id() {
            // It may have ended by itself; then there is nothing to stop.
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id as i32), nix::sys::signal::Signal::SIGTERM);
        }
        let _ = tokio::time::timeout(Duration::from_secs(10), self.process.wait()).await;
    }
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

fn show(uri: &str) -> anyhow::Result<()> {
    let tasks = load(uri)?;
    let count = |holds: &dyn Fn(&Task) -> usize| tasks.iter().map(holds).sum::<usize>();
    let stdin = count(&|task| task.tests.iter().filter(|test| matches!(test.check, Check::Stdin { .. })).count());
    outln!("{uri}: {} tasks", tasks.len());
    outln!("tests: {} ({stdin} with standard input)", count(&|task| task.tests.len()));
    outln!("attacks: {}, solutions: {}", count(&|task| task.attacks.len()), count(&|task| task.solutions.len()));
    let nothing = tasks.iter().map(real_reward::profile::share_of_nothing).sum::<f64>() / tasks.len() as f64;
    outln!("doing nothing passes: {:.1} % of a task's functional tests, on the mean", 100.0 * nothing);
    let mut splits: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &tasks {
        *splits.entry(&task.split).or_default() += 1;
    }
    outln!("splits: {}", splits.iter().map(|(split, n)| format!("{split} {n}")).collect::<Vec<_>>().join(", "));
    if let Some(first) = tasks.first() {
        outln!("{}", serde_json::to_string_pretty(first)?);
    }
    Ok(())
}
