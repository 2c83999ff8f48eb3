//! `real reward serve`: rewards for other trainers, in their words.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use real_reward::serve::{Tasks, router};
use real_reward::{Scorer, ScorerConfig};
use real_terminal::{OrRefused as _, outln};
use tokio::net::TcpListener;
use url::Url;

use crate::services::args::service_url;
use crate::shutdown::Shutdown;
use real_terminal::arguments::{at_least_one, share};

/// Arguments of `real reward`.
#[derive(Debug, clap::Args)]
pub struct RewardArgs {
    #[command(subcommand)]
    command: RewardCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RewardCommand {
    /// Give rewards to other trainers, in their words: labels are task ids
    Serve(RewardServeArgs),
}

/// Arguments of `real reward serve`.
#[derive(Debug, clap::Args)]
struct RewardServeArgs {
    /// Address to listen on; port 0 chooses one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Base URL of a detector, may be repeated
    #[arg(long, value_name = "URL", required = true, value_parser = service_url)]
    detector: Vec<Url>,
    /// Base URL of a sandbox, may be repeated
    #[arg(long, value_name = "URL", required = true, value_parser = service_url)]
    sandbox: Vec<Url>,
    /// Tasks that answers belong to, may be repeated: a parquet file of the paper, a .jsonl, or `bundled://NAME`
    #[arg(long, value_name = "URI", required = true)]
    dataset: Vec<String>,
    /// Weight of quality; function's is 1 - alpha
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share)]
    alpha: f64,
    /// Most functional tests run per answer; all where absent
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_tests: Option<usize>,
    /// Seconds for one answer; then it has no reward and is masked. OpenRLHF itself waits 180
    #[arg(long, value_name = "SECONDS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// Answers scored at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    concurrency: usize,
}

/// Serves until asked to stop, then finishes what is under way.
///
/// # Errors
/// Data sets that cannot be loaded, numbers that cannot work, an address in use.
pub async fn run(args: RewardArgs) -> anyhow::Result<ExitCode> {
    let RewardCommand::Serve(args) = args.command;
    let mut tasks = Vec::new();
    for uri in &args.dataset {
        tasks.extend(real_datasets::load(uri).or_refused()?);
    }
    let count = tasks.len();
    let idle = tasks.iter().find_map(|task| Some((&task.id, real_datasets::passed_by_nothing(task)?)));
    if let Some((id, why)) = idle {
        tracing::warn!("tasks may be passed by a program that does nothing, the first is {id}: {why}");
    }
    let scorer = Scorer::new(ScorerConfig {
        alpha: args.alpha,
        max_tests: args.max_tests,
        detectors: args.detector,
        sandboxes: args.sandbox,
        timeout: Duration::from_secs(args.timeout),
        concurrency: args.concurrency,
        ..ScorerConfig::default()
    })
    .or_refused()?;
    let mut shutdown = Shutdown::listen()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another port with --listen", args.listen))?;
    outln!("listening on http://{}", listener.local_addr()?);
    tracing::info!(tasks = count, "ready for rewards");
    axum::serve(listener, router(scorer, Tasks::new(tasks)))
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await?;
    Ok(ExitCode::SUCCESS)
}
