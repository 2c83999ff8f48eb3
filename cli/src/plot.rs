//! `real plot`: the curves of a run, drawn again.

use std::path::PathBuf;
use std::process::ExitCode;

use real_terminal::{OrRefused as _, outln};

use crate::record::Record;
use crate::run::report;
use crate::summary::Summary;

/// Arguments of `real plot`.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// The run directory, for example runs/quickstart
    #[arg(value_name = "RUN_DIR")]
    run_dir: PathBuf,
}

/// Prints the table, the curve on a terminal, and writes `reward.svg`.
pub fn run(args: &PlotArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.run_dir;
    if !dir.is_dir() {
        return Err(anyhow::anyhow!("there is no run directory {}", dir.display())).or_refused();
    }
    let record = Record::read(dir)?;
    if record.steps.is_empty() && record.evaluations.is_empty() {
        let dir = dir.display();
        return Err(anyhow::anyhow!(
            "there is nothing to plot in {dir}: no metrics.jsonl or evaluations.jsonl with a line that can be read; give a run \
             directory, for example runs/quickstart"
        ))
        .or_refused();
    }
    let folder =
        || dir.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned());
    let job = Summary::read(dir).map_or_else(folder, |summary| summary.job);
    let drawn = report::draw(&record, &job, dir)?;
    report::print_record(&record);
    if drawn {
        outln!("see {}", dir.join(report::DRAWING).display());
    } else {
        outln!("no drawing: no step has a reward or a loss");
    }
    Ok(ExitCode::SUCCESS)
}
