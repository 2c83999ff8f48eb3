//! What the checks find, before anybody is told.

use crate::ssa::{FunctionId, ValueId};
use crate::taint::store::{OriginTable, Solved};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// A place where an obligation is not met: what is done, and what led there.
pub(super) type Breach = (ValueId, Option<(ValueId, Origins)>);

/// A rule that does not hold at a value.
pub(in crate::taint) struct Broken {
    /// Index of the rule.
    pub(in crate::taint) rule: usize,
    /// What to say instead of the rule's own message.
    pub(in crate::taint) message: Option<String>,
    /// Where.
    pub(in crate::taint) at: (FunctionId, ValueId),
    /// The value that led there, and whose it is.
    pub(in crate::taint) from: Option<(ValueId, Origins)>,
    /// Who chooses that value.
    pub(in crate::taint) kinds: Vec<OriginKind>,
}

/// What the checks know, and what they have found.
pub(in crate::taint) struct Report<'a, 'p> {
    pub(super) solved: &'a Solved<'p>,
    wanted: &'a dyn Fn(u32) -> bool,
    counts: &'a dyn Fn(OriginKind) -> bool,
    pub(super) found: Vec<Broken>,
}

impl<'a, 'p> Report<'a, 'p> {
    /// Nothing is found so far. `wanted` says of a CWE number whether it is asked for, `counts` of an origin.
    pub(super) fn new(
        solved: &'a Solved<'p>,
        wanted: &'a dyn Fn(u32) -> bool,
        counts: &'a dyn Fn(OriginKind) -> bool,
    ) -> Self {
        Self { solved, wanted, counts, found: vec![] }
    }

    /// Whether findings of a rule are asked for.
    pub(super) fn wants(&self, rule: usize) -> bool {
        self.solved.registry.rules[rule].is_wanted(self.wanted)
    }

    /// A rule that does not hold at a value, with what led there.
    pub(super) fn add(
        &mut self,
        (rule, message): (usize, Option<&str>),
        at: (FunctionId, ValueId),
        from: Option<(ValueId, Origins)>,
    ) {
        let kinds = from.map(|(_, origins)| OriginTable::kinds(origins)).unwrap_or_default();
        if !kinds.is_empty() && !kinds.iter().any(|kind| (self.counts)(*kind)) {
            return;
        }
        if !self.solved.registry.rules[rule].unknown && kinds == [OriginKind::Unknown] {
            return;
        }
        self.found.push(Broken { rule, message: message.map(str::to_owned), at, from, kinds });
    }
}
