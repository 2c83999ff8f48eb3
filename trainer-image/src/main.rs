//! `real-trainer`: trains models, and generates answers with them.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use real_trainer::train::command::{TrainArgs, train};
use real_trainer::{bench, compute, generate};

/// Trains code models with program-analysis and unit-test rewards, and generates answers with them.
#[derive(Parser)]
#[command(name = "real-trainer", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate an answer to each prompt of a file or data set.
    Generate(generate::GenerateArgs),
    /// Measure generation and a training step of a small model; one line of JSON.
    #[command(hide = true)]
    Bench(bench::BenchArgs),
    /// Run a training job: PPO or SFT.
    Train(TrainArgs),
}

fn main() -> ExitCode {
    if let Err(error) = compute::wait_passively() {
        eprintln!("real-trainer: cannot start again with passive waiting, going on without: {error}");
    }
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .init();
    let result = match &cli.command {
        Command::Train(args) => return train(args),
        Command::Generate(args) => generate::run(args),
        Command::Bench(args) => bench::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("real-trainer: {error:#}");
            ExitCode::FAILURE
        }
    }
}
