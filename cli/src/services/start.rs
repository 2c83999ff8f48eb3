//! From a program to a service that answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Kind, Recipe, ServiceError};
use crate::announcement;
use crate::log_tail::tail;
use crate::process::{Running, Spawner, Spec, describe};

/// Longest time from the start of the process to a healthy answer: preloading Python modules on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at `/healthz`.
const POLL: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 8;

/// A service that answers.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) process: Running,
    pub(super) address: SocketAddr,
}

impl Ready {
    /// Base URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Starts the program, on `address` or a port of its choice, and waits until it is healthy.
pub(super) async fn start(
    spawner: &Spawner,
    recipe: &Recipe,
    address: Option<SocketAddr>,
) -> Result<Ready, ServiceError> {
    let listen = address.map_or_else(|| "127.0.0.1:0".to_owned(), |a| a.to_string());
    let spec = Spec {
        program: recipe.program.clone(),
        args: vec!["serve".to_owned(), "--listen".to_owned(), listen],
        env: Vec::new(),
        log: recipe.log.clone(),
        capture_stdout: true,
    };
    let mut process = spawner.spawn(&spec).await.map_err(|e| ServiceError::spawn(recipe.kind, &e))?;
    let deadline = Instant::now() + PATIENCE;
    let announced = async { announcement::address(process.take_stdout().ok_or("its output is not captured")?).await };
    let address = tokio::time::timeout_at(deadline, announced)
        .await
        .unwrap_or_else(|_| Err("it did not say its address in time".to_owned()));
    let address = match address {
        Ok(address) => address,
        Err(reason) => return Err(not_ready(recipe, reason, &mut process).await),
    };
    match healthy(&mut process, address, deadline).await {
        Ok(()) => Ok(Ready { process, address }),
        Err(reason) => Err(not_ready(recipe, reason, &mut process).await),
    }
}

async fn healthy(process: &mut Running, address: SocketAddr, deadline: Instant) -> Result<(), String> {
    let client = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
    let url = format!("http://{address}/healthz");
    loop {
        let answer = client.get(&url).timeout(Duration::from_secs(5)).send();
        tokio::select! {
            answer = answer => match answer {
                Ok(response) if response.status().is_success() => return Ok(()),
                _ if Instant::now() >= deadline => return Err(format!("{url} is not healthy after {} s", PATIENCE.as_secs())),
                _ => sleep(POLL).await,
            },
            status = process.wait() => return Err(match status {
                Ok(status) => format!("it ended with {}", describe(status)),
                Err(error) => format!("it cannot be waited for: {error}"),
            }),
        }
    }
}

async fn not_ready(recipe: &Recipe, reason: String, process: &mut Running) -> ServiceError {
    // A process that closed its output is about to end by itself, and then its exit code is the better reason.
    let reason = match timeout(Duration::from_secs(1), process.wait()).await {
        Ok(Ok(status)) => format!("it ended with {}", describe(status)),
        _ => reason,
    };
    process.kill_group();
    ServiceError::NotReady { service: recipe.kind.name(), reason, log: tail(&recipe.log, LOG_LINES) }
}

impl Kind {
    /// The error for a service that crashed too often.
    pub(super) fn keeps_crashing(self, crashes: usize, last: String, recipe: &Recipe) -> ServiceError {
        ServiceError::KeepsCrashing { service: self.name(), crashes, last, log: tail(&recipe.log, LOG_LINES) }
    }
}
