//! `real-detector`: findings and type errors of Python programs.

mod check;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Parser, Subcommand};
use real_detector::rules::{Rule, pages, registry};
use real_detector::server::{ServerConfig, serve};
use real_terminal::arguments::{at_least_one, parse};
use real_terminal::{LogArgs, OrRefused as _, causes, errln, exit, exit_code, outln};

/// An analysis makes very many small things and drops them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Static analysis of Python programs: taint from source to sink, and mypy --strict.
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
    /// Check files, folders, or lines of `{"id", "code"}` on standard input.
    Check(check::CheckArgs),
    /// List the rules, or show some with their reasons and examples.
    Rules(Rules),
    /// Serve the HTTP API until SIGTERM or SIGINT.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Rules {
    /// Ids of rules, or CWE numbers.
    ids: Vec<String>,
    /// Write a page a rule into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "ids")]
    pages: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Serve {
    /// Address to listen on; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Programs analysed at once [default: number of CPUs].
    #[arg(long, value_parser = at_least_one)]
    workers: Option<usize>,
    /// Programs waiting before requests are answered with 429.
    #[arg(long, default_value_t = 4096)]
    queue: usize,
    /// Seconds that the oldest program may wait before requests are answered with 429 [default: any].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    queue_seconds: Option<u64>,
    /// Seconds for one program.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
    seconds.ok_or_else(|| "it has to be a number above 0, up to 3600".to_owned())
}

fn main() -> ExitCode {
    let arguments = parse::<Arguments>();
    arguments.logs.init();
    let refuses = match &arguments.command {
        // Of `check`, 1 says that something was found.
        Command::Check(_) => true,
        // A rule that does not exist.
        Command::Rules(rules) => rules.pages.is_none(),
        Command::Serve(_) => false,
    };
    let outcome = match arguments.command {
        Command::Check(check) => check::run(&check),
        Command::Rules(rules) => show_rules(&rules).map(|()| ExitCode::SUCCESS),
        Command::Serve(arguments) => run_service(&arguments).map(|()| ExitCode::SUCCESS),
    };
    real_terminal::finish(outcome.unwrap_or_else(|error| {
        errln!("error: {}", causes(error.as_ref()));
        ExitCode::from(if refuses { exit::REFUSED } else { exit_code(&error) })
    }))
}

fn show_rules(asked: &Rules) -> anyhow::Result<()> {
    let rules = &registry()?.rules;
    if let Some(folder) = &asked.pages {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--pages {}: the folder cannot be made", folder.display()))
            .or_refused()?;
        for (name, text) in pages::all(rules) {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        return Ok(());
    }
    if asked.ids.is_empty() {
        for rule in rules {
            let also: Vec<String> = rule.also.iter().map(|cwe| format!("CWE-{cwe}")).collect();
            let also = if also.is_empty() { String::new() } else { format!(" (also {})", also.join(", ")) };
            outln!("{:<24} CWE-{:<5} {}{also}", rule.id, rule.cwe, rule.title);
        }
        return Ok(());
    }
    for id in &asked.ids {
        let number = id.strip_prefix("CWE-").unwrap_or(id).parse().ok();
        let named = |own: u32| number == Some(own);
        let mut meant = rules.iter().filter(|rule| rule.id == *id || rule.is_wanted(&named)).peekable();
        if meant.peek().is_none() {
            return Err(unknown(id, rules)).or_refused();
        }
        meant.for_each(|rule| outln!("{}", pages::page(rule)));
    }
    Ok(())
}

/// A rule that is not there, with the one that was perhaps meant, else with all.
fn unknown(id: &str, rules: &[Rule]) -> anyhow::Error {
    let distance = |rule: &&Rule| strsim::damerau_levenshtein(id, &rule.id);
    let near = rules.iter().min_by_key(distance).filter(|near| distance(near) * 3 <= near.id.len());
    if let Some(near) = near {
        return anyhow!("there is no rule `{id}`; did you mean {}?", near.id);
    }
    let known: Vec<String> = rules.iter().map(|rule| format!("{} (CWE-{})", rule.id, rule.cwe)).collect();
    anyhow!("there is no rule `{id}`; there are {}", known.join(", "))
}

fn run_service(arguments: &Serve) -> anyhow::Result<()> {
    registry()?;
    let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = arguments.workers.unwrap_or_else(cpus);
    let config = ServerConfig {
        listen: arguments.listen,
        workers,
        queue: arguments.queue,
        longest_wait: arguments.queue_seconds.map(Duration::from_secs),
        timeout: Duration::from_secs_f64(arguments.seconds),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}
