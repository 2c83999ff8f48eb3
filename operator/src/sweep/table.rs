//! What a status shows of the cells: counts, the best and the worst, and those without a result.

use std::cmp::Ordering;

use real_crds::cell::Tally;
use real_crds::v1alpha1::{Cell as Row, CellCounts, RealEvalSweepStatus, TroubledCell};

use super::cells::Cell;
use super::outcome::Recorded;

/// Rows of the best, and as many of the worst.
const HALF: usize = 20;
const MOST_TROUBLED: usize = 20;

/// What becomes of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// Not started.
    Waiting,
    /// Has a Job that has not ended, or one that is being deleted.
    Active { queued: bool },
    /// Over, with a result or none.
    Done(Recorded),
    /// Over.
    Failed(Recorded),
    /// Will not be started.
    Skipped(Recorded),
}

/// Fills in what the status shows.
pub(super) fn show(cells: &[(Cell<'_>, Standing)], status: &mut RealEvalSweepStatus) {
    let mut counts = CellCounts { total: cells.len() as u32, ..CellCounts::default() };
    let (mut results, mut troubled) = (Vec::new(), Vec::new());
    for (cell, standing) in cells {
        match standing {
            Standing::Waiting => counts.waiting += 1,
            Standing::Active { .. } => counts.active += 1,
            Standing::Done(recorded) => {
                counts.succeeded += 1;
                match recorded.tally.filter(|tally| tally.n > 0) {
                    Some(tally) => results.push((cell, tally)),
                    None => troubled.push(trouble(cell, "NoResult", recorded)),
                }
            }
            Standing::Failed(recorded) => {
                counts.failed += 1;
                troubled.push(trouble(cell, "Failed", recorded));
            }
            Standing::Skipped(recorded) => {
                counts.skipped += 1;
                troubled.push(trouble(cell, "Skipped", recorded));
            }
        }
    }
    results.sort_by(|a, b| better(&a.1, &b.1).then_with(|| a.0.name.cmp(&b.0.name)));
    status.best_cell = results.first().map(|(cell, _)| cell.name.clone());
    status.worst_cell = results.last().filter(|_| results.len() > 1).map(|(cell, _)| cell.name.clone());
    let worst = results.len().saturating_sub(HALF).max(HALF).min(results.len());
    let (best, worst) = (&results[..results.len().min(HALF)], &results[worst..]);
    status.cells = best.iter().chain(worst).map(|(cell, tally)| row(cell, tally)).collect();
    // Failures first: that cells are skipped follows from them, or has one reason for many.
    troubled.sort_by(|a, b| (&a.state, &a.name).cmp(&(&b.state, &b.name)));
    troubled.truncate(MOST_TROUBLED);
    status.troubled_cells = troubled;
    status.counts = Some(counts);
}

/// By joint rate, then by function and by quality, the highest first.
fn better(a: &Tally, b: &Tally) -> Ordering {
    let by = |count: fn(&Tally) -> u64| {
        let rate = |tally: &Tally| tally.rate(count(tally)).unwrap_or(-1.0);
        rate(b).total_cmp(&rate(a))
    };
    by(|tally| tally.joint).then_with(|| by(|tally| tally.function)).then_with(|| by(|tally| tally.quality))
}

fn row(cell: &Cell<'_>, tally: &Tally) -> Row {
    let rate = |count| tally.rate(count).map_or_else(|| "no result".to_owned(), |rate| format!("{rate:.4}"));
    Row {
        name: cell.name.clone(),
        target: cell.target.name.clone(),
        suite: cell.suite.name.clone(),
        settings: cell.named.label.clone(),
        n: tally.n,
        dropped: tally.dropped,
        function: rate(tally.function),
        quality: rate(tally.quality),
        joint: rate(tally.joint),
    }
}

fn trouble(cell: &Cell<'_>, state: &str, recorded: &Recorded) -> TroubledCell {
    TroubledCell {
        name: cell.name.clone(),
        target: cell.target.name.clone(),
        suite: cell.suite.name.clone(),
        settings: cell.named.label.clone(),
        state: state.to_owned(),
        reason: recorded.reason.chars().take(64).collect(),
        message: recorded.message.chars().take(512).collect(),
    }
}
