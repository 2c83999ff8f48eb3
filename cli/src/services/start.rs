//! From a program to a service that answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, sleep, timeout};

use super::{Kind, Recipe, ServiceError};
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
pub(super) async fn start(spawner: &Spawner, recipe: &Recipe, address: Option<SocketAddr>) -> Result<Ready, ServiceError> {
    let listen = address.map_or_else(|| "127.0.0.1:0".to_owned(), |a| a.to_string());
    let spec = Spec {
        program: recipe.program.clone(),
        args: vec!["serve".to_owned(), "--listen".to_owned(), listen],
        log: recipe.log.clone(),
        capture_stdout: true,
    };
    let mut process = spawner.spawn(&spec).await.map_err(|e| ServiceError::spawn(recipe.kind, &e))?;
    let deadline = Instant::now() + PATIENCE;
    let address = tokio::time::timeout_at(deadline, announced_address(&mut process))
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

/// Reads the first line of standard output and keeps draining the rest, so that the service never blocks on the pipe.
async fn announced_address(process: &mut Running) -> Result<SocketAddr, String> {
    let stdout = process.take_stdout().ok_or("its standard output is not captured")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = lines.next_line().await.map_err(|e| format!("its output could not be read: {e}"))?;
    let address = parse_announcement(&line.ok_or("it ended before it said its address")?)?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(address)
}

fn parse_announcement(line: &str) -> Result<SocketAddr, String> {
    let address = line.trim_end().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
    address.ok_or_else(|| format!("its first line is `{line}`, expected `listening on http://ADDR`"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_address_is_read() {
        assert_eq!(parse_announcement("listening on http://127.0.0.1:4242").unwrap().port(), 4242);
    }

    #[test]
    fn another_first_line_is_shown_with_what_was_expected() {
        let message = parse_announcement("hello").unwrap_err();
        assert!(message.contains("`hello`") && message.contains("listening on"), "{message}");
    }
}
