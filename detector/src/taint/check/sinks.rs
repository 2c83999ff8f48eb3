//! What a sink is about, and who can change what it does.

use crate::rules::{Condition, Part, Sink, Whose};
use crate::ssa::{Argument, Function, FunctionId, Op, ValueId, origin};
use crate::taint::domain::{Key, Value};
use crate::taint::frame::Arguments;
use crate::taint::store::{OriginTable, Solved};
use crate::text::{Origins, Part as TextPart, Template};
use real_detector_api::OriginKind;

/// Whether the values at a sink are of those that it is about.
pub(super) fn is_meant_from(
    sink: &Sink,
    (id, value): (FunctionId, ValueId),
    origins: Origins,
    solved: &Solved<'_>,
) -> bool {
    let origins = origins.known();
    match sink.from {
        Whose::Anybody => true,
        Whose::Users => OriginTable::kinds(origins).contains(&OriginKind::Attacker),
        Whose::NotConstructors => !OriginTable::are_settings(origins),
        Whose::PartOrUser => {
            let own = whole_parameter(solved.program.function(id), value);
            let own = own.and_then(|own| solved.origins.at((id, own)));
            !OriginTable::are_parameters(origins) || !own.is_some_and(|own| origins.is_within(own.bit))
        }
    }
}

/// The parameter that a value is, or is a part of as it stands.
fn whole_parameter(function: &Function, value: ValueId) -> Option<ValueId> {
    let mut at = origin(&function.values, value);
    for _ in 0..16 {
        at = match function.op(at) {
            Op::Parameter(_) => return Some(at),
            Op::Attribute(object, _) | Op::Subscript(object, _) | Op::Element(object) | Op::Item(object, _) => *object,
            _ => return None,
        };
        at = origin(&function.values, at);
    }
    None
}

/// Whether keyword arguments may have these truth values.
pub(super) fn are_met(condition: &Condition, arguments: &[Argument], facts: &[Value]) -> bool {
    let arguments = Arguments::new(arguments, facts);
    condition.iter().all(|(name, wanted)| {
        match arguments.keyword(name) {
            // An absent keyword is false.
            None => !wanted,
            Some(given) => {
                let (may_hold, may_fail) = given.truth();
                if *wanted { may_hold } else { may_fail }
            }
        }
    })
}

/// Who can change what the sink does through an argument. What only executes is given whole statements by its callers.
pub(super) fn danger(sink: &Sink, value: &Value, solved: &Solved<'_>, only_executes: bool) -> Origins {
    if value.origins().is_none() && value.items.is_none() {
        return Origins::NONE;
    }
    let text = match (sink.part, &value.items) {
        (Part::Text | Part::LookedUp, _) => value.to_text(),
        (Part::FirstItem | Part::AfterDashC, None) => {
            // A text as a list is split by nobody: it is the program's name.
            if sink.part == Part::FirstItem { value.to_text() } else { return Origins::NONE }
        }
        (Part::FirstItem, Some(_)) => value.lookup(Some(&Key::Index(0))).to_text(),
        (Part::AfterDashC, Some(items)) => {
            let flag = items.known.iter().find(|(_, one)| matches!(one.text.as_literal(), Some("-c" | "/c")));
            match flag {
                Some((Key::Index(at), _)) => value.lookup(Some(&Key::Index(at + 1))).to_text(),
                _ => return Origins::NONE,
            }
        }
    };
    let Some(language) = sink.language else {
        return if value.is_number() { Origins::NONE } else { text.origins() };
    };
    let languages = &solved.registry.languages;
    text.templates()
        .iter()
        .filter(|template| !only_executes || !is_callers_own(template))
        .filter_map(|template| languages.injection(&languages.with_known_structure(template, language), language))
        .fold(Origins::NONE, |all, hole| all.union(hole.origins))
}

/// Whether a text is one that a caller gave, whole.
fn is_callers_own(template: &Template) -> bool {
    match template.0.as_slice() {
        [TextPart::Hole(hole)] => OriginTable::are_parameters(hole.origins),
        _ => false,
    }
}
