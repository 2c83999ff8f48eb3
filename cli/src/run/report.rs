//! What is said and drawn at the end of a run.

use std::io;
use std::path::Path;

use real_terminal::{Stream, is_terminal, outln};

use super::RunArgs;
use crate::record::Record;
use crate::ui::{self, Verbosity};

/// Name of the drawing in the run directory.
pub(crate) const DRAWING: &str = "reward.svg";

/// Draws `reward.svg`; whether there was anything to draw.
pub(crate) fn draw(record: &Record, job: &str, run_dir: &Path) -> io::Result<bool> {
    ui::write_svg(record, job, &run_dir.join(DRAWING)).map_err(io::Error::other)
}

/// Prints the table and, on a terminal, the curve.
pub(crate) fn print(run_dir: &Path, args: &RunArgs) -> io::Result<()> {
    if args.verbosity() == Verbosity::Quiet {
        return Ok(());
    }
    let record = Record::read(run_dir)?;
    print_record(&record);
    outln!(
        "see {} and `tensorboard --logdir {}`",
        run_dir.join(DRAWING).display(),
        run_dir.join("tensorboard").display()
    );
    Ok(())
}

/// Prints the table and, on a terminal, the curve.
pub(crate) fn print_record(record: &Record) {
    if is_terminal(Stream::Output)
        && let Some(drawing) = ui::draw_chart(record)
    {
        outln!("{drawing}");
    }
    if record.evaluations.is_empty() {
        outln!("no evaluations: the job names no data sets under spec.datasets.eval");
    } else {
        outln!("{}", ui::evaluation_table(&record.evaluations));
    }
}
