//! What is known about a run-time value.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::object::{MAX_OBJECTS, Object, SHAPE_OBJECTS, TOP_OBJECTS, UNKNOWN, covers_objects, join_objects};
use crate::dataflow::{Lattice, Widening};
use crate::few::Few;
use crate::text::{Hole, Languages, Origins, Text};

/// Deepest containers in containers that are kept apart, and most entries of one.
const MAX_NESTING: usize = 4;
pub(in crate::taint) const MAX_ENTRIES: usize = 40;

/// Dots in the path of an object at the top of its kind.
const MAX_DOTS: usize = 4;

/// Most values, forms and parts in a container with all that is in it; beyond that entries are not kept apart.
const MAX_WEIGHT: usize = 600;

/// A constant key of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Position in a list or tuple, or an integer key.
    Index(i64),
    /// A text key.
    Text(Rc<str>),
}

/// The contents of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// Entries whose keys are known.
    pub known: BTreeMap<Key, Value>,
    /// Join of all entries.
    pub any: Value,
    /// Join of the keys, of a mapping.
    pub keys: Option<Value>,
    /// How many entries a list has, where that is sure: then all are among the known ones.
    pub size: Option<usize>,
}

/// What is known about a value. The least element is: no value comes here.
///
/// Height after [`Widening::Top`]: the 128 bits of the origins and [`MAX_OBJECTS`] + 1 objects, of which at most [`TOP_OBJECTS`] are
/// not of the program, for the value itself, for its entries and for its keys. The steps before are counted by [`crate::dataflow::Growth`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Its text, where it is a string or is turned into one.
    pub text: Text,
    /// What else it may be.
    pub objects: Few<Object>,
    /// Its contents, where it is a container.
    pub items: Option<Rc<Items>>,
}

/// The embedded languages; none where they have a mistake, of which the rules tell.
pub(in crate::taint) fn languages() -> &'static Languages {
    static NONE: std::sync::OnceLock<Languages> = std::sync::OnceLock::new();
    crate::text::languages().unwrap_or_else(|_| NONE.get_or_init(Languages::default))
}

impl Value {
    /// Any string, from these origins.
    pub fn any(origins: Origins) -> Self {
        Self::hole(Hole::any(origins))
    }

    /// A number in whose size these origins have a say.
    pub fn number(origins: Origins) -> Self {
        Self::hole(Hole::number(origins))
    }

    /// A string of this kind.
    pub fn hole(hole: Hole) -> Self {
        Self { text: Text::hole(hole), ..Self::default() }
    }

    /// A string.
    pub fn text(text: Text) -> Self {
        Self { text, ..Self::default() }
    }

    /// An object.
    pub fn object(object: Object) -> Self {
        Self { objects: Few::one(object), ..Self::default() }
    }

    /// A list or set.
    pub fn list(any: Self) -> Self {
        Self::container(Items { any, ..Items::default() })
    }

    /// A container.
    pub fn container(mut items: Items) -> Self {
        if items.known.len() > MAX_ENTRIES || items.weight(MAX_WEIGHT) > MAX_WEIGHT {
            items.known.clear();
        }
        if items.size.is_some_and(|size| size != items.known.len()) {
            items.size = None;
        }
        if items.weight(MAX_WEIGHT) > MAX_WEIGHT {
            items.any = items.any.widen(Widening::Shape);
            items.keys = items.keys.map(|keys| keys.widen(Widening::Shape));
        }
        let mut value = Self { items: Some(Rc::new(items)), ..Self::default() };
        value.limit(MAX_NESTING);
        value
    }

    fn limit(&mut self, depth: usize) {
        let Some(items) = &self.items else { return };
        if depth == 0 {
            let origins = self.origins();
            self.items = None;
            self.text.join(&Text::hole(Hole::any(origins)), languages());
        } else if items.nesting() > depth {
            let mut items = (**items).clone();
            items.any.limit(depth - 1);
            items.known.values_mut().for_each(|value| value.limit(depth - 1));
            if let Some(keys) = &mut items.keys {
                keys.limit(depth - 1);
            }
            self.items = Some(Rc::new(items));
        }
    }

    /// Whether to join another value changes nothing. Where it is only found out by joining, it says no.
    fn covers(&self, other: &Self) -> bool {
        self.text.covers(&other.text)
            && covers_objects(&self.objects, &other.objects)
            && match (&self.items, &other.items) {
                (Some(own), Some(other)) => Rc::ptr_eq(own, other) || own.covers(other),
                (own, other) => own.is_some() || other.is_none(),
            }
    }

    /// Whether no value comes here.
    pub fn is_none(&self) -> bool {
        self.text.is_none() && self.objects.is_empty() && self.items.is_none()
    }

    /// Attackers that have a say in it or its contents.
    pub fn origins(&self) -> Origins {
        let mut origins = self.text.origins();
        if let Some(items) = &self.items {
            origins = origins.union(items.any.origins());
            if let Some(keys) = &items.keys {
                origins = origins.union(keys.origins());
            }
        }
        origins
    }

    /// It as a string.
    pub fn to_text(&self) -> Text {
        let mut text = self.text.clone();
        if self.items.is_some() || text.is_none() {
            text.join(&Text::hole(Hole::any(self.origins())), languages());
        }
        text
    }

    /// All it may be as a string, as one hole.
    pub fn to_hole(&self) -> Hole {
        self.to_text().collapse(languages()).unwrap_or(Hole::any(Origins::NONE))
    }

    /// Whether it can only be a number.
    pub fn is_number(&self) -> bool {
        self.items.is_none() && self.text.is_number()
    }

    /// What iteration gives.
    #[must_use]
    pub fn element(&self) -> Self {
        let mut element = Self::default();
        if let Some(items) = &self.items {
            element.join(items.keys.as_ref().unwrap_or(&items.any));
        }
        if let Some(hole) = self.text.collapse(languages()) {
            element.join(&Self::hole(Hole {
                closed: crate::text::LanguageSet::NONE,
                doubled: crate::text::CharSet::NONE,
                ..hole
            }));
        } else if self.items.is_none() {
            element.join(&Self::any(Origins::NONE));
        }
        element
    }

    /// `value[key]`
    #[must_use]
    pub fn lookup(&self, key: Option<&Key>) -> Self {
        let mut found = Self::default();
        if let Some(items) = &self.items {
            let index = key.and_then(|key| items.place(key));
            found.join(index.and_then(|key| items.known.get(&key)).unwrap_or(&items.any));
        }
        if let Some(hole) = self.text.collapse(languages()) {
            let hole = if hole.chars == crate::text::CharSet::ALL { Hole::any(hole.origins) } else { part(hole) };
            found.join(&Self::hole(hole));
        } else if self.items.is_none() {
            found.join(&Self::any(Origins::NONE));
        }
        found
    }

    /// The constant keys that it may be; none where it may be something else.
    pub fn as_keys(&self) -> Option<Vec<Key>> {
        let mut keys: Vec<Key> = vec![];
        for object in &self.objects {
            match object {
                Object::Integer(i) => keys.push(Key::Index(*i)),
                _ => return None,
            }
        }
        if !keys.is_empty() {
            return Some(keys);
        }
        Some(self.text.literals()?.into_iter().map(|text| Key::Text(Rc::from(text))).collect())
    }

    /// Which truth it can have: (may be true, may be false).
    pub fn truth(&self) -> (bool, bool) {
        if let Some(items) = &self.items {
            // A container that nothing was put into.
            let empty = self.objects.is_empty() && self.text.is_none() && items.any.is_none() && items.known.is_empty();
            return (!empty, true);
        }
        if self.objects.is_empty() {
            let texts = self.text.literals().filter(|texts| !texts.is_empty());
            return texts.map_or((true, true), |texts| {
                (texts.iter().any(|text| !text.is_empty()), texts.iter().any(|text| text.is_empty()))
            });
        }
        self.objects.iter().fold((false, false), |(yes, no), object| match object {
            Object::Truth(true) => (true, no),
            Object::Truth(false) | Object::Nothing => (yes, true),
            Object::Integer(i) => (yes || *i != 0, no || *i == 0),
            _ => (true, true),
        })
    }

    /// Paths of the outside objects that it may be.
    pub fn paths(&self) -> impl Iterator<Item = &Rc<str>> {
        self.objects.iter().filter_map(|object| match object {
            Object::Path(path) => Some(path),
            _ => None,
        })
    }
}

/// Some of the characters of a hole.
pub(in crate::taint) fn part(hole: Hole) -> Hole {
    Hole { doubled: crate::text::CharSet::NONE, closed: crate::text::LanguageSet::NONE, led: false, ..hole }
}

impl Items {
    /// Values, forms and parts, counted up to a little over `most`.
    fn weight(&self, most: usize) -> usize {
        let mut weight = 1;
        for value in std::iter::once(&self.any).chain(&self.keys).chain(self.known.values()) {
            if weight > most {
                break;
            }
            weight += 1 + value.text.weight() + value.objects.len();
            if let Some(items) = &value.items {
                weight += items.weight(most.saturating_sub(weight));
            }
        }
        weight
    }

    /// Where a key leads: from the end where it is negative, as far as one knows where that is.
    pub(in crate::taint) fn place(&self, key: &Key) -> Option<Key> {
        match key {
            Key::Index(i) if *i < 0 && self.keys.is_none() => {
                let at = i64::try_from(self.size?).ok()? + i;
                (at >= 0).then_some(Key::Index(at))
            }
            Key::Index(i) if *i < 0 => None,
            key => Some(key.clone()),
        }
    }

    /// A list of these entries and no others.
    pub(in crate::taint) fn listed(entries: Vec<Value>) -> Self {
        let mut items = Self { size: Some(entries.len()), ..Self::default() };
        for (at, entry) in entries.into_iter().enumerate() {
            items.any.join(&entry);
            items.known.insert(Key::Index(at as i64), entry);
        }
        items
    }

    /// The entries of a list that is known as a whole.
    pub(in crate::taint) fn entries(&self) -> Option<Vec<Value>> {
        let size = self.size.filter(|size| *size <= MAX_ENTRIES)?;
        (0..size).map(|at| self.known.get(&Key::Index(at as i64)).cloned()).collect()
    }

    /// Whether a mapping has no entries but the known ones.
    pub(in crate::taint) fn is_complete(&self) -> bool {
        let keys = self.keys.as_ref().and_then(Value::as_keys);
        keys.is_some_and(|keys| keys.len() == self.known.len() && keys.iter().all(|key| self.known.contains_key(key)))
    }

    fn nesting(&self) -> usize {
        let of = |value: &Value| value.items.as_ref().map_or(0, |items| items.nesting());
        1 + of(&self.any).max(self.known.values().map(of).max().unwrap_or(0)).max(self.keys.as_ref().map_or(0, of))
    }

    /// Whether to join other contents changes nothing. Where it is only found out by joining, it says no.
    fn covers(&self, other: &Self) -> bool {
        let known = |key: &Key| self.known.contains_key(key);
        let sized = self.size.is_none() || self.size == other.size;
        if !sized || self.known.len() > MAX_ENTRIES || !other.known.keys().all(known) || !self.any.covers(&other.any) {
            return false;
        }
        let keys = match (&self.keys, &other.keys) {
            (Some(own), Some(other)) => own.covers(other),
            (own, other) => own.is_some() || other.is_none(),
        };
        let complete = self.known.len() > other.known.len() && other.is_complete();
        keys && self.known.iter().all(|(key, value)| match other.known.get(key) {
            Some(more) => value.covers(more),
            None => complete || value.covers(&other.any),
        })
    }

    fn join(&mut self, other: &Self, most: usize) -> bool {
        let mut grew = self.size != other.size && self.size.take().is_some();
        let (own_complete, other_complete) = (self.is_complete(), other.is_complete());
        for (key, value) in &mut self.known {
            match other.known.get(key) {
                Some(more) => grew |= value.join_up_to(more, most),
                None if other_complete => {}
                None => grew |= value.join_up_to(&other.any, most),
            }
        }
        for (key, value) in &other.known {
            if !self.known.contains_key(key) {
                let mut joined = if own_complete { Value::default() } else { self.any.clone() };
                joined.join(value);
                self.known.insert(key.clone(), joined);
                grew = true;
            }
        }
        if self.known.len() > MAX_ENTRIES {
            self.known.clear();
            grew = true;
        }
        grew |= self.any.join_up_to(&other.any, most);
        match (&mut self.keys, &other.keys) {
            (Some(own), Some(other)) => grew |= own.join_up_to(other, most),
            (None, Some(other)) => {
                self.keys = Some(other.clone());
                grew = true;
            }
            (_, None) => {}
        }
        grew
    }
}

impl Lattice for Value {
    fn join(&mut self, other: &Self) -> bool {
        self.join_up_to(other, MAX_OBJECTS)
    }

    fn join_within(&mut self, other: &Self, to: Widening) -> bool {
        self.join_up_to(other, if to == Widening::Top { TOP_OBJECTS } else { SHAPE_OBJECTS })
    }

    fn widen(&self, to: Widening) -> Self {
        let mut wide = self.clone();
        match to {
            Widening::Shape => {
                wide.text.collapse_all(languages());
                wide.items = self.items.as_ref().map(|items| {
                    let (any, keys) = (items.any.widen(to), items.keys.as_ref().map(|keys| keys.widen(to)));
                    Rc::new(Items { any, keys, ..Items::default() })
                });
            }
            Widening::Top => {
                if !self.text.is_none() {
                    wide.text = Text::hole(Hole::any(self.text.origins()));
                }
                wide.items = self.items.as_ref().map(|items| {
                    let keys = items.keys.as_ref().map(Self::flat);
                    Rc::new(Items { any: items.any.flat(), keys, ..Items::default() })
                });
                wide.forget_long_paths();
            }
        }
        wide
    }

    fn weight(&self) -> usize {
        // Contents are shared between values and counted for each: about what they take.
        let contents = self.items.as_ref().map_or(0, |items| 2 + items.any.text.weight() + 2 * items.known.len());
        1 + self.text.weight() + self.objects.len() / 4 + contents
    }
}

impl Value {
    /// The least upper bound, with at most so many objects that are not of the program.
    fn join_up_to(&mut self, other: &Self, most: usize) -> bool {
        if self.is_none() && other.objects.len() <= most {
            self.clone_from(other);
            return !other.is_none();
        }
        let mut grew = self.text.join(&other.text, languages());
        grew |= join_objects(&mut self.objects, &other.objects, most);
        match (&mut self.items, &other.items) {
            (Some(own), Some(other)) if !Rc::ptr_eq(own, other) && !own.covers(other) => {
                let mut joined = (**own).clone();
                if joined.join(other, most) {
                    let joined = Self::container(joined).items;
                    if let Some(joined) = joined.filter(|joined| joined != own) {
                        *own = joined;
                        grew = true;
                    }
                }
            }
            (None, Some(other)) => {
                self.items = Some(other.clone());
                grew = true;
            }
            _ => {}
        }
        grew
    }

    /// Any text of its origins, and its objects: what containers in containers come to.
    fn flat(&self) -> Self {
        let mut flat = Self::default();
        if !self.text.is_none() || self.items.is_some() {
            flat.text = Text::hole(Hole::any(self.origins()));
        }
        self.add_objects(&mut flat);
        flat
    }

    /// What a call of a call gave may be anything: else each round in which it is called makes another path.
    fn forget_long_paths(&mut self) {
        let is_long = |object: &Object| match object {
            Object::Path(path) => path.matches("()").nth(1).is_some() || path.matches('.').nth(MAX_DOTS).is_some(),
            _ => false,
        };
        if self.objects.iter().any(is_long) {
            self.objects.retain(|object| !is_long(object));
            self.objects.insert(Object::Path(Rc::from(UNKNOWN)));
        }
        if let Some(items) = &mut self.items {
            let items = Rc::make_mut(items);
            items.any.forget_long_paths();
            if let Some(keys) = &mut items.keys {
                keys.forget_long_paths();
            }
        }
    }

    fn add_objects(&self, to: &mut Self) {
        to.join(&Self { objects: self.objects.clone(), ..Self::default() });
        if let Some(items) = &self.items {
            std::iter::once(&items.any).chain(&items.keys).for_each(|inner| inner.add_objects(to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::Slot;
    use crate::ssa::FunctionId;

    fn growths(least: Option<Widening>, object: impl Fn(u32) -> Object) -> (usize, Value) {
        let mut slot = Slot::<Value>::default();
        let grew = (0..500).filter(|n| slot.join(&Value::object(object(*n)), least)).count();
        (grew, slot.get().clone())
    }

    fn path(n: u32) -> Object {
        Object::Path(Rc::from(format!("m.p{n}")))
    }

    #[test]
    fn a_set_that_is_full_may_be_anything_and_grows_no_more() {
        let mut value = Value::default();
        let joined = (0..500).filter(|n| value.join(&Value::object(path(*n)))).count();
        assert_eq!((joined, value.objects.len()), (MAX_OBJECTS + 1, MAX_OBJECTS + 1));
        assert!(value.objects.contains(&Object::Path(Rc::from(UNKNOWN))));
        assert!(!value.join(&Value::object(Object::Function(FunctionId(1)))));
    }

    #[test]
    fn at_the_top_few_objects_of_others_are_kept_apart_and_functions_of_the_program_all() {
        let (grew, value) = growths(Some(Widening::Top), path);
        assert_eq!((grew, value.objects.len()), (TOP_OBJECTS + 1, TOP_OBJECTS + 1));
        let (grew, value) = growths(None, path);
        assert!(grew <= 26 && value.objects.contains(&path(0)), "{grew}");
        let (_, value) =
            growths(Some(Widening::Top), |n| if n % 20 == 0 { Object::Function(FunctionId(n)) } else { path(n) });
        assert_eq!(value.objects.iter().filter(|one| one.is_own()).count(), 25);
    }

    #[test]
    fn what_a_value_covers_changes_nothing_when_it_is_joined() {
        let text = |text: &str| Value::text(Text::literal(text));
        let list = |known: &[(i64, &str)], any: &str, keys: Option<&str>| {
            let known = known.iter().map(|(at, entry)| (Key::Index(*at), text(entry))).collect();
            Value::container(Items { known, any: text(any), keys: keys.map(text), size: None })
        };
        let mut both = text("a");
        both.join(&Value::object(Object::Truth(true)));
        let all = [
            Value::default(),
            text("a"),
            text("b"),
            both,
            list(&[], "a", None),
            list(&[(0, "a")], "a", None),
            list(&[(0, "a"), (1, "b")], "b", None),
            list(&[(0, "a")], "a", Some("a")),
            list(&[], "b", Some("b")),
        ];
        let mut covered = 0;
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let mut joined = one.clone();
            let grew = joined.join(other);
            assert!(!one.covers(other) || !grew && joined == *one, "{one:?} {other:?}");
            covered += usize::from(one.covers(other));
            let mut twice = joined.clone();
            assert!(!twice.join(other) && twice == joined, "{one:?} {other:?}");
        }
        assert!(covered >= 2 * all.len(), "{covered}");
    }
}
