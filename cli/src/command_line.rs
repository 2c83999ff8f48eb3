//! What can be asked for on the command line, and who does it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches as _, Parser, Subcommand};
use real_terminal::arguments::{forgiving, matches};
use real_terminal::{LogArgs, causes, errln, exit_code, outln};

use crate::{
    compare, datasets_cmd, doctor, eval, init, manual, plot, process, programs, reward_serve, run, samples, score,
    serve, tips,
};

const AFTER_HELP: &str = "\
Start with:
  real run examples/quickstart.yaml

Logs go to standard error; RUST_LOG=debug says more.";

/// Trains code models with rewards from program analysis and unit tests
#[derive(Debug, Parser)]
#[command(name = "real", version, propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(flatten)]
    logs: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a job to begin with
    Init(init::InitArgs),
    /// Say whether this machine has what a run needs
    Doctor(doctor::DoctorArgs),
    /// Run a training job on this machine
    Run(run::RunArgs),
    /// Show what the model wrote in a run, with findings, verdicts and rewards
    Samples(samples::SamplesArgs),
    /// Draw the curves of a run again
    Plot(plot::PlotArgs),
    /// Find weaknesses in Python programs: `real-detector check`
    Detect(Rest),
    /// Talk to `real-sandbox`, which runs programs in isolation
    Sandbox(Rest),
    /// Keep a detector and a sandbox running for another program's training loop
    Serve(serve::ServeArgs),
    /// Print the version
    Version,
    /// Print a shell's completions: `source <(real completions bash)`
    Completions(manual::CompletionsArgs),
    /// Write manual pages, one a command
    Man(manual::ManArgs),
    /// Score answers to a data set's tasks with the real detector and the real sandbox
    Score(score::ScoreArgs),
    /// Evaluate models on data sets: the paper's rates with intervals, tables, a report
    Eval(eval::EvalArgs),
    /// Say what got better and what got worse between two evaluations
    Compare(compare::CompareArgs),
    /// Build data sets, and look into them
    Datasets(datasets_cmd::DatasetsArgs),
    /// Rewards for other trainers
    Reward(reward_serve::RewardArgs),
    /// Start a program that ends when its parent does
    #[command(hide = true)]
    Launch(process::LaunchArgs),
}

/// Arguments handed on as they are.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
struct Rest {
    /// Arguments of the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Parses the command line, does what it says, and returns the exit code.
pub fn main() -> ExitCode {
    let tips = [tips::ELSEWHERE.as_slice(), &tips::OPTIONS].concat();
    let cli = Cli::from_arg_matches(&matches(command(), &tips)).unwrap_or_else(|error| error.exit());
    // Before any thread exists: this process becomes another one.
    real_terminal::finish(match cli.command {
        Command::Launch(args) => report(&process::launch(&args)),
        Command::Detect(rest) => report(&hand_over("real-detector", &["check"], rest.args)),
        Command::Sandbox(rest) => report(&hand_over("real-sandbox", &[], rest.args)),
        command => work(cli.logs, command),
    })
}

/// The command line's definition, from which help, completions and manual pages are made.
pub fn command() -> clap::Command {
    forgiving(Cli::command())
}

fn work(logs: LogArgs, command: Command) -> ExitCode {
    logs.init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error.into()),
    };
    let code = runtime.block_on(dispatch(command)).unwrap_or_else(|error| report(&error));
    // A name that is being looked up cannot be taken back, and nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn dispatch(asked: Command) -> anyhow::Result<ExitCode> {
    match asked {
        Command::Init(args) => init::run(&args),
        Command::Doctor(args) => doctor::run(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Samples(args) => samples::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Serve(args) => serve::run(args).await,
        Command::Score(args) => score::run(args).await,
        Command::Eval(args) => eval::run(args).await,
        Command::Compare(args) => compare::run(&args),
        Command::Datasets(args) => datasets_cmd::run(args).await,
        Command::Reward(args) => reward_serve::run(args).await,
        Command::Version => {
            outln!("real {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions(args) => manual::completions(command(), &args),
        Command::Man(args) => manual::pages(command(), &args),
        Command::Launch(_) | Command::Detect(_) | Command::Sandbox(_) => unreachable!("became another program"),
    }
}

/// Becomes another program of the project; returns only on failure.
fn hand_over(program: &str, first: &[&str], rest: Vec<OsString>) -> anyhow::Error {
    let path = match programs::find(program) {
        Ok(path) => path,
        Err(missing) => return missing.into(),
    };
    let args: Vec<OsString> = first.iter().map(OsString::from).chain(rest).collect();
    process::become_program(&path, &args)
}

fn report(error: &anyhow::Error) -> ExitCode {
    let message = causes(error.as_ref());
    errln!("error: {message}");
    tips::print(&message);
    exit_code(error).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
