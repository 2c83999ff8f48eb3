//! What is known about a run-time value.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::dataflow::{Lattice, Widening};
use crate::few::Few;
use crate::rules::registry;
use crate::ssa::{ClassId, FunctionId};
use crate::text::{Hole, Languages, Origins, Text};

/// Deepest containers in containers that are kept apart, and most entries of one.
const MAX_NESTING: usize = 4;
pub(in crate::taint) const MAX_ENTRIES: usize = 40;
/// Dots in the path of an object at the top of its kind.
const MAX_DOTS: usize = 4;
/// Most objects that are kept apart.
const MAX_OBJECTS: usize = 80;
/// Most values, forms and parts in a container with all that is in it; beyond that entries are not kept apart.
const MAX_WEIGHT: usize = 600;

/// What a value may be, beside a string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// Something from outside of the program, by dotted path: `os.system`, `sqlite3.Connection()`, `?.execute`.
    Path(Rc<str>),
    /// A function of the program.
    Function(FunctionId),
    /// A method of the program, with its receiver.
    Method(FunctionId),
    /// A class of the program.
    Class(ClassId),
    /// An instance of a class of the program.
    Instance(ClassId),
    /// `True` or `False`.
    Truth(bool),
    /// `None`.
    Nothing,
    /// This integer.
    Integer(i64),
}

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
}

/// What is known about a value. The least element is: no value comes here.
///
/// Height after [`Widening::Top`]: the 128 bits of the origins and [`MAX_OBJECTS`] + 1 objects, for the value itself, for its
/// entries and for its keys. The steps before are counted by [`crate::dataflow::Growth`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Its text, where it is a string or is turned into one.
    pub text: Text,
    /// What else it may be.
    pub objects: Few<Object>,
    /// Its contents, where it is a container.
    pub items: Option<Rc<Items>>,
}

/// The languages of the embedded rules.
pub(in crate::taint) fn languages() -> &'static Languages {
    static NONE: std::sync::OnceLock<Languages> = std::sync::OnceLock::new();
    match registry() {
        Ok(registry) => &registry.languages,
        Err(_) => NONE.get_or_init(Languages::default),
    }
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
            let index = match key {
                Some(Key::Index(i)) if *i < 0 => None,
                key => key,
            };
            found.join(index.and_then(|key| items.known.get(key)).unwrap_or(&items.any));
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
        if self.objects.is_empty() || self.items.is_some() {
            return (true, true);
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
    Hole { doubled: crate::text::CharSet::NONE, closed: crate::text::LanguageSet::NONE, ..hole }
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

    /// Whether a mapping has no entries but the known ones.
    pub(in crate::taint) fn is_complete(&self) -> bool {
        let keys = self.keys.as_ref().and_then(Value::as_keys);
        keys.is_some_and(|keys| keys.len() == self.known.len() && keys.iter().all(|key| self.known.contains_key(key)))
    }

    fn nesting(&self) -> usize {
        let of = |value: &Value| value.items.as_ref().map_or(0, |items| items.nesting());
        1 + of(&self.any).max(self.known.values().map(of).max().unwrap_or(0)).max(self.keys.as_ref().map_or(0, of))
    }

    fn join(&mut self, other: &Self) -> bool {
        let mut grew = false;
        let (own_complete, other_complete) = (self.is_complete(), other.is_complete());
        for (key, value) in &mut self.known {
            match other.known.get(key) {
                Some(more) => grew |= value.join(more),
                None if other_complete => {}
                None => grew |= value.join(&other.any),
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
        grew |= self.any.join(&other.any);
        match (&mut self.keys, &other.keys) {
            (Some(own), Some(other)) => grew |= own.join(other),
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
        let mut grew = self.text.join(&other.text, languages());
        let news: &[Object] = if self.objects.is_same(&other.objects) { &[] } else { &other.objects };
        if self.objects.is_empty() && news.len() < MAX_OBJECTS {
            grew |= !news.is_empty();
            self.objects = other.objects.clone();
        }
        for object in news {
            if self.objects.contains(object) {
                continue;
            }
            // Beyond that it may be anything.
            let object = if self.objects.len() < MAX_OBJECTS { object.clone() } else { Object::Path(Rc::from("?")) };
            grew |= self.objects.insert(object);
        }
        match (&mut self.items, &other.items) {
            (Some(own), Some(other)) if !Rc::ptr_eq(own, other) && own != other => {
                let mut joined = (**own).clone();
                if joined.join(other) {
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

    fn widen(&self, to: Widening) -> Self {
        let mut wide = self.clone();
        match to {
            Widening::Shape => {
                wide.text.collapse_all(languages());
                wide.items = self.items.as_ref().map(|items| {
                    let (any, keys) = (items.any.widen(to), items.keys.as_ref().map(|keys| keys.widen(to)));
                    Rc::new(Items { known: BTreeMap::new(), any, keys })
                });
            }
            Widening::Top => {
                if !self.text.is_none() {
                    wide.text = Text::hole(Hole::any(self.text.origins()));
                }
                wide.items = self.items.as_ref().map(|items| {
                    let keys = items.keys.as_ref().map(Self::flat);
                    Rc::new(Items { known: BTreeMap::new(), any: items.any.flat(), keys })
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
            self.objects.insert(Object::Path(Rc::from("?")));
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
