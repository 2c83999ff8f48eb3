//! Detector and sandbox as local processes: started on loopback ports they choose, restarted on the same port when they
//! crash, given up when they keep crashing.

pub(crate) mod args;
mod crashes;
pub(crate) mod scratch;
mod start;
mod supervise;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::process::Spawner;
use crate::programs::{self, MissingProgram};

/// The services that rewards come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Program analysis: `real-detector`.
    Detector,
    /// Unit tests: `real-sandbox`.
    Sandbox,
}

impl Kind {
    /// The program to start.
    pub fn program(self) -> &'static str {
        match self {
            Self::Detector => "real-detector",
            Self::Sandbox => "real-sandbox",
        }
    }

    /// Short name, also that of the log file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detector => "detector",
            Self::Sandbox => "sandbox",
        }
    }
}

/// Why a service is not there.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ServiceError {
    /// The program was not found.
    #[error("{0}")]
    Program(String),
    /// The process could not be started or watched.
    #[error("cannot start the {service}: {reason}")]
    Spawn {
        /// Name of the service.
        service: &'static str,
        /// The system's reason.
        reason: String,
    },
    /// The process ended, or said nothing, before it was ready.
    #[error("the {service} did not start: {reason}\n  {log}")]
    NotReady {
        /// Name of the service.
        service: &'static str,
        /// What happened.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// The service crashed too often.
    #[error("the {service} crashed {crashes} times in a short while, last with {last}; giving up\n  {log}")]
    KeepsCrashing {
        /// Name of the service.
        service: &'static str,
        /// Number of crashes in the window.
        crashes: usize,
        /// How it ended the last time.
        last: String,
        /// The end of its log.
        log: String,
    },
}

impl From<MissingProgram> for ServiceError {
    fn from(error: MissingProgram) -> Self {
        Self::Program(error.to_string())
    }
}

impl ServiceError {
    fn spawn(kind: Kind, error: &io::Error) -> Self {
        Self::Spawn { service: kind.name(), reason: error.to_string() }
    }
}

/// Time to finish what is in flight when asked to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Time to clean up where nothing in flight is wanted any more.
const SHORT_GRACE: Duration = Duration::from_secs(1);

/// What is needed to start a service.
#[derive(Clone, Debug)]
struct Recipe {
    kind: Kind,
    program: PathBuf,
    log: PathBuf,
}

/// A service under supervision.
#[derive(Debug)]
struct Supervised {
    kind: Kind,
    url: String,
    stop: oneshot::Sender<Duration>,
    supervisor: JoinHandle<()>,
}

/// Running services. Dropping this ends them at once; [`Services::stop`] lets them finish what is in flight.
#[derive(Debug)]
pub struct Services {
    running: Vec<Supervised>,
    failure: watch::Receiver<Option<ServiceError>>,
}

impl Services {
    /// Starts one service of each kind, with logs `<log_dir>/<name>.log`, and returns when all are ready.
    ///
    /// # Errors
    /// A program that is missing or does not become ready; what was already started is stopped again.
    pub async fn start(kinds: &[Kind], log_dir: &Path) -> Result<Self, ServiceError> {
        let spawner = Spawner::new().map_err(|e| ServiceError::Program(format!("cannot start a thread: {e}")))?;
        let recipes = kinds.iter().map(|&kind| {
            let log = log_dir.join(format!("{}.log", kind.name()));
            Ok(Recipe { kind, program: programs::find(kind.program())?, log })
        });
        let recipes: Vec<Recipe> = recipes.collect::<Result<_, MissingProgram>>()?;
        // Concurrently: the sandbox preloads Python while the detector reads its rules.
        let started = recipes.iter().map(|recipe| start::start(&spawner, recipe, None));
        let started = futures::future::try_join_all(started).await?;
        let (fail, failure) = watch::channel(None);
        let running = recipes.into_iter().zip(started).map(|(recipe, ready)| {
            let (stop, stopped) = oneshot::channel();
            let (kind, url) = (recipe.kind, ready.url());
            let supervisor = tokio::spawn(supervise::supervise(spawner.clone(), recipe, ready, stopped, fail.clone()));
            Supervised { kind, url, stop, supervisor }
        });
        Ok(Self { running: running.collect(), failure })
    }

    /// Base URLs of the services of a kind, `http://127.0.0.1:PORT`.
    pub fn urls(&self, kind: Kind) -> Vec<String> {
        self.running.iter().filter(|s| s.kind == kind).map(|s| s.url.clone()).collect()
    }

    /// Waits until a service is given up; never returns while all are well.
    pub async fn failed(&self) -> ServiceError {
        let mut failure = self.failure.clone();
        if let Ok(Some(error)) = failure.wait_for(Option::is_some).await.as_deref() {
            return error.clone();
        }
        // Every supervisor has ended without a failure: the services were stopped.
        std::future::pending().await
    }

    /// Asks all services to finish what is in flight and end; kills those that do not within a few seconds.
    pub async fn stop(self) {
        self.end_within(GRACE).await;
    }

    /// As [`Services::stop`], where nobody waits for what is in flight any more.
    pub async fn abandon(self) {
        self.end_within(SHORT_GRACE).await;
    }

    async fn end_within(self, grace: Duration) {
        let ending = self.running.into_iter().map(|service| async move {
            // The supervisor is already gone where it gave up.
            let _ = service.stop.send(grace);
            let _ = service.supervisor.await;
        });
        futures::future::join_all(ending).await;
    }
}

/// Waits until one of the services is given up; for ever where there are none.
pub async fn failed(services: Option<&Services>) -> ServiceError {
    match services {
        Some(services) => services.failed().await,
        None => std::future::pending().await,
    }
}
