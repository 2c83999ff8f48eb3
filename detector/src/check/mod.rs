//! `real-detector check`: files, folders and standard input, for people, editors and CI.

mod files;
mod github;
mod json;
mod judge;
mod lines;
mod sarif;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use real_detector::Options;
use real_detector::catalogue;
use real_detector::judge::Judge;
use real_detector::mypy::TypeChecker;
use real_detector_api::{Checks, OriginKind};
use real_terminal::{errln, exit, outln};

use judge::{Checked, Totals};

/// Time for the type checker's verdict on one program.
const TYPES_TIMEOUT: Duration = Duration::from_mins(1);

/// Arguments of `real-detector check`.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every file was checked and is clean
  1  something was found
  2  some file could not be checked, or the arguments are wrong")]
pub(crate) struct CheckArgs {
    /// Python files; folders, whose .py files are checked except where .gitignore says no; - for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read lines of {"id", "code"} from standard input, and answer each with a line
    #[arg(long, conflicts_with_all = ["paths", "format"])]
    jsonl: bool,
    /// Add `mypy --strict` verdicts
    #[arg(long)]
    types: bool,
    /// CWE numbers to report, such as 89,78 [default: all that there are rules for]
    #[arg(long, value_delimiter = ',', value_name = "NUMBER", value_parser = cwe_number)]
    cwe: Option<Vec<u32>>,
    /// Whose values count: attacker, caller, unknown [default: all]
    #[arg(long, value_delimiter = ',', value_name = "KIND", value_parser = origin_kind)]
    origins: Option<Vec<OriginKind>>,
    /// What the findings look like
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Files checked at once [default: number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// How findings are written.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people: each finding with its line and the way the value took
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, which code hosts and editors read
    Sarif,
    /// Workflow commands of GitHub Actions, shown at the lines of a pull request
    Github,
}

/// A number, with or without what stands before it in lists of weaknesses: `89`, `CWE-89`.
fn cwe_number(text: &str) -> Result<u32, String> {
    let bare = text
        .get(..3)
        .filter(|start| start.eq_ignore_ascii_case("cwe"))
        .map_or(text, |_| text[3..].trim_start_matches('-'));
    bare.parse().map_err(|_| "it has to be a whole number, such as 89, or CWE-89".to_owned())
}

fn origin_kind(text: &str) -> Result<OriginKind, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("`{text}` is not one of attacker, caller, unknown"))
}

impl CheckArgs {
    fn checks(&self) -> anyhow::Result<Checks> {
        if let Some(unknown) = catalogue::unknown_cwes(self.cwe.as_deref().unwrap_or_default())? {
            bail!("--cwe {unknown}");
        }
        Ok(Checks { security: true, cwes: self.cwe.clone(), origins: self.origins.clone(), types: self.types })
    }

    fn jobs(&self) -> usize {
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.map_or_else(cpus, usize::from)
    }
}

/// Checks what is asked for and says what was found.
///
/// # Errors
/// The arguments cannot be followed.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let checks = args.checks()?;
    let jobs = args.jobs();
    let types = args.types.then(|| TypeChecker::new(if args.jsonl { 1 } else { jobs }, TYPES_TIMEOUT));
    let judge = Judge::new(Options::default().timeout, types);
    if args.jsonl {
        return lines::run(&judge, &checks);
    }
    if args.paths.is_empty() {
        bail!("nothing to check: name files or folders, - for standard input, or use --jsonl");
    }
    let sources = files::find(&args.paths);
    if sources.is_empty() {
        // Not silently clean: the folder may be the wrong one.
        let named: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        errln!("warning: there are no Python files in {}", named.join(", "));
    }
    let mut totals = Totals::default();
    let mut kept: Vec<Checked> = Vec::new();
    judge::all(&sources, &judge, &checks, jobs, |checked| {
        totals.add(&checked);
        match args.format {
            Format::Text => text::print(&checked),
            Format::Github => github::print(&checked),
            Format::Json | Format::Sarif => kept.push(checked),
        }
        // Nobody reads on: what is left need not be checked.
        real_terminal::is_open()
    });
    match args.format {
        Format::Text => outln!("{}", totals.sentence()),
        Format::Github => errln!("{}", totals.sentence()),
        Format::Json => outln!("{}", json::document(&kept, &totals)),
        Format::Sarif => outln!("{}", sarif::document(&kept)?),
    }
    Ok(if totals.failed > 0 {
        exit::REFUSED.into()
    } else if totals.findings > 0 {
        exit::FINDINGS.into()
    } else {
        exit::DONE.into()
    })
}
