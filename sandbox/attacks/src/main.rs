//! `real-sandbox-attacks`: does a sandbox hold?
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use real_sandbox_attacks::{Aim, Kind, Route, Selection, attack};
use real_terminal::arguments::parse;
use real_terminal::{causes, errln, outln};
use url::Url;

/// Runs the attack corpus against any sandbox that speaks SandboxFusion's `/run_code` or our `/v1/batch`.
///
/// After each attack an honest program has to pass. Ends with 0 where all attacks held, with 1 where one got through or hurt the
/// honest program after it, and with 2 where they could not be run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Base URL of the sandbox.
    #[arg(long)]
    url: Url,
    /// How it is asked; can be given several times.
    #[arg(long = "route", value_enum, default_values_t = [Route::RunCode])]
    routes: Vec<Route>,
    /// Only attacks of this kind; can be given several times.
    #[arg(long = "kind", value_enum)]
    kinds: Vec<Kind>,
    /// Only the attack of this name; can be given several times.
    #[arg(long = "attack", value_name = "NAME")]
    names: Vec<String>,
    /// How many attacks are under way at once.
    #[arg(long, default_value_t = Selection::default().jobs)]
    jobs: usize,
    /// How the outcome is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    aim: AimArguments,
}

/// What is there where the sandbox runs, so that an attack has something to reach.
#[derive(clap::Args)]
#[command(next_help_heading = "What the attacks aim at, as the sandbox's own process sees it")]
struct AimArguments {
    /// A file that the service can read and write.
    #[arg(long, default_value = "/dev/termination-log")]
    secret: PathBuf,
    /// A folder that the service can write to.
    #[arg(long, default_value = "/dev/mqueue")]
    planted: PathBuf,
    /// A port of the loopback address on which something listens [default: the URL's].
    #[arg(long)]
    port: Option<u16>,
    /// Name of an abstract socket that something listens on.
    #[arg(long = "abstract-socket", default_value = "real-sandbox-target")]
    abstract_name: String,
    /// Process id of the service.
    #[arg(long, default_value_t = 1)]
    server_pid: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// An attack a line, and what went wrong after them.
    Table,
    /// One object.
    Json,
}

fn main() -> ExitCode {
    let arguments = parse::<Arguments>();
    real_terminal::finish(match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => real_terminal::exit::FINDINGS.into(),
        Err(error) => {
            errln!("error: {}", causes(error.as_ref()));
            real_terminal::exit::REFUSED.into()
        }
    })
}

/// Whether all attacks held.
fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let AimArguments { secret, planted, port, abstract_name, server_pid } = &arguments.aim;
    let aim = Aim {
        secret: secret.clone(),
        planted: planted.clone(),
        port: port.or(arguments.url.port_or_known_default()).unwrap_or(8080),
        abstract_name: abstract_name.clone(),
        server: *server_pid,
        ..Aim::pod()
    };
    let selection = Selection {
        routes: arguments.routes.clone(),
        kinds: arguments.kinds.clone(),
        names: arguments.names.clone(),
        jobs: arguments.jobs,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(attack(&arguments.url, &aim, &selection))?;
    let wrong = report.wrong();
    match arguments.format {
        Format::Table => {
            outln!("{report}");
            for sentence in &wrong {
                outln!("  {}", real_terminal::harmless(sentence));
            }
        }
        Format::Json => outln!("{}", report.to_json()),
    }
    Ok(wrong.is_empty())
}
