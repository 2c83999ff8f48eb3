//! `real compare`: what got better and what got worse between two evaluations.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, bail, ensure};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, Table, presets};
use real_evaluation::Row;
use real_evaluation::compare::{Change, Comparison, compare};
use real_terminal::{OrRefused as _, Stream, count, errln, fit, harmless, outln, width};
use serde_json::Value;

use crate::ui::fixed;

/// Arguments of `real compare`.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The first: a file of rows that `real score --output` wrote, or a folder of `real eval`, or one of its cells
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The second
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Tasks named on either side
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: usize,
    /// How the comparison is printed
    #[arg(long, value_enum, default_value = "table")]
    format: FormatName,
}

/// How a comparison is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// For this terminal
    Table,
    /// All of it, for programs
    Json,
}

/// Compares.
///
/// # Errors
/// A side that cannot be read, or nothing in common.
pub fn run(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let (first, second) = (rows(&args.first).or_refused()?, rows(&args.second).or_refused()?);
    let keys = [&args.first, &args.second].map(|path| key(path));
    let note = if let [Some(first), Some(second)] = &keys { other_tasks(first, second) } else { None };
    if let Some(note) = &note {
        errln!("note: {note}");
    }
    let found = compare(&first, &second, 1);
    if found.tasks == 0 {
        let error = anyhow!(
            "{} and {} have no task in common that both have a judged answer to",
            args.first.display(),
            args.second.display()
        );
        return Err(error).or_refused();
    }
    match args.format {
        FormatName::Json => {
            let mut all = serde_json::to_value(&found)?;
            // Whoever reads the numbers alone should know as well.
            if let Some(note) = note {
                all["note"] = note.into();
            }
            outln!("{}", serde_json::to_string_pretty(&all)?);
        }
        FormatName::Table => print(args, &found),
    }
    Ok(ExitCode::SUCCESS)
}

/// What the cell depends on whose rows are compared, where `path` is a cell's folder or its file.
fn key(path: &Path) -> Option<Value> {
    let folder = if path.is_dir() { path } else { path.parent()? };
    serde_json::from_slice(&std::fs::read(folder.join("cell.json")).ok()?).ok()
}

/// A sentence where two cells were evaluated on different tasks, which may have the same names.
fn other_tasks(first: &Value, second: &Value) -> Option<String> {
    let differ = |name: &str| first[name] != second[name];
    // A part of one suite is still the same tasks.
    let same = !differ("tasks") || (!differ("suite") && first["settings"]["limit"] != second["settings"]["limit"]);
    let said = |key: &Value| {
        let text = |name: &str| harmless(key[name].as_str().unwrap_or("it is not known which"));
        format!("{} ({})", text("suite"), text("tasks"))
    };
    (!same).then(|| {
        format!("A was evaluated on {}, B on {}: tasks of the same id may not be the same", said(first), said(second))
    })
}

/// The rows of a file, of a cell's folder, or of an evaluation with a single cell.
fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    if !path.is_dir() {
        let rows = real_evaluation::read_rows(path)?;
        ensure!(!rows.is_empty(), "{} holds no answers", path.display());
        return Ok(rows);
    }
    let own = path.join("rows.jsonl");
    if own.is_file() {
        return real_evaluation::read_rows(&own);
    }
    let Ok(entries) = std::fs::read_dir(path.join("cells")) else {
        bail!(
            "{} is no folder of an evaluation: it holds no rows.jsonl and no cells/, which `real eval` writes",
            path.display()
        );
    };
    let mut cells: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|cell| cell.join("rows.jsonl").is_file()).collect();
    cells.sort();
    match cells.as_slice() {
        [] => bail!("{} holds no cell that is done", path.display()),
        [cell] => real_evaluation::read_rows(&cell.join("rows.jsonl")),
        several => {
            let names: Vec<String> = several.iter().map(|cell| format!("  {}", cell.display())).collect();
            bail!("{} holds several cells; name one:\n{}", path.display(), names.join("\n"))
        }
    }
}

fn print(args: &CompareArgs, found: &Comparison) {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(
        [Cell::new("% of tasks")]
            .into_iter()
            .chain(["A", "B", "B − A", "better", "worse", "p"].map(|name| right(name.into()))),
    );
    let percent = |share: f64| fixed(100.0 * share, 1);
    for measure in &found.measures {
        table.add_row([
            Cell::new(measure.name),
            right(percent(measure.first)),
            right(percent(measure.second)),
            right(format!("{}\n{} to {}", percent(measure.difference), percent(measure.low), percent(measure.high))),
            right(measure.better.to_string()),
            right(measure.worse.to_string()),
            right(if measure.p < 0.001 { "< 0.001".to_owned() } else { fixed(measure.p, 3) }),
        ]);
    }
    let tasks = count(found.tasks, "task");
    outln!("{tasks} that both answered ({} only A, {} only B)", found.only_first, found.only_second);
    outln!("{}", fit(table, width(Stream::Output)));
    outln!("p: McNemar's exact test; below 0.05 a difference is seldom chance.");
    for (title, changes) in [("better", &found.better), ("worse", &found.worse)] {
        outln!("{} {title} in B (Func.-Qual.){}", changes.len(), if changes.is_empty() { "." } else { ":" });
        for Change { id, was, is, .. } in changes.iter().take(args.examples) {
            outln!("  {}: {} → {}", harmless(id), harmless(was), harmless(is));
        }
        if changes.len() > args.examples {
            outln!("  … and {} more", changes.len() - args.examples);
        }
    }
}
