//! What can be asked for on the command line, and who does it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{process, serve};

/// Trains code models with rewards from program analysis and unit tests
#[derive(Debug, Parser)]
#[command(name = "real", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep a detector and a sandbox running for another program's training loop
    Serve(serve::ServeArgs),
    /// Start a program that ends when its parent does
    #[command(hide = true)]
    Launch(process::LaunchArgs),
}

/// Parses the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before any thread exists: this process becomes another one.
    if let Command::Launch(args) = &cli.command {
        return report(&process::launch(args));
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into()),
    };
    let result = runtime.block_on(dispatch(cli.command));
    result.unwrap_or_else(|error| report(&error))
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Launch(args) => Err(process::launch(&args)),
    }
}

fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
