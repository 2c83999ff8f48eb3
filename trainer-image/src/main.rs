//! `real-trainer`: trains models, and generates answers with them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use real_terminal::arguments::parse;
use real_terminal::{LogArgs, causes, errln, exit_code};
use real_trainer::cell::{EvaluateArgs, evaluate};
use real_trainer::plan::command as plan;
use real_trainer::train::command::{TrainArgs, train};
use real_trainer::train::stop::hold_back;
use real_trainer::{bench, compute, generate, gpu_check, merge};

/// Trains code models with program-analysis and unit-test rewards, and generates answers with them.
#[derive(Parser)]
#[command(name = "real-trainer", version)]
struct Cli {
    #[command(flatten)]
    logs: LogArgs,
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
    /// Make the adapters of a checkpoint a part of their model: a Hugging Face folder that stands alone.
    Merge(merge::MergeArgs),
    /// Check a GPU: numbers, attention kernels, speed, memory, a whole step, resuming; JSON.
    GpuCheck(gpu_check::GpuCheckArgs),
    /// Say what a job needs on each device, and whether that fits.
    Plan(plan::PlanArgs),
    /// Run a training job: reinforcement learning or SFT.
    Train(TrainArgs),
    /// Evaluate a shard of a cell of a sweep; the counts are a line of JSON.
    Evaluate(EvaluateArgs),
}

fn main() -> ExitCode {
    let cli = parse::<Cli>();
    if matches!(cli.command, Command::Train(_) | Command::Evaluate(_))
        && let Err(error) = hold_back()
    {
        errln!("warning: a signal in the first moments is lost: {error}");
    }
    if let Err(error) = compute::wait_passively() {
        errln!("warning: cannot start again with passive waiting, going on without: {error}");
    }
    compute::keep_memory();
    cli.logs.init();
    let result = match &cli.command {
        Command::Train(args) => return real_terminal::finish(train(args)),
        Command::Evaluate(args) => return real_terminal::finish(evaluate(args)),
        Command::Generate(args) => generate::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Merge(args) => merge::run(args),
        Command::GpuCheck(args) => gpu_check::run(args),
        Command::Plan(args) => plan::run(args),
    };
    real_terminal::finish(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            errln!("error: {}", causes(error.as_ref()));
            exit_code(&error).into()
        }
    })
}
