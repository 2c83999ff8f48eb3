//! The matrix of a sweep, as settings of its cells.

use real_crds::sweep::{Settings, cells};
use real_crds::v1alpha1::MatrixAxis;

use super::accept::Rejection;
use super::cells::MOST_CELLS;

/// Settings of a cell, and what they are called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) settings: Settings,
    /// What is varied, e.g. `temperature=0.8,samples=4`; empty where nothing is.
    pub(super) label: String,
}

/// All combinations of the matrix, as `real eval` makes them too. More than a sweep may have are refused before they are made.
pub(super) fn combinations(matrix: &[MatrixAxis]) -> Result<Vec<Named>, Rejection> {
    let count = matrix.iter().map(|axis| axis.values.len()).fold(1, usize::saturating_mul);
    if count > MOST_CELLS {
        let message = format!("spec.matrix has {count} combinations, at most {MOST_CELLS} are allowed");
        return Err(Rejection { reason: "TooManyCells".to_owned(), message });
    }
    let one = || [String::from("any")];
    let invalid = |error| Rejection { reason: "InvalidMatrix".to_owned(), message: format!("spec.matrix: {error}") };
    let cells = cells(&one(), &one(), matrix).map_err(invalid)?;
    let named = cells.into_iter().map(|cell| {
        let label = cell.name.splitn(3, '/').nth(2).unwrap_or_default().chars().take(256).collect();
        Named { settings: cell.settings, label }
    });
    Ok(named.collect())
}
