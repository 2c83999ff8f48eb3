//! Where values come from that somebody else has a say in.
//!
//! A set of origins is 128 bits, and there may be more origins than that. A bit stands for a *kind of place*, not for one
//! place: the n-th parameter of any function, or a source of the library. Parameters of one function have bits of their
//! own, sources never share one with a parameter, and how many functions a program has makes no difference.

use std::collections::HashMap;
use std::rc::Rc;

use crate::ssa::{FunctionId, ValueId};
use crate::text::Origins;

/// Bits for parameters of functions, by position; those beyond share the last.
const PARAMETERS: usize = 40;
/// Bits for parameters of constructors, likewise: what whoever makes an object configures it with.
const SETTINGS: usize = 24;
/// Bits for the sources of the library, by note; those beyond share the last. Two bits are left over.
const SOURCES: usize = 62;

/// Where an attacker's value comes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) note: Rc<str>,
    /// The bit it is known by.
    pub(super) bit: Origins,
}

/// All origins of a program.
#[derive(Debug, Default)]
pub(super) struct OriginTable {
    places: HashMap<(FunctionId, ValueId), Origin>,
    sources: HashMap<Rc<str>, usize>,
}

impl OriginTable {
    /// The bit of a parameter that whoever uses the program's functions chooses, by its position and whether it is a
    /// constructor's.
    pub(super) fn parameter(
        &mut self,
        at: (FunctionId, ValueId),
        (position, of_constructor): (usize, bool),
        note: impl Fn() -> String,
    ) -> Origins {
        let bit = Origins::one(if of_constructor {
            PARAMETERS + position.min(SETTINGS - 1)
        } else {
            position.min(PARAMETERS - 1)
        });
        self.places.entry(at).or_insert_with(|| Origin { note: Rc::from(note()), bit }).bit
    }

    /// The bit of a source of the library.
    pub(super) fn source(&mut self, at: (FunctionId, ValueId), note: &str) -> Origins {
        if let Some(known) = self.places.get(&at) {
            return known.bit;
        }
        let next = self.sources.len().min(SOURCES - 1);
        let note: Rc<str> = Rc::from(note);
        let bit = Origins::one(PARAMETERS + SETTINGS + *self.sources.entry(note.clone()).or_insert(next));
        self.places.insert(at, Origin { note, bit });
        bit
    }

    /// The origin that a value is, where it is one.
    pub(super) fn at(&self, at: (FunctionId, ValueId)) -> Option<&Origin> {
        self.places.get(&at)
    }

    /// Whether these are all parameters that whoever uses the program's functions chooses.
    pub(super) fn are_parameters(origins: Origins) -> bool {
        origins.0 >> (PARAMETERS + SETTINGS) == 0
    }

    /// Whether these are all parameters of constructors.
    pub(super) fn are_settings(origins: Origins) -> bool {
        Self::are_parameters(origins) && origins.0 & ((1 << PARAMETERS) - 1) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(function: u32, value: u32) -> (FunctionId, ValueId) {
        (FunctionId(function), ValueId(value))
    }

    #[test]
    fn however_many_functions_there_are_parameters_stay_apart_from_sources_and_from_each_other() {
        let mut table = OriginTable::default();
        for function in 0..1_000 {
            let first = table.parameter(place(function, 0), (0, false), || "first".to_owned());
            let second = table.parameter(place(function, 1), (1, false), || "second".to_owned());
            let source = table.source(place(function, 2), &format!("source {function}"));
            assert!(first.intersection(second).is_none() && second.intersection(source).is_none());
            assert!(OriginTable::are_parameters(first.union(second)));
            assert!(!OriginTable::are_parameters(source));
        }
    }

    #[test]
    fn the_same_place_is_the_same_origin() {
        let mut table = OriginTable::default();
        let bit = table.source(place(1, 2), "a form");
        assert_eq!(table.source(place(1, 2), "another note"), bit);
        assert_eq!(table.source(place(3, 4), "a form"), bit);
        assert_eq!(table.at(place(1, 2)).map(|origin| &*origin.note), Some("a form"));
        assert_eq!(table.at(place(9, 9)), None);
    }
}
