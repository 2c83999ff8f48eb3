//! Starts the trainer, starts it again from its last checkpoint when it crashes, and stops it when told to.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::monitor::Monitor;
use super::outcome::{BAD_SPEC, Outcome, STOPPED};
use super::resume::Resume;
use super::run_dir::RunDir;
use crate::log_tail::tail;
use crate::process::{Running, Spawner, Spec, describe};
use crate::services::Services;
use crate::shutdown::Shutdown;
use crate::ui::View;
use crate::{announcement, log_tail};

const LOG_LINES: usize = 12;
/// Wait before the first new start; doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a job says about its trainer's process.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Crashes after which the run is given up.
    pub backoff_limit: u32,
    /// Time for a checkpoint between the request to stop and the kill.
    pub grace: Duration,
    /// When the run has to be over.
    pub deadline: Option<Instant>,
}

/// Everything that one run's trainer needs around it.
#[derive(Debug)]
pub(crate) struct Trainer<'a> {
    /// The program.
    pub program: PathBuf,
    /// Rendered configuration.
    pub config: PathBuf,
    /// The run directory.
    pub dir: &'a RunDir,
    /// Detector and sandbox.
    pub services: &'a Services,
    /// Starts processes.
    pub spawner: &'a Spawner,
    /// Shows progress.
    pub view: Arc<View>,
    /// The job's limits.
    pub limits: Limits,
    /// Times it was started again after a crash.
    pub restarts: u64,
}

/// Why the trainer was told to stop.
enum Stop {
    User,
    Deadline,
    Service(String),
}

/// How one start of the trainer ended.
struct End {
    status: ExitStatus,
    stop: Option<Stop>,
    /// Killed before it had come to an end by itself.
    killed: bool,
}

impl Trainer<'_> {
    /// Trains to the end, whatever that is.
    pub(crate) async fn train(&mut self, resume: Resume, shutdown: &mut Shutdown) -> anyhow::Result<Outcome> {
        let mut resume = resume;
        loop {
            let end = self.attempt(&resume, shutdown).await?;
            if let Some(outcome) = self.outcome(&end) {
                return Ok(outcome);
            }
            let how = describe(end.status);
            let log = tail(&self.log(), LOG_LINES);
            if self.dir.newest_checkpoint().is_none() {
                return Ok(Outcome::Failed(format!(
                    "the trainer ended with {how} before its first checkpoint\n  {log}"
                )));
            }
            if self.restarts >= u64::from(self.limits.backoff_limit) {
                return Ok(Outcome::Failed(format!(
                    "the trainer ended with {how}; it was started again {} times, spec.restartPolicy.backoffLimit allows \
                     no more\n  {log}",
                    self.restarts
                )));
            }
            let wait =
                LONGEST_WAIT.min(FIRST_WAIT * 2_u32.saturating_pow(u32::try_from(self.restarts).unwrap_or(u32::MAX)));
            self.restarts += 1;
            resume = resume.again(self.dir.path());
            let step = resume.after(self.dir.path()).unwrap_or(0);
            self.view.say(&format!(
                "the trainer ended with {how}; starting it again from the checkpoint of step {step} in {} s\n  {log}",
                wait.as_secs()
            ));
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown.requested() => return Ok(Outcome::Stopped),
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.logs().join("trainer.log")
    }

    /// What the end of an attempt means for the run; `None` where the trainer crashed.
    fn outcome(&self, end: &End) -> Option<Outcome> {
        let checkpoint = || match self.dir.newest_checkpoint() {
            Some(step) => format!("its newest checkpoint is that of step {step}"),
            None => "there is no checkpoint".to_owned(),
        };
        match (end.status.code(), &end.stop) {
            (Some(0), _) => Some(Outcome::Complete),
            (_, Some(Stop::Service(error))) => Some(Outcome::Failed(error.clone())),
            (_, Some(Stop::Deadline)) => {
                Some(Outcome::Failed(format!("spec.activeDeadlineSeconds is over; {}", checkpoint())))
            }
            (Some(code), _) if code == i32::from(STOPPED) => Some(Outcome::Stopped),
            (Some(code), _) if code == i32::from(BAD_SPEC) => Some(Outcome::BadSpec(format!(
                "the trainer ended for a reason that comes again, so it is not started again\n  {}",
                tail(&self.log(), LOG_LINES)
            ))),
            (_, Some(Stop::User)) if end.killed => {
                Some(Outcome::Failed(format!("the trainer was killed before it wrote a checkpoint; {}", checkpoint())))
            }
            (_, Some(Stop::User)) => Some(Outcome::Failed(format!(
                "the trainer ended with {} when asked to stop; {}\n  {}",
                describe(end.status),
                checkpoint(),
                log_tail::tail(&self.log(), LOG_LINES)
            ))),
            (_, None) => None,
        }
    }

    async fn start(&self, resume: &Resume) -> anyhow::Result<Running> {
        let mut args = vec!["train".to_owned(), "--config".to_owned(), self.config.display().to_string()];
        args.extend(["--run-dir".to_owned(), self.dir.path().display().to_string()]);
        args.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        args.extend(resume.arguments());
        let spec = Spec {
            program: self.program.clone(),
            args,
            env: vec![("REAL_ATTEMPT", (self.restarts + 1).to_string())],
            log: self.log(),
            capture_stdout: true,
        };
        let program = self.program.display();
        self.spawner.spawn(&spec).await.map_err(|error| anyhow::anyhow!("cannot start the trainer {program}: {error}"))
    }

    async fn attempt(&self, resume: &Resume, shutdown: &mut Shutdown) -> anyhow::Result<End> {
        let monitor = Monitor::start(self.dir.path(), resume.after(self.dir.path()), Arc::clone(&self.view));
        let mut process = self.start(resume).await?;
        let announced = process.take_stdout().map(|stdout| tokio::spawn(announcement::address(stdout)));
        let mut announced = std::pin::pin!(async {
            match announced {
                Some(task) => task.await.ok()?.ok(),
                None => None,
            }
        });
        let (mut heard, mut stop, mut killed) = (false, None, false);
        let mut kill_at = None;
        let status = loop {
            tokio::select! {
                status = process.wait() => break status?,
                address = &mut announced, if !heard => {
                    heard = true;
                    if let Some(address) = address {
                        monitor.found(address);
                    }
                }
                () = shutdown.requested() => {
                    if stop.is_some() {
                        (killed, kill_at) = (true, None);
                        process.kill_group();
                    } else {
                        self.view.say(&format!(
                            "stopping after a checkpoint, within {} s; once more to stop at once", self.limits.grace.as_secs()
                        ));
                        stop = Some(Stop::User);
                    }
                }
                error = self.services.failed(), if stop.is_none() => stop = Some(Stop::Service(error.to_string())),
                () = until(self.limits.deadline), if stop.is_none() => stop = Some(Stop::Deadline),
                () = until(kill_at), if kill_at.is_some() => {
                    (killed, kill_at) = (true, None);
                    process.kill_group();
                }
            }
            if stop.is_some() && kill_at.is_none() && !killed {
                process.terminate();
                kill_at = Some(Instant::now() + self.limits.grace);
            }
        };
        monitor.finish().await;
        Ok(End { status, stop, killed })
    }
}

/// Waits until then; for ever where there is no such time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
