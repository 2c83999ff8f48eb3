//! `real-sandbox`: the service that runs hostile programs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use real_sandbox::ceiling::Ceiling;
use real_sandbox::interpreter::Interpreter;
use real_sandbox::jail;
use real_sandbox::pool::{Pool, PoolConfig};
use real_sandbox::probe::{self, Wish};
use real_sandbox::scratch::{self, Home};
use real_sandbox::service::{Admission, HEAD_TIME, Service, listen, router};
use real_sandbox_api::Tier;
use real_terminal::arguments::{at_least_one, parse};
use real_terminal::{LogArgs, causes, errln, outln};

/// Runs untrusted Python programs against tests, in isolation.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the HTTP API until SIGTERM or SIGINT.
    Serve(Serve),
    /// Become a zygote; started by the service itself.
    #[command(hide = true)]
    Jail {
        /// The plan as JSON.
        plan: String,
    },
    /// Count what the user runs on this machine; started by the service itself.
    #[command(hide = true)]
    CountTasks,
}

#[derive(clap::Args)]
struct Serve {
    /// Address to listen on; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Tests run at once [default: number of CPUs].
    #[arg(long, value_parser = at_least_one)]
    workers: Option<usize>,
    /// Isolation to use.
    #[arg(long, value_enum, default_value_t = TierChoice::Auto, ignore_case = true)]
    tier: TierChoice,
    /// Tests waiting before batches are answered with 429.
    #[arg(long, default_value_t = 4096, value_parser = at_least_one)]
    queue: usize,
    /// Seconds that the oldest test may wait before batches are answered with 429 [default: any].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    queue_seconds: Option<u64>,
    #[command(flatten)]
    ceiling: Ceiling,
    /// Run programs without isolation where none is possible. Only for machines that hold nothing of value.
    #[arg(long)]
    allow_unisolated: bool,
    /// Directory for boxes and mount points [default: /dev/shm where it has room, else the system's temporary directory].
    #[arg(long, env = "TMPDIR")]
    scratch: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TierChoice {
    /// The strongest that works.
    Auto,
    /// Namespaces, tmpfs, seccomp, rlimits.
    A,
    /// Landlock, seccomp, rlimits.
    B,
}

fn main() -> ExitCode {
    let Arguments { logs, command } = parse::<Arguments>();
    let outcome = match command {
        Command::Serve(serve) => {
            logs.init();
            run_service(serve)
        }
        Command::Jail { plan } => become_jail(&plan),
        Command::CountTasks => count_tasks(),
    };
    real_terminal::finish(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {}", causes(error.as_ref()));
            ExitCode::FAILURE
        }
    })
}

fn become_jail(plan: &str) -> anyhow::Result<()> {
    let plan: jail::Plan = serde_json::from_str(plan).context("the jail's plan")?;
    match jail::enter(&plan) {
        Ok(never) => match never {},
        Err(error) => Err(error).with_context(|| format!("jail of tier {:?}", plan.tier)),
    }
}

fn count_tasks() -> anyhow::Result<()> {
    if let Some(count) = real_sandbox::user::count_tasks().context("RLIMIT_NPROC")? {
        outln!("{count}");
    }
    Ok(())
}

fn run_service(serve: Serve) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve_until_signal(serve))
}

async fn serve_until_signal(serve: Serve) -> anyhow::Result<()> {
    // First, so that a port in use is found before anything is started.
    let listener = tokio::net::TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", serve.listen))?;
    let address = listener.local_addr()?;
    if let Err(error) = real_sandbox::jail::limits::raise_open_files() {
        tracing::warn!(%error, "raising the limit of open files");
    }
    let interpreter = Interpreter::find()?;
    let workers = serve.workers.or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let base = serve.scratch.unwrap_or_else(|| scratch::default_base(workers));
    let scratch = Home::create(&base).with_context(|| {
        format!("cannot make a directory in {}: set TMPDIR or --scratch to a writable one", base.display())
    })?;
    real_sandbox::clear_abandoned_groups();
    let wish = match serve.tier {
        TierChoice::Auto => Wish::Auto,
        TierChoice::A => Wish::Only(Tier::A),
        TierChoice::B => Wish::Only(Tier::B),
    };
    let tier = probe::choose(wish, serve.allow_unisolated, &interpreter, scratch.path()).await?;
    tracing::info!(?tier, workers, python = interpreter.version, "ready");
    let config = PoolConfig { tier, interpreter, workers, queue: serve.queue, scratch: scratch.path().to_owned() };
    let pool = tokio::task::spawn_blocking(move || Pool::start(config)).await??;
    let longest_wait = serve.queue_seconds.map(Duration::from_secs);
    let service = Service::new(pool, Admission { ceiling: serve.ceiling, longest_wait });
    outln!("listening on http://{address}");
    listen(listener, router(service), HEAD_TIME, stop_signal()).await;
    tracing::info!("stopped");
    Ok(())
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
