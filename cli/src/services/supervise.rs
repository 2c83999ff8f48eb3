//! Watches one service for as long as it is wanted.

use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::crashes::{Crashes, Reaction};
use super::start::{Ready, start};
use super::{Recipe, ServiceError};
use crate::process::{Spawner, describe};

/// Restarts the service on its port whenever it ends, until told to stop or until it keeps crashing.
pub(super) async fn supervise(
    spawner: Spawner,
    recipe: Recipe,
    mut ready: Ready,
    mut stop: oneshot::Receiver<Duration>,
    fail: watch::Sender<Option<ServiceError>>,
) {
    let (name, address) = (recipe.kind.name(), ready.address);
    let mut crashes = Crashes::default();
    loop {
        // Both a message and a dropped sender mean stop; the latter leaves no time for grace.
        let mut last = tokio::select! {
            told = &mut stop => {
                let grace = told.unwrap_or(Duration::ZERO);
                if let Err(error) = ready.process.stop(grace).await {
                    tracing::warn!("the {name} may still be running: {error}");
                }
                return;
            }
            status = ready.process.wait() => status.map_or_else(|e| e.to_string(), describe),
        };
        ready = loop {
            let wait = match crashes.record(Instant::now()) {
                Reaction::RestartAfter(wait) => wait,
                Reaction::GiveUp(n) => {
                    fail.send_replace(Some(recipe.kind.keeps_crashing(n, last, &recipe)));
                    return;
                }
            };
            tracing::warn!("the {name} ended with {last}; restarting it on {address} in {} ms", wait.as_millis());
            let restarted = tokio::select! {
                _ = &mut stop => return,
                restarted = async { sleep(wait).await; start(&spawner, &recipe, Some(address)).await } => restarted,
            };
            match restarted {
                Ok(ready) => break ready,
                Err(error) => last = format!("this: {error}"),
            }
        };
        tracing::info!("the {name} is back on {address}");
    }
}
