//! `real-operator`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use real_operator::http::serve;
use real_operator::images::Images;
use real_operator::lease::{Identity, Timing};
use real_operator::migrate::migrate;
use real_operator::run::{Operator, Options};
use real_operator::telemetry;
use real_terminal::arguments::parse;
use real_terminal::{causes, errln};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What is still under way at the end has this long.
const LEFT_OVER: Duration = Duration::from_secs(5);

/// Makes the cluster what training jobs and reward pools say.
#[derive(Parser)]
#[command(name = "real-operator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM or SIGINT. Exits with 1 where the lead is lost, so that a new process starts afresh.
    Run(Box<RunArguments>),
    /// Store every object anew in the version that its definition stores, as the user of the kubeconfig: before a version leaves
    /// the definitions
    Migrate(MigrateArguments),
}

#[derive(clap::Args)]
struct MigrateArguments {
    /// Folder that gets a copy of each object; new, or empty
    #[arg(long, value_name = "FOLDER")]
    backup: PathBuf,
    /// Copy the objects, and say what would be written
    #[arg(long)]
    dry_run: bool,
}

#[derive(clap::Args)]
struct RunArguments {
    /// Namespaces whose jobs and pools are reconciled [default: all]
    #[arg(long, env = "REAL_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,
    /// Only the holder of the Lease acts
    #[arg(long, env = "REAL_LEADER_ELECT", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    leader_elect: bool,
    /// Name of the Lease
    #[arg(long, env = "REAL_LEASE_NAME", default_value = "real-operator", value_name = "NAME")]
    lease_name: String,
    /// The operator's own namespace, which holds the Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "real-system")]
    namespace: String,
    /// Name of this replica [default: the host's name]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// Serve /metrics, /healthz and /readyz here
    #[arg(long, env = "REAL_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDR")]
    listen: SocketAddr,
    /// Most objects that are reconciled at once; fewer while the API server has too much to do
    #[arg(long, env = "REAL_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: u16,
    /// Image of trainers
    #[arg(long, env = "REAL_TRAINER_IMAGE", default_value_t = Images::default().trainer, value_name = "IMAGE")]
    trainer_image: String,
    /// Image of detectors
    #[arg(long, env = "REAL_DETECTOR_IMAGE", default_value_t = Images::default().detector, value_name = "IMAGE")]
    detector_image: String,
    /// Image of sandboxes
    #[arg(long, env = "REAL_SANDBOX_IMAGE", default_value_t = Images::default().sandbox, value_name = "IMAGE")]
    sandbox_image: String,
    /// How images are pulled
    #[arg(long, env = "REAL_IMAGE_PULL_POLICY", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    image_pull_policy: PullPolicy,
    /// How log lines look
    #[arg(long, env = "REAL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Seconds between two questions to a running trainer
    #[arg(long, env = "REAL_PROGRESS_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    progress_seconds: u64,
    /// Base URL of the operator's Service, which KEDA asks for demand
    #[arg(long, env = "REAL_SERVICE_URL", value_name = "URL")]
    service_url: Option<String>,
    /// Base URL of a Prometheus that scrapes the operator, which KEDA asks for demand instead
    #[arg(long, env = "REAL_PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: Option<String>,
    /// Print what would be done, one plan a line of JSON, and do nothing
    #[arg(long, env = "REAL_DRY_RUN", default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    dry_run: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

fn main() -> ExitCode {
    let arguments = match parse::<Arguments>().command {
        Command::Run(arguments) => *arguments,
        Command::Migrate(arguments) => return real_terminal::finish(moved(&arguments)),
    };
    let format = match arguments.log_format {
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Text => telemetry::Format::Text,
    };
    let telemetry = telemetry::init(&telemetry::Options {
        format,
        filter: std::env::var("RUST_LOG").unwrap_or_default(),
        traces: telemetry::Options::traces_from_env(),
    });
    let telemetry = match telemetry {
        Ok(telemetry) => telemetry,
        Err(error) => {
            errln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.context("cannot start the runtime").and_then(|runtime| {
        let result = runtime.block_on(run(arguments));
        // Dropping a runtime waits for whatever is under way, a look-up of a name for one, however long it takes; who lost the lead has to go.
        runtime.shutdown_timeout(LEFT_OVER);
        result
    });
    if let Err(error) = &result {
        tracing::error!("{}", causes(error.as_ref()));
    }
    telemetry.shutdown();
    real_terminal::finish(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn moved(arguments: &MigrateArguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("cannot start the runtime").and_then(|runtime| {
        runtime.block_on(async {
            let client = kube::Client::try_from(cluster().await?)?;
            migrate(&client, &arguments.backup, arguments.dry_run).await
        })
    });
    match result {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {}", causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn cluster() -> anyhow::Result<kube::Config> {
    kube::Config::infer()
        .await
        .context("no cluster: neither a service account's files nor a kubeconfig (set KUBECONFIG) can be used")
}

async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let address = arguments.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen"))?;
    let config = cluster().await?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signals(shutdown.clone()));
    let operator = Operator::new();
    let server = tokio::spawn(serve(listener, operator.router(), shutdown.clone().cancelled_owned()));
    let result = operator.run(config, options(arguments), shutdown.clone()).await;
    shutdown.cancel();
    server.await.context("the HTTP server panicked")?.context("the HTTP server ended")?;
    result
}

fn options(arguments: RunArguments) -> Options {
    let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    let name = arguments.identity.unwrap_or_else(|| host().unwrap_or_else(|_| "real-operator".to_owned()));
    let namespace = arguments.namespace;
    let pull_policy = match arguments.image_pull_policy {
        PullPolicy::Always => "Always",
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    };
    Options {
        watch_namespaces: arguments.watch_namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        leader_elect: arguments.leader_elect,
        lease_name: arguments.lease_name,
        timing: Timing::default(),
        identity: Identity::unique(&name),
        concurrency: arguments.concurrency,
        images: Images {
            trainer: arguments.trainer_image,
            detector: arguments.detector_image,
            sandbox: arguments.sandbox_image,
            pull_policy: pull_policy.to_owned(),
        },
        progress_interval: Duration::from_secs(arguments.progress_seconds),
        url: arguments.service_url.unwrap_or_else(|| format!("http://real-operator.{namespace}.svc:8080")),
        prometheus: arguments.prometheus_url.filter(|url| !url.is_empty()),
        dry_run: arguments.dry_run,
        namespace,
    }
}

async fn stop_on_signals(shutdown: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("asked to stop");
    shutdown.cancel();
}
