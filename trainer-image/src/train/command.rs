//! The subcommand `train`: arguments, runtime, exit codes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use real_crds::progress::Outcome;
use real_terminal::causes;

use super::algorithm::Surroundings;
use super::environment;
use super::failure::Failure;
use super::last_words;
use super::resume::{CheckpointName, Resume};
use super::run::{Ending, Rim, Run};
use super::run_dir::RunDir;
use super::setup;
use super::stop::{Stop, StoppedEarly};
use crate::compute;
use crate::progress::{SharedProgress, serve};
use crate::runtime::Runtime;
use crate::shim::memory;
use crate::store::Store;

/// Exit code of a run that was asked to stop and wrote a checkpoint (`EX_TEMPFAIL`: try again later).
const STOPPED: u8 = 75;

/// Exit code of a configuration that cannot be run.
const BAD_CONFIG: u8 = 2;

/// Arguments of `real-trainer train`.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainArgs {
    /// Configuration: the JSON that a `RealTrainingJob` renders to
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where metrics, samples, evaluations and checkpoints go
    #[arg(long, value_name = "DIR")]
    pub run_dir: PathBuf,
    /// Go on from the newest checkpoint of the run directory; start afresh where there is none
    #[arg(long)]
    pub resume: bool,
    /// Go on from exactly this checkpoint of the run directory; later ones are kept as superseded-step-M and play no
    /// part any more. For one start only: start again with --resume
    #[arg(long, value_name = "step-N", conflicts_with = "resume")]
    pub resume_from: Option<CheckpointName>,
    /// Serve /v1/progress, /metrics and /healthz here; port 0 chooses one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

impl TrainArgs {
    fn resume(&self) -> Resume {
        match self.resume_from {
            Some(name) => Resume::From(name),
            None if self.resume => Resume::Newest,
            None => Resume::Refused,
        }
    }
}

/// Runs the subcommand. 0: done; 2: it cannot be run as it is configured or its numbers diverged, trying again is of no
/// use; 75: stopped with a checkpoint, or before there was anything to save; 1: anything else.
pub fn train(arguments: &TrainArgs) -> ExitCode {
    let progress = SharedProgress::default();
    let attempt = std::env::var("REAL_ATTEMPT").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    progress.update(|progress| progress.attempt = attempt);
    let (mut reason, early) = (None, StoppedEarly.to_string());
    let (code, outcome, message) = match run(arguments, &progress) {
        Ok(Ending::Done) => (0, Outcome::Done, String::new()),
        Ok(Ending::Stopped) => (STOPPED, Outcome::Stopped, "asked to stop; a checkpoint was written".to_owned()),
        Ok(Ending::StoppedEarly) => (STOPPED, Outcome::Stopped, early),
        Err(failure) => {
            let code = if matches!(failure, Failure::Config(_)) { BAD_CONFIG } else { 1 };
            reason = failure.reason();
            let (Failure::Config(error) | Failure::Run(error)) = failure;
            (code, Outcome::Failed, causes(error.as_ref()))
        }
    };
    if outcome == Outcome::Failed {
        tracing::error!("{message}");
    }
    last_words::say(outcome, reason, &message, &progress.snapshot());
    ExitCode::from(code)
}

fn run(arguments: &TrainArgs, progress: &SharedProgress) -> Result<Ending, Failure> {
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    environment::check(variable).map_err(Failure::Config)?;
    let config = setup::read_config(&arguments.config).map_err(Failure::of_input)?;
    // Before there is any tensor.
    memory::count().map_err(anyhow::Error::from)?;
    let runtime = Runtime::of_threads()?;
    let stop = {
        let _inside = runtime.enter();
        Stop::on_signals()?
    };
    if let Some(address) = arguments.listen {
        runtime.block_on(serve(address, progress.clone()))?;
    }
    let dir = RunDir::open(&arguments.run_dir)?;
    progress.write_warnings_to(dir.warnings()?);
    // Before anything that takes longer. Sums over a large checkpoint do take a while.
    let (resume, place) = (arguments.resume(), dir.clone());
    let attempt = progress.snapshot().attempt;
    let store =
        config.checkpoint.store.as_ref().map(|store| Store::new(&store.uri, &config.job, attempt)).transpose()?;
    let find = move || -> Result<_, Failure> {
        store.as_ref().map_or(Ok(()), Store::check)?;
        let start = resume.find(&place, store.as_ref())?;
        // Not before it is known that there will be a run: whoever writes there now ends then.
        store.as_ref().map_or(Ok(()), Store::take)?;
        Ok((start, store))
    };
    let found = match stop.unless_requested(find) {
        Err(_) => return Ok(Ending::StoppedEarly),
        Ok(Err(failure)) if stop.requested() => return Ok(ended_early(failure)),
        Ok(found) => found,
    };
    let (start, store) = found?;
    for error in &start.passed_over {
        let earlier = start.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
        progress.warn("CheckpointDamaged", format!("{error}; the checkpoint of step {earlier} is used"));
    }
    // That there is no such device is this machine's failure: another one may have it.
    let device =
        compute::device(config.compute.device, 0).map_err(|reason| Failure::Run(anyhow::Error::msg(reason)))?;
    let surroundings = Surroundings { progress, stop: &stop };
    let parts = setup::build(&config, device, &dir.path().join("model"), runtime.handle(), &surroundings);
    let parts = match parts {
        Err(error) if stop.requested() => return Ok(ended_early(Failure::of_input(error))),
        parts => parts.map_err(Failure::of_input)?,
    };
    let rim = Rim { dir, progress: progress.clone(), stop: stop.clone(), store };
    match Run::prepare(parts, &config.checkpoint, rim, &start) {
        Err(failure) if stop.requested() => Ok(ended_early(failure)),
        prepared => prepared?.finish().map_err(Failure::of_run),
    }
}

/// How a run ends that was asked to before it began. What went wrong meanwhile is no reason: it may come of what else ends just now,
/// such as a network or a disk. It is told, as the next start may meet it again.
fn ended_early(failure: Failure) -> Ending {
    let (Failure::Config(error) | Failure::Run(error)) = failure;
    if !error.chain().any(<dyn std::error::Error>::is::<StoppedEarly>) {
        tracing::warn!("asked to stop; until then: {}", causes(error.as_ref()));
    }
    Ending::StoppedEarly
}
