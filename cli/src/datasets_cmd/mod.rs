//! `real datasets`: builds tasks and demonstrations, writes the quickstart model's folder, shows what a data set holds.

mod build;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use real_datasets::files::is_one_file;
use real_datasets::{ColumnRole, Mapping, Reading, Task, builder, write_jsonl};
use real_sandbox_api::{Check, Group};
use real_terminal::{OrRefused as _, count, outln};

use crate::ui::fixed;

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
    Build(build::BuildArgs),
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
struct DemonstrationsArgs {
    /// File to write, `.jsonl` or `.jsonl.gz`
    #[arg(long)]
    out: PathBuf,
    /// Demonstrations wanted
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..))]
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
    /// File, `https://`, `hf://`, `s3://`, `gs://` or `az://` URI: JSON lines or an array, plain or compressed, or Parquet
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
        DatasetsCommand::Build(args) => return build::build(args).await,
        DatasetsCommand::Demonstrations(args) => {
            writable(&args.out).or_refused()?;
            write_jsonl(&args.out, builder::demonstrations(args.count, args.seed))?;
            outln!("{}: {}", args.out.display(), count(args.count, "demonstration"));
        }
        DatasetsCommand::Tokenizer(args) => tokenizer(&args)?,
        DatasetsCommand::Convert(args) => convert(&args)?,
        DatasetsCommand::Show(args) => show(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Sees whether a file can be written, before minutes of work for it. Leaves nothing, and what is there as it is.
fn writable(out: &Path) -> anyhow::Result<()> {
    let name = out.to_string_lossy();
    if !name.ends_with(".jsonl") && !name.ends_with(".jsonl.gz") {
        bail!("--out {name}: the file's name must end in .jsonl or .jsonl.gz");
    }
    real_datasets::files::check_writable(out).with_context(|| format!("--out {name}: cannot be written"))
}

fn tokenizer(args: &TokenizerArgs) -> anyhow::Result<()> {
    let cannot = || format!("--out {}: the folder cannot be made", args.out.display());
    std::fs::create_dir_all(&args.out).with_context(cannot).or_refused()?;
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
    if is_one_file(&args.uri, &args.out) {
        let out = args.out.display();
        return Err(anyhow!(
            "--out {out} is the file that is read, and would lose what tasks do not hold; name another"
        ))
        .or_refused();
    }
    let tasks = real_datasets::load_with(&args.uri, &reading(&args.map)?).or_refused()?;
    write_jsonl(&args.out, &tasks)?;
    outln!(
        "{}: {}; `real score --data {} --responses references` tries their solutions",
        args.out.display(),
        count(tasks.len(), "task"),
        args.out.display()
    );
    Ok(())
}

fn show(ShowArgs { uri, map }: &ShowArgs) -> anyhow::Result<()> {
    let mut seen = Seen::default();
    // A task at a time: a data set may be larger than memory.
    real_datasets::each_with(uri, &reading(map)?, |task| seen.add(task)).or_refused()?;
    let Seen { tasks, tests, stdin, safety, beside, attacks, solutions, nothing, idle, splits, first } = seen;
    outln!("{uri}: {}", count(tasks, "task"));
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
