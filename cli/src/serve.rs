//! `real serve`: detector and sandbox for someone else's training loop.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use real_terminal::{OrRefused as _, outln};

use crate::services::{Kind, Services};
use crate::shutdown::Shutdown;

/// Arguments of `real serve`.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Folder for the services' logs; made if missing
    #[arg(long, value_name = "DIR", default_value = "logs")]
    log_dir: PathBuf,
}

/// Runs detector and sandbox until Ctrl-C; prints their addresses.
pub async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.log_dir)
        .with_context(|| format!("cannot make the log folder {}; name another with --log-dir", args.log_dir.display()))
        .or_refused()?;
    let mut shutdown = Shutdown::listen()?;
    let services = Services::start(&[Kind::Detector, Kind::Sandbox], &args.log_dir).await?;
    for kind in [Kind::Detector, Kind::Sandbox] {
        for url in services.urls(kind) {
            outln!("{} {url}", kind.name());
        }
    }
    tokio::select! {
        () = shutdown.requested() => {
            services.stop().await;
            Ok(ExitCode::SUCCESS)
        }
        error = services.failed() => Err(error.into()),
    }
}
