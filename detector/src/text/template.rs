//! Strings as templates: literal text with holes.

use std::rc::Rc;

use smallvec::{SmallVec, smallvec};

use super::hole::Hole;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Exactly this text.
    Literal(Rc<str>),
    /// Some text.
    Hole(Hole),
}

/// A sequence of parts; no two literals are neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template(pub SmallVec<[Part; 1]>);

impl Template {
    /// A template without holes.
    pub fn literal(text: &str) -> Self {
        Self(if text.is_empty() { smallvec![] } else { smallvec![Part::Literal(Rc::from(text))] })
    }

    /// Its text, where it has no holes.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, part: Part) {
        match (self.0.last_mut(), part) {
            (Some(Part::Literal(last)), Part::Literal(more)) => *last = Rc::from(format!("{last}{more}")),
            (_, part) => self.0.push(part),
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        other.0.iter().for_each(|part| self.push(part.clone()));
    }
}
