//! Where values come from that somebody else has a say in.
//!
//! A set of origins is 128 bits, and there may be more origins than that. A bit stands for a *kind of place*, not for one
//! place: the n-th parameter of any function, or a source of the library. Parameters of one function have bits of their
//! own, sources never share one with a parameter, and how many functions a program has makes no difference.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;

use crate::ssa::{FunctionId, ValueId};
use crate::text::Origins;
use real_detector_api::OriginKind;

/// First bit and number of bits of each range: parameters by position, sources by note. Those beyond share the last bit of
/// theirs. [`Origins::UNKNOWN`] is behind the last range, and one bit is left over.
type Range = (usize, usize);
const PARAMETERS: Range = (0, 32);
/// What whoever makes an object configures it with.
const SETTINGS: Range = (32, 24);
/// Sources that are in the hands of whoever starts or calls the program.
const CALLERS: Range = (56, 8);
const HANDLERS: Range = (64, 16);
const SOURCES: Range = (80, 46);
/// What whoever calls the program's functions chooses, as bits.
const CALLER: u128 = (1 << HANDLERS.0) - 1;

/// What a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::taint) enum Role {
    Function,
    Constructor,
    /// A function that answers requests.
    Handler,
}

/// Where somebody else's value comes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::taint) struct Origin {
    pub(in crate::taint) note: Rc<str>,
    /// The bit it is known by.
    pub(in crate::taint) bit: Origins,
}

/// All origins of a program.
#[derive(Debug, Default)]
pub(in crate::taint) struct OriginTable {
    places: HashMap<(FunctionId, ValueId), Origin>,
    /// Values that come from what the program does not show, with why.
    unknown: HashMap<(FunctionId, ValueId), Rc<str>>,
    sources: HashMap<Rc<str>, usize>,
    callers: HashMap<Rc<str>, usize>,
}

fn bit((first, count): Range, index: usize) -> Origins {
    Origins::one(first + index.min(count - 1))
}

impl OriginTable {
    /// The object of a method that was cut out of its class.
    const OBJECT: Origins = Origins(1 << SETTINGS.0);

    /// The bit of a parameter that somebody outside chooses, by its position.
    pub(in crate::taint) fn parameter(
        &mut self,
        at: (FunctionId, ValueId),
        position: usize,
        role: Role,
        note: impl Fn() -> String,
    ) -> Origins {
        let range = match role {
            Role::Function => PARAMETERS,
            Role::Constructor => SETTINGS,
            Role::Handler => HANDLERS,
        };
        let make = || Origin { note: Rc::from(note()), bit: bit(range, position) };
        self.places.entry(at).or_insert_with(make).bit
    }

    /// The bit of any other value that somebody outside chooses.
    pub(in crate::taint) fn source(&mut self, at: (FunctionId, ValueId), note: &str, kind: OriginKind) -> Origins {
        let (range, known) = match kind {
            OriginKind::Unknown => {
                self.unknown.entry(at).or_insert_with(|| Rc::from(note));
                return Origins::UNKNOWN;
            }
            OriginKind::Caller => (CALLERS, &mut self.callers),
            OriginKind::Attacker => (SOURCES, &mut self.sources),
        };
        if let Some(known) = self.places.get(&at) {
            return known.bit;
        }
        let (next, note) = (known.len(), Rc::<str>::from(note));
        let bit = bit(range, *known.entry(note.clone()).or_insert(next));
        self.places.insert(at, Origin { note, bit });
        bit
    }

    /// The origin that a value is, where it is one that is known.
    pub(in crate::taint) fn at(&self, at: (FunctionId, ValueId)) -> Option<&Origin> {
        self.places.get(&at)
    }

    /// What is said of a value that is one of these origins.
    pub(in crate::taint) fn note(&self, at: (FunctionId, ValueId), origins: Origins) -> Option<Rc<str>> {
        let known = self.at(at).filter(|origin| !origin.bit.intersection(origins).is_none());
        let unknown = || self.unknown.get(&at).filter(|_| !origins.intersection(Origins::UNKNOWN).is_none());
        known.map(|origin| &origin.note).or_else(unknown).cloned()
    }

    /// Who chooses these values.
    pub(in crate::taint) fn kinds(origins: Origins) -> Vec<OriginKind> {
        let kinds = [
            (OriginKind::Attacker, !(CALLER | Origins::UNKNOWN.0)),
            (OriginKind::Caller, CALLER),
            (OriginKind::Unknown, Origins::UNKNOWN.0),
        ];
        kinds.into_iter().filter(|(_, bits)| origins.0 & bits != 0).map(|(kind, _)| kind).collect()
    }

    /// Whether whoever calls the program's functions chooses all of these.
    pub(in crate::taint) fn are_parameters(origins: Origins) -> bool {
        origins.is_within(Origins(CALLER))
    }

    /// Whether these are how the program is set up: parameters of constructors, the command line, the environment.
    pub(in crate::taint) fn are_configured(origins: Origins) -> bool {
        let bits = |(first, count): Range| ((1 << count) - 1) << first;
        origins.is_within(Origins(bits(SETTINGS) | bits(CALLERS)))
    }

    /// Whether the program shows of none of these who chooses them.
    pub(in crate::taint) fn are_unknown(origins: Origins) -> bool {
        origins == Origins::UNKNOWN
    }

    /// The same, or what the object of a method holds that was cut out of its class.
    pub(in crate::taint) fn are_unseen(origins: Origins) -> bool {
        !origins.is_none() && origins.is_within(Origins::UNKNOWN.union(Self::OBJECT))
    }

    /// Whether something that the program does not show made these, out of what whoever calls the program's functions chose.
    pub(in crate::taint) fn are_of_helpers(origins: Origins) -> bool {
        !origins.intersection(Origins::UNKNOWN.union(Self::OBJECT)).is_none() && Self::are_parameters(origins.known())
    }

    /// Whether these are all parameters of constructors.
    pub(in crate::taint) fn are_settings(origins: Origins) -> bool {
        let (first, count) = SETTINGS;
        origins.is_within(Origins(((1 << count) - 1) << first))
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
            let first = table.parameter(place(function, 0), 0, Role::Function, || "first".to_owned());
            let second = table.parameter(place(function, 1), 1, Role::Function, || "second".to_owned());
            let source = table.source(place(function, 2), &format!("source {function}"), OriginKind::Attacker);
            assert!(first.intersection(second).is_none() && second.intersection(source).is_none());
            assert!(OriginTable::are_parameters(first.union(second)));
            assert!(!OriginTable::are_parameters(source));
        }
    }

    #[test]
    fn a_set_of_origins_says_who_chooses() {
        let mut table = OriginTable::default();
        let caller = table.parameter(place(1, 0), 40, Role::Function, String::new);
        let setting = table.parameter(place(2, 0), 1, Role::Constructor, String::new);
        let handler = table.parameter(place(3, 0), 0, Role::Handler, String::new);
        let unknown = table.source(place(1, 0), "a call", OriginKind::Unknown);
        let all = [
            (caller, OriginKind::Caller),
            (setting, OriginKind::Caller),
            (handler, OriginKind::Attacker),
            (unknown, OriginKind::Unknown),
        ];
        for (bit, kind) in all {
            assert_eq!(OriginTable::kinds(bit), [kind]);
            assert_eq!(OriginTable::are_settings(bit), bit == setting);
        }
        assert_eq!(OriginTable::kinds(caller.union(handler).union(unknown)).len(), 3);
        assert_eq!(table.note(place(1, 0), unknown).as_deref(), Some("a call"));
    }

    #[test]
    fn the_same_place_is_the_same_origin() {
        let mut table = OriginTable::default();
        let bit = table.source(place(1, 2), "a form", OriginKind::Attacker);
        assert_eq!(table.source(place(1, 2), "another note", OriginKind::Attacker), bit);
        assert_eq!(table.source(place(3, 4), "a form", OriginKind::Attacker), bit);
        assert_eq!(table.at(place(1, 2)).map(|origin| &*origin.note), Some("a form"));
        assert_eq!(table.at(place(9, 9)), None);
    }
}
