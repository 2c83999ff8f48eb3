//! `real-detector`: findings and type errors of Python programs.

use std::io::{BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use real_detector::mypy::TypeChecker;
use real_detector::rules::registry;
use real_detector::server::{ServerConfig, run, serve};
use real_detector::{Options, analyze};
use real_detector_api::{Analysis, Program};
use serde_json::{Value, json};

/// Static analysis of Python programs: taint from source to sink, and mypy --strict.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check files, or lines of `{"id", "code"}` on standard input.
    Check(Check),
    /// List the rules.
    Rules,
    /// Serve the HTTP API until SIGTERM or SIGINT.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Check {
    /// Python files.
    files: Vec<PathBuf>,
    /// Read JSON lines from standard input, answer in order on standard output.
    #[arg(long, conflicts_with = "files")]
    jsonl: bool,
    /// Add `mypy --strict` verdicts.
    #[arg(long)]
    types: bool,
    /// CWE numbers to report, such as 89,78 [default: all].
    #[arg(long, value_delimiter = ',')]
    cwe: Option<Vec<u32>>,
}

#[derive(clap::Args)]
struct Serve {
    /// Address to listen on; port 0 picks one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Programs analysed at once [default: number of CPUs].
    #[arg(long)]
    workers: Option<usize>,
    /// Programs waiting before requests are answered with 429.
    #[arg(long, default_value_t = 4096)]
    queue: usize,
    /// Seconds that the oldest program may wait before requests are answered with 429 [default: any].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    queue_seconds: Option<u64>,
    /// Seconds for one program.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
    let outcome = match Arguments::parse().command {
        Command::Check(check) if check.jsonl => check_lines(&check).map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check_files(&check),
        Command::Rules => list_rules().map(|()| ExitCode::SUCCESS),
        Command::Serve(arguments) => run_service(&arguments).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

impl Check {
    fn options(&self) -> Options {
        Options { cwes: self.cwe.clone(), ..Options::default() }
    }

    fn checker(&self) -> Option<TypeChecker> {
        self.types.then(|| TypeChecker::new(1, Duration::from_secs(30)))
    }
}

fn check_lines(check: &Check) -> anyhow::Result<()> {
    let (options, checker) = (check.options(), check.checker());
    let mut out = std::io::stdout().lock();
    for (i, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.context("cannot read standard input")?;
        if line.trim().is_empty() {
            continue;
        }
        let given: Value = serde_json::from_str(&line).with_context(|| format!("line {}: not JSON", i + 1))?;
        let (Some(id), Some(code)) = (given.get("id"), given.get("code").and_then(Value::as_str)) else {
            bail!("line {}: an object with `id` and a text `code` is expected", i + 1);
        };
        let program = Program { id: String::new(), code: code.to_owned() };
        let Analysis { findings, types, error, .. } = run(program, true, &options, checker.as_ref());
        let mut answer = json!({"id": id, "findings": findings});
        if let Some(types) = types {
            answer["types"] = json!(types);
        }
        if let Some(error) = error {
            answer["error"] = json!(error);
        }
        writeln!(out, "{answer}").and_then(|()| out.flush()).context("cannot write to standard output")?;
    }
    Ok(())
}

fn check_files(check: &Check) -> anyhow::Result<ExitCode> {
    if check.files.is_empty() {
        bail!("nothing to check: name a file, or use --jsonl");
    }
    let (options, checker) = (check.options(), check.checker());
    let mut clean = true;
    for path in &check.files {
        let name = path.display();
        let code = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        match analyze(&code, &options) {
            Ok(findings) => {
                for finding in findings {
                    clean = false;
                    println!(
                        "{name}:{}:{}: CWE-{} {}: {}",
                        finding.line, finding.column, finding.cwe, finding.rule, finding.message
                    );
                    for step in finding.trace {
                        println!("    {}:{}  {}", step.line, step.column, step.note);
                    }
                }
            }
            Err(error) => {
                clean = false;
                let line = error.line.map(|line| format!("{line}: ")).unwrap_or_default();
                println!("{name}:{line}{}", error.message);
            }
        }
        if let Some(checker) = &checker {
            let verdict = checker.check(&code).map_err(|error| anyhow::anyhow!(error.message))?;
            clean &= verdict.clean;
            for error in verdict.errors {
                println!("{name}:{}:{}: error: {}  [{}]", error.line, error.column, error.message, error.code);
            }
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn list_rules() -> anyhow::Result<()> {
    for rule in &registry()?.rules {
        println!("{:<20} CWE-{:<5} {}", rule.id, rule.cwe, rule.title);
    }
    Ok(())
}

fn run_service(arguments: &Serve) -> anyhow::Result<()> {
    registry()?;
    if !(arguments.seconds > 0.0 && arguments.seconds <= 3600.0) {
        bail!("--seconds is {}; it must be more than 0 and at most 3600", arguments.seconds);
    }
    let workers = match arguments.workers {
        Some(0) => bail!("--workers is 0; at least 1 is needed"),
        Some(workers) => workers,
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let config = ServerConfig {
        listen: arguments.listen,
        workers,
        queue: arguments.queue,
        longest_wait: arguments.queue_seconds.map(Duration::from_secs),
        timeout: Duration::from_secs_f64(arguments.seconds),
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}
