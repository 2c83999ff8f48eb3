//! The HTTP service.

mod metrics;
mod routes;
mod service;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use real_terminal::outln;
use tokio::sync::Semaphore;

use crate::judge::Judge;
use crate::mypy::TypeChecker;
use metrics::Metrics;
use service::Service;

/// Limits of the service.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on; port 0 picks one.
    pub listen: SocketAddr,
    /// Programs analysed at once.
    pub workers: usize,
    /// Programs that may wait; more are answered with 429.
    pub queue: usize,
    /// Requests are answered with 429 while the oldest program has waited for longer.
    pub longest_wait: Option<Duration>,
    /// Time for one program.
    pub timeout: Duration,
}

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
///
/// # Errors
/// Where the address cannot be listened on.
pub async fn serve(config: ServerConfig) -> anyhow::Result<()> {
    let most_programs = config.workers.saturating_add(config.queue).min(Semaphore::MAX_PERMITS);
    let service = Arc::new(Service {
        running: Semaphore::new(config.workers.min(Semaphore::MAX_PERMITS)),
        places: Arc::new(Semaphore::new(most_programs)),
        most_programs,
        longest_wait: config.longest_wait,
        workers: config.workers,
        waiting: Mutex::default(),
        judge: Judge::new(
            config.timeout,
            Some(TypeChecker::new(config.workers, config.timeout.max(Duration::from_secs(30)))),
        ),
        metrics: Metrics::default(),
    });
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))?;
    outln!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes::router(service)).with_graceful_shutdown(asked_to_stop()).await?;
    Ok(())
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(problem) => {
            tracing::warn!(%problem, "SIGTERM cannot be caught");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
