//! `real datasets build`: tasks that a sandbox confirms.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use real_datasets::builder::{self, BuildOptions, Built, Form, Outcome, RunError, Split};
use real_datasets::partial::Partial;
use real_datasets::write_jsonl;
use real_sandbox_api::{BatchRequest, BatchResponse};
use real_terminal::{OrRefused as _, count, errln, exit, outln};
use serde::{Deserialize, Serialize};
use url::Url;

use super::writable;
use crate::services::args::{ask, service_url};
use crate::services::scratch::Scratch;
use crate::services::{Kind, Services, failed};
use crate::shutdown::Shutdown;
use crate::ui::Work;
use real_terminal::arguments::at_least_one;

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// File to write, `.jsonl` or `.jsonl.gz`; as long as some tasks are missing, FILE.partial has those that are there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Tasks wanted
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = at_least_one)]
    count: usize,
    /// Seed: the same tasks every time
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Whose schemas to use; no pair of table and column is in both, nor, with the full form, any shape of a sentence
    #[arg(long, value_enum, default_value = "train")]
    split: SplitName,
    /// How the tasks are worded
    #[arg(long, value_enum, default_value = "full")]
    form: FormName,
    /// Base URL of a running sandbox; one is started for the time of the build where this is absent
    #[arg(long, value_name = "URL", value_parser = service_url)]
    sandbox: Option<Url>,
    /// Go on with the FILE.partial that an earlier start left
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitName {
    Train,
    Eval,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormName {
    /// A task says what a model has to know: language, library, file, schema, input, output and order of the rows
    Full,
    /// The quickstart's: one sentence, for a policy that knows the rest
    Short,
}

impl BuildArgs {
    fn split(&self) -> Split {
        match self.split {
            SplitName::Train => Split::Train,
            SplitName::Eval => Split::Eval,
        }
    }

    fn form(&self) -> Form {
        match self.form {
            FormName::Full => Form::Full,
            FormName::Short => Form::Short,
        }
    }

    fn settings(&self) -> Settings {
        Settings { seed: self.seed, split: self.split().name().to_owned(), form: self.form().name().to_owned() }
    }
}

/// What a candidate depends on besides its number: how many are wanted is no part of it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    seed: u64,
    split: String,
    form: String,
}

/// Builds, writes, says what was rejected.
pub(super) async fn build(args: BuildArgs) -> anyhow::Result<ExitCode> {
    writable(&args.out).or_refused()?;
    let (mut kept, earlier) = open(&args).or_refused()?;
    if args.resume && earlier.candidates() == 0 {
        errln!("note: there was no {} to go on with; beginning with the first task", kept.path().display());
    }
    let mut shutdown = Shutdown::listen()?;
    let logs = Scratch::new("datasets")?;
    let given: Vec<Url> = args.sandbox.iter().cloned().collect();
    ask("--sandbox", &given).await?;
    let services = if given.is_empty() { Some(Services::start(&[Kind::Sandbox], logs.path()).await?) } else { None };
    let started = services.iter().flat_map(|services| services.urls(Kind::Sandbox)).next();
    let base = args.sandbox.as_ref().map(ToString::to_string).or(started).context("no sandbox")?;
    let route: Url = format!("{}/v1/batch", base.trim_end_matches('/')).parse().context("the sandbox's address")?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build()?;
    let runner = |request: BatchRequest| answer(client.clone(), route.clone(), request);
    let options = BuildOptions {
        count: args.count,
        seed: args.seed,
        split: args.split(),
        form: args.form(),
        concurrency: 2 * std::thread::available_parallelism().map_or(1, usize::from),
    };
    let began = Instant::now();
    let mut work = Work::new("building", args.count);
    let (mut tasks, mut rejected) = (earlier.tasks.len(), earlier.rejected.len());
    let keep = |outcome: &Outcome| {
        match outcome {
            Outcome::Task(_) => tasks += 1,
            Outcome::Rejected { .. } => rejected += 1,
        }
        work.reached(tasks, &format!("{rejected} rejected"));
        kept.push(outcome)
    };
    let ended = tokio::select! {
        built = builder::build(options, earlier, &runner, keep) => Some(built?),
        error = failed(services.as_ref()) => return Err(error.into()),
        () = shutdown.requested() => None,
    };
    drop(work);
    let Some(built) = ended else {
        if let Some(services) = services {
            services.abandon().await;
        }
        let (wanted, at) = (args.count, kept.path().display());
        let kept =
            if tasks == 0 { "nothing is kept".to_owned() } else { format!("they are in {at}, and --resume goes on") };
        errln!("stopped on request: {tasks} of {wanted} tasks are built; {kept}");
        return Ok(exit::STOPPED.into());
    };
    write_jsonl(&args.out, &built.tasks)?;
    kept.remove()?;
    for (id, reason) in &built.rejected {
        outln!("rejected {id}: {reason}");
    }
    let seconds = began.elapsed().as_secs_f64();
    let (out, tasks) = (args.out.display(), count(tasks, "task"));
    outln!("{out}: {tasks}, confirmed by the sandbox, {rejected} rejected, {seconds:.1} s");
    if let Some(services) = services {
        services.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer(client: reqwest::Client, route: Url, request: BatchRequest) -> Result<BatchResponse, RunError> {
    let response = client.post(route.clone()).json(&request).send().await?;
    let status = response.status();
    if !status.is_success() {
        let text = response.text().await.unwrap_or_default();
        return Err(format!("{route} answered {status}: {}", text.chars().take(500).collect::<String>()).into());
    }
    Ok(response.json().await?)
}

/// Opens `FILE.partial` beside the output, with what an earlier start built where `--resume` is set: a line a candidate.
fn open(args: &BuildArgs) -> anyhow::Result<(Partial, Built)> {
    let (mut kept, lines) = Partial::open(&args.out, "tasks", args.resume)?;
    let mut built = Built::default();
    if let Some((settings, lines)) = lines.split_first() {
        let earlier: Settings = serde_json::from_str(settings).map_err(|why| kept.damaged(1, &why))?;
        ensure!(
            earlier == args.settings(),
            "{} was built with other settings: {settings} there, {} here",
            kept.path().display(),
            serde_json::to_string(&args.settings())?
        );
        for (number, line) in (2..).zip(lines) {
            built.add(serde_json::from_str(line).map_err(|why| kept.damaged(number, &why))?);
        }
        built.tasks.truncate(args.count);
    }
    kept.head(&args.settings())?;
    Ok((kept, built))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        build: BuildArgs,
    }

    fn args(out: &Path, more: &[&str]) -> BuildArgs {
        let typed = ["build", "--out", out.to_str().unwrap()].into_iter().chain(more.iter().copied());
        Line::try_parse_from(typed).unwrap().build
    }

    #[test]
    fn what_was_built_is_gone_on_with_unless_the_settings_changed() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("tasks.jsonl");
        let (mut kept, built) = open(&args(&out, &[])).unwrap();
        assert_eq!(built.candidates(), 0);
        let task = builder::candidate(Form::Full, Split::Train, 0, 0).task;
        kept.push(&Outcome::Task(Box::new(task.clone()))).unwrap();
        kept.push(&Outcome::Rejected { id: "x".into(), reason: "y".into() }).unwrap();
        let path = kept.path().to_owned();
        drop(kept);
        // Killed in the middle of a line.
        fs::write(&path, fs::read_to_string(&path).unwrap() + "{\"task\":").unwrap();
        let refused = |more: &[&str]| open(&args(&out, more)).unwrap_err().to_string();
        assert!(refused(&[]).contains("--resume"));
        assert!(refused(&["--resume", "--seed", "1"]).contains("other settings"));
        let (kept, built) = open(&args(&out, &["--resume", "--count", "9"])).unwrap();
        assert_eq!((built.tasks, built.rejected.len()), (vec![task], 1));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        kept.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
