//! What checks have found, by position, with the way that led there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::trace::{Tracer, only};
use crate::budget::Expired;
use crate::syntax::Positions;
use crate::taint::check;
use crate::taint::store::Solved;
use real_detector_api::{Finding, OriginKind};

/// All findings, by position then rule; of several of a rule at one place the first. `wanted` says of a CWE number whether
/// it is asked for, `counts` of an origin.
///
/// # Errors
/// [`Expired`] where the budget's time is over first.
pub fn find(
    solved: &Solved<'_>,
    positions: &Positions<'_>,
    wanted: &dyn Fn(u32) -> bool,
    counts: &dyn Fn(OriginKind) -> bool,
) -> Result<Vec<Finding>, Expired> {
    let mut found: BTreeMap<(u32, u32, &str), Finding> = BTreeMap::new();
    let mut tracer = None;
    for broken in check::all(solved, wanted, counts)? {
        let rule = &solved.registry.rules[broken.rule];
        let (id, value) = broken.at;
        let at = positions.at(solved.program.function(id).written_at(value).start as usize);
        let Entry::Vacant(place) = found.entry((at.line, at.column, &rule.id)) else { continue };
        let trace = match broken.from {
            Some((value, origins)) => {
                let tracer = tracer.get_or_insert_with(|| Tracer::new(solved, positions));
                tracer.trace((id, value), broken.at, origins)
            }
            None => only(solved, positions, broken.at),
        };
        place.insert(Finding {
            cwe: rule.cwe,
            rule: rule.id.clone(),
            line: at.line,
            column: at.column,
            message: broken.message.unwrap_or_else(|| rule.message.clone()),
            trace,
            origins: broken.kinds,
        });
        solved.budget.check()?;
    }
    Ok(found.into_values().collect())
}
