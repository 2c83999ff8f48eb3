//! `real run`: a training job as local processes.

mod check;
mod continuity;
pub(crate) mod disk;
mod follow;
mod monitor;
mod outcome;
mod preflight;
pub(crate) mod report;
mod resume;
mod run_dir;
mod spec;
mod trainer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use real_crds::v1alpha1::RealTrainingJob;
use real_crds::{Endpoints, render};
use real_datasets::files::write_whole;
use real_terminal::{causes, count, errln, outln};

use self::check::{Checked, check};
use self::outcome::Outcome;
use self::resume::Resume;
use self::run_dir::{Existing, RunDir};
use self::trainer::{Limits, Trainer};
use crate::process::Spawner;
use crate::programs;
use crate::record::Record;
use crate::services::{Kind, Services};
use crate::shutdown::Shutdown;
use crate::summary::{Phase, Summary};
use crate::ui::{Verbosity, View};

/// Arguments of `real run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct RunArgs {
    /// The job: a `RealTrainingJob`, the very file that `kubectl apply` takes; `-` is standard input
    #[arg(value_name = "JOB.yaml")]
    job: PathBuf,
    #[command(flatten)]
    existing: ExistingArgs,
    /// Set a field of the job, for example --set spec.reward.alpha=0.8; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Where everything the run writes goes [default: runs/NAME, NAME being the job's]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Check the job, its data and this machine, print the job with every default filled in, and start nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    verbosity: VerbosityArgs,
}

/// What to do where the run directory holds a run already.
#[derive(Debug, clap::Args)]
struct ExistingArgs {
    /// Go on with the run in the run directory, from the checkpoint that spec.checkpoint.resumeFrom names: the newest
    /// one, or step-N; checkpoints after that one are then kept as superseded-step-M and play no part any more
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Start anew; a run that is in the run directory is moved aside, never deleted
    #[arg(long)]
    fresh: bool,
}

/// How much is shown.
#[derive(Debug, clap::Args)]
struct VerbosityArgs {
    /// A line a step instead of a progress bar
    #[arg(long)]
    no_progress: bool,
    /// Nothing but warnings and errors
    #[arg(long, short)]
    quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  all steps are done
   1  the run failed: something on this machine is missing or broke
   2  the job cannot be run as it is written
  75  stopped by Ctrl-C or SIGTERM after a checkpoint; go on with --resume

A first Ctrl-C stops after a checkpoint, a second one at once.

The run directory holds spec.yaml and trainer.json (what ran), metrics.jsonl, evaluations.jsonl,
summary.json, reward.svg, tensorboard/, samples/, checkpoints/ (Hugging Face folders) and logs/.";

impl RunArgs {
    /// What is to be done with what is there; checkpoints of a job may lie in a bucket.
    fn existing(&self, job: &RealTrainingJob) -> Existing {
        match (self.existing.resume, self.existing.fresh) {
            (true, _) if bucket(job).is_some() => Existing::ResumeElsewhere,
            (true, _) => Existing::Resume,
            (_, true) => Existing::MoveAside,
            // Nothing is written, so nothing is in the way.
            _ if self.dry_run => Existing::MoveAside,
            _ => Existing::Refuse,
        }
    }

    fn verbosity(&self) -> Verbosity {
        match (self.verbosity.quiet, self.verbosity.no_progress) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Lines,
            _ => Verbosity::Automatic,
        }
    }
}

/// Runs a job.
pub async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let checked = match check(&args)? {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    if args.dry_run {
        outln!("{}", serde_saphyr::to_string(&checked.job)?.trim_end());
        let (name, steps, at) = (&checked.name, count(checked.total_steps, "step"), checked.path.display());
        errln!("{name}: can be run: {steps}, everything would go to {at}; nothing was started");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(summary) = finished(&checked) {
        let at = checked.path.display();
        errln!("the run in {at} is finished: {} of {} steps are done", summary.steps, checked.total_steps);
        report::print(&checked.path, &args)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.existing.resume
        && let Some(uri) = bucket(&checked.job)
    {
        run_dir::look_elsewhere(&checked.path, uri).await?;
    }
    // From here on a Ctrl-C is something to handle, not an end.
    let mut shutdown = Shutdown::listen()?;
    let dir = RunDir::open(&checked.path, args.existing(&checked.job))?;
    let earlier = Summary::read(dir.path());
    let mut restarts = 0;
    let outcome = execute(&args, &checked, &dir, &mut shutdown, &mut restarts).await;
    let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(causes(error.as_ref())));
    let record = Record::read(dir.path())?;
    let summary = Summary {
        job: checked.name.clone(),
        phase: outcome.phase(),
        reason: outcome.reason(),
        steps: record.last_step(),
        total_steps: checked.total_steps,
        wall_seconds: started.elapsed().as_secs_f64() + earlier.as_ref().map_or(0.0, |s| s.wall_seconds),
        restarts: restarts + earlier.as_ref().map_or(0, |s| s.restarts),
        evaluations: record.evaluations.clone(),
    };
    // The reason of a failure must not be lost because the disk is full too.
    let written = summary.write(dir.path()).and_then(|()| report::draw(&record, &checked.name, dir.path()).map(drop));
    if let Some(reason) = outcome.reason() {
        let word = if summary.phase == Phase::Failed { "error: " } else { "" };
        errln!("{word}{reason}");
    }
    written?;
    if summary.phase == Phase::Complete {
        report::print(dir.path(), &args)?;
    }
    Ok(outcome.exit_code())
}

/// Where the checkpoints of a job lie besides its run directory.
fn bucket(job: &RealTrainingJob) -> Option<&str> {
    Some(job.spec.checkpoint.storage.as_ref()?.object_store.as_ref()?.uri.as_str())
}

/// The summary of a resumed run that has nothing left to do.
fn finished(checked: &Checked) -> Option<Summary> {
    // Who goes back to an earlier step wants the later ones done again.
    let summary = Summary::read(&checked.path).filter(|_| checked.resume == Resume::Newest)?;
    (summary.phase == Phase::Complete && summary.steps >= checked.total_steps).then_some(summary)
}

async fn execute(
    args: &RunArgs,
    checked: &Checked,
    dir: &RunDir,
    shutdown: &mut Shutdown,
    restarts: &mut u64,
) -> anyhow::Result<Outcome> {
    let began = tokio::time::Instant::now();
    write_whole(&dir.path().join("spec.yaml"), serde_saphyr::to_string(&checked.job)?)?;
    let view = Arc::new(View::new(args.verbosity(), checked.total_steps));
    let (name, steps) = (&checked.name, count(checked.total_steps, "step"));
    view.say(&format!("{name}: {steps}; everything goes to {}", dir.path().display()));
    let logs = dir.logs();
    let services = tokio::select! {
        services = Services::start(&[Kind::Detector, Kind::Sandbox], &logs) => services?,
        () = shutdown.requested() => return Ok(Outcome::Failed("stopped before the trainer was started".to_owned())),
    };
    let endpoints = Endpoints { detectors: services.urls(Kind::Detector), sandboxes: services.urls(Kind::Sandbox) };
    let config = dir.path().join("trainer.json");
    let text = serde_json::to_string_pretty(&render(&checked.job, &endpoints))? + "\n";
    write_whole(&config, &text)?;
    let spawner = Spawner::new()?;
    let spec = &checked.job.spec;
    let mut trainer = Trainer {
        program: programs::find("real-trainer")?,
        config,
        dir,
        services: &services,
        spawner: &spawner,
        view,
        limits: Limits {
            backoff_limit: spec.restart_policy.backoff_limit,
            grace: Duration::from_secs(spec.trainer.termination_grace_period_seconds),
            deadline: spec.active_deadline_seconds.map(|seconds| began + Duration::from_secs(seconds)),
        },
        restarts: 0,
    };
    let outcome = trainer.train(checked.resume.clone(), shutdown).await;
    *restarts = trainer.restarts;
    drop(trainer);
    services.stop().await;
    outcome
}
