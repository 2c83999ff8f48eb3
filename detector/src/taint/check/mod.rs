//! Checks: where a rule does not hold in a solved program.

mod breach;
mod constant;
mod flow;
mod guards;
mod leave;
mod obligation;
mod open;
mod record;
mod regex;
mod shared;
mod sinks;
mod typed;
mod urls;
mod words;
mod wrapper;

pub use open::constant_code;

use super::store::Solved;
use crate::budget::Expired;
use breach::{Broken, Report};
use real_detector_api::OriginKind;

/// All places where a rule does not hold. `wanted` says of a CWE number whether it is asked for, `counts` of an origin.
pub(super) fn all(
    solved: &Solved<'_>,
    wanted: &dyn Fn(u32) -> bool,
    counts: &dyn Fn(OriginKind) -> bool,
) -> Result<Vec<Broken>, Expired> {
    let mut report = Report::new(solved, wanted, counts);
    for check in [flow::check, leave::check, constant::check, regex::check, obligation::check] {
        check(&mut report);
        solved.budget.check()?;
    }
    Ok(report.found)
}
