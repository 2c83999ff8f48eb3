//! What is left of a value after a test of it.

use std::rc::Rc;

use super::value::{Items, Value, languages};
use crate::rules::Matching;
use crate::ssa::Declared;
use crate::text::{CharSet, Hole, Origins, Pattern, Text, leads};

/// A test made on a changed copy of a value.
#[derive(Clone, Copy, Default)]
pub(in crate::taint) struct View {
    /// Characters that the value may have beyond those of the copy (`strip`, `replace`).
    pub(in crate::taint) extra: CharSet,
    /// Whether the copy lost the case.
    pub(in crate::taint) case: bool,
}

impl View {
    pub(in crate::taint) fn widen(self, chars: CharSet) -> CharSet {
        let chars = if self.case { chars.any_case() } else { chars };
        chars.union(self.extra)
    }

    pub(in crate::taint) fn is_plain(self) -> bool {
        !self.case && self.extra.is_empty()
    }
}

/// A value all of whose elements are like `element`.
pub(in crate::taint) fn each(known: Value, element: &Value, view: View) -> Value {
    if element.is_none() {
        // No element has come through the body so far: nothing leaves the loop.
        return Value::default();
    }
    let chars = view.widen(element.to_hole().chars);
    let clean = element.origins().is_none();
    let mut known = narrowed(known, chars);
    // Elements of something that is elsewhere, and that nobody else has a say in.
    if clean && view.is_plain() && element.to_hole().chars == CharSet::ALL {
        known.text = known.text.map_holes(|hole| Hole { origins: Origins::NONE, ..hole });
    }
    if let (Some(items), true) = (&known.items, view.is_plain())
        && let Some(keys) = &items.keys
    {
        // The elements of a mapping are its keys; its values are what they were.
        let keys = Some(if clean { element.clone() } else { narrowed(keys.clone(), chars) });
        known.items = Some(Rc::new(Items { keys, ..(**items).clone() }));
    } else if let (Some(items), true) = (&known.items, view.is_plain()) {
        let any = if clean { element.clone() } else { narrowed(items.any.clone(), chars) };
        let entries = items
            .known
            .iter()
            .map(|(key, value)| (key.clone(), if clean { element.clone() } else { narrowed(value.clone(), chars) }));
        known.items =
            Some(Rc::new(Items { known: entries.collect(), any, keys: items.keys.clone(), size: items.size }));
    }
    known
}

/// A value that only has these characters.
pub(in crate::taint) fn narrowed(mut known: Value, chars: CharSet) -> Value {
    known.text = known.text.map_holes(|hole| Hole {
        chars: hole.chars.intersection(chars),
        doubled: hole.doubled.intersection(chars),
        ..hole
    });
    known
}

/// A value without these characters.
pub(in crate::taint) fn without(known: Value, chars: CharSet) -> Value {
    narrowed(known, CharSet::ALL.difference(chars))
}

/// A text whose beginning was found to be one that the program wants.
pub(in crate::taint) fn led(mut known: Value) -> Value {
    known.text = known.text.map_holes(Hole::led);
    known
}

/// A value that was found equal to another.
pub(in crate::taint) fn equal_to(known: Value, other: &Value, view: View) -> Value {
    if other.is_none() {
        return known;
    }
    if !other.origins().is_none() {
        // `x == basename(x)`: nothing is in it that is not in the other.
        let same = other.objects.is_empty() && other.items.is_none();
        return if same { narrowed(known, view.widen(other.to_hole().chars)) } else { known };
    }
    if view.is_plain() {
        return if other.text.is_none() { known } else { other.clone() };
    }
    narrowed(known, view.widen(other.to_hole().chars))
}

/// A value that was found in a container.
pub(in crate::taint) fn member_of(known: Value, container: &Value, view: View) -> Value {
    if !container.origins().is_none() {
        return known;
    }
    if let Some(items) = &container.items {
        let members = items.keys.as_ref().unwrap_or(&items.any);
        return if members.is_none() { known } else { equal_to(known, members, view) };
    }
    match container.text.collapse(languages()) {
        // A substring of a constant.
        Some(hole) if container.text.literals().is_some() => narrowed(known, view.widen(hole.chars)),
        _ if view.is_plain() => Value { text: Text::hole(Hole::any(Origins::NONE)), ..Value::default() },
        _ => known,
    }
}

/// A value that a regular expression matched, or did not.
pub(in crate::taint) fn matched(known: Value, pattern: &Pattern, matching: Matching, truth: bool, view: View) -> Value {
    let whole = match matching {
        Matching::Full => true,
        Matching::Start => pattern.ends_anchored(),
        Matching::Anywhere => pattern.starts_anchored() && pattern.ends_anchored(),
    };
    let starts = pattern.beginnings();
    let from_start = truth && (matching != Matching::Anywhere || pattern.starts_anchored());
    let is_led = from_start && !starts.is_empty() && starts.iter().all(|start| leads(start));
    let known = if is_led { led(known) } else { known };
    if truth && whole {
        // `$` lets one line feed at the very end pass. It carries nothing of an attacker's into any of the languages.
        return narrowed(known, view.widen(pattern.alphabet().any_case()));
    }
    if !truth && matching == Matching::Anywhere {
        return without(known, pattern.single_characters().difference(view.extra));
    }
    known
}

/// What somebody may give where an annotation is enforced.
pub(in crate::taint) fn enforce(declared: &Declared, origins: Origins) -> Value {
    let any = Value::any(origins);
    match declared {
        Declared::Anything => any,
        Declared::Made => Value::any(Origins::NONE),
        Declared::Matching(pattern) => match Pattern::of(pattern) {
            Some(pattern) => matched(any, &pattern, Matching::Anywhere, true, View::default()),
            None => any,
        },
    }
}
