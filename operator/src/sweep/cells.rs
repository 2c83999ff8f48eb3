//! Cells: each target with each suite and each combination of settings.

use std::collections::HashMap;

use kube::ResourceExt;
use real_crds::v1alpha1::{RealEvalSweep, Suite, SweepTarget};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::accept::Rejection;
use super::settings::Named;

/// Most cells of a sweep.
pub const MOST_CELLS: usize = 10_000;

/// Digits of names: RFC 4648 §6 in lower case, 5 bits each.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of a cell in its name: 45 bits, so that two of 10,000 cells meet once in a million sweeps. With them, the longest name
/// of a sweep (48) and the longest index (`-1023`) a pod's host name has 63 characters at most.
const LENGTH: usize = 9;

/// One evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell<'a> {
    /// Name of the cell and of its Job: the same at every look.
    pub(super) name: String,
    /// Number of the target, for fairness.
    pub(super) number: usize,
    pub(super) target: &'a SweepTarget,
    pub(super) suite: &'a Suite,
    pub(super) named: &'a Named,
}

/// All cells, in the order of targets, suites and settings.
pub(super) fn cells<'a>(
    sweep: &'a RealEvalSweep,
    targets: &'a [SweepTarget],
    combinations: &'a [Named],
) -> Result<Vec<Cell<'a>>, Rejection> {
    let suites = &sweep.spec.suites;
    let count = targets.len().saturating_mul(suites.len()).saturating_mul(combinations.len());
    if count > MOST_CELLS {
        return Err(Rejection {
            reason: "TooManyCells".to_owned(),
            message: format!(
                "{} targets with {} suites and {} combinations of settings are {count} cells, at most {MOST_CELLS} are allowed",
                targets.len(),
                suites.len(),
                combinations.len()
            ),
        });
    }
    let mut cells = Vec::with_capacity(count);
    let mut known: HashMap<String, usize> = HashMap::with_capacity(count);
    for (number, target) in targets.iter().enumerate() {
        for suite in suites {
            for named in combinations {
                let name = name(sweep, target, suite, named);
                if known.insert(name.clone(), cells.len()).is_some() {
                    let message = format!("two cells have the name {name}: rename the sweep");
                    return Err(Rejection { reason: "NameCollision".to_owned(), message });
                }
                cells.push(Cell { name, number, target, suite, named });
            }
        }
    }
    Ok(cells)
}

/// The name of a cell is made from all that its result depends on, and from nothing else: how many pods share it, which decides
/// what random numbers are drawn and not their distribution, or on what nodes they run, may change while it waits.
fn name(sweep: &RealEvalSweep, target: &SweepTarget, suite: &Suite, named: &Named) -> String {
    let spec = &sweep.spec;
    let image = suite.image.as_ref().or(spec.evaluator.image.as_ref());
    let mut identity = json!({
        "uri": target.uri, "checkpoint": target.checkpoint,
        "suite": [suite.name, suite.storage_uri], "limit": suite.limit, "image": image,
        "settings": named.settings, "reward": spec.reward, "dtype": spec.evaluator.dtype,
    });
    // Only where there is one: cells of before there were schedules keep their names.
    if let Some(time) = &target.time {
        identity["time"] = json!(time);
    }
    let hash = Sha256::digest(identity.to_string());
    let bits = u64::from_be_bytes(hash[..8].try_into().expect("8 bytes"));
    let digit = |i: usize| char::from(DIGITS[(bits >> (59 - 5 * i)) as usize & 31]);
    let hash: String = (0..LENGTH).map(digit).collect();
    format!("{}-{hash}", sweep.name_any())
}
