//! The forms that a string may have, as a lattice.

use std::rc::Rc;

use smallvec::smallvec;

use super::charset::CharSet;
use super::hole::{Hole, LanguageSet, Origins, leads};
use super::language::Languages;
use super::template::{Part, Template};
use crate::few::Few;

/// Most templates a value is told apart in, parts a template has, bytes of literal text.
const MAX_TEMPLATES: usize = 12;
const MAX_PARTS: usize = 48;
const MAX_LITERAL: usize = 1 << 14;
/// Most parts of all templates of a value together, and bytes of literal text that is put together from pieces.
const MAX_WEIGHT: usize = 120;
const MAX_JOINED: usize = 1 << 12;

impl Template {
    fn is_long(&self) -> bool {
        let bytes = |part: &Part| if let Part::Literal(text) = part { text.len() } else { 0 };
        self.0.len() > MAX_PARTS || self.0.iter().map(bytes).sum::<usize>() > MAX_JOINED
    }

    /// All of it as one hole.
    fn collapse(&self, languages: &Languages) -> Hole {
        let mut all = Hole {
            chars: CharSet::NONE,
            doubled: CharSet::NONE,
            origins: Origins::NONE,
            closed: LanguageSet::ALL,
            number: !self.0.is_empty(),
            led: false,
        };
        for part in &self.0 {
            let hole = match part {
                Part::Literal(text) => Hole {
                    chars: CharSet::of(text),
                    doubled: CharSet::NONE,
                    origins: Origins::NONE,
                    closed: LanguageSet::NONE,
                    number: text.chars().all(|char| char.is_ascii_digit()),
                    led: false,
                },
                Part::Hole(hole) => *hole,
            };
            all = all.union(hole);
        }
        all.closed = languages.closed(self);
        all.led = match self.0.first() {
            Some(Part::Hole(first)) => first.led,
            Some(Part::Literal(first)) => leads(first),
            None => false,
        };
        all
    }
}

/// Most parts that forms begin with in common and that are kept where they are made one.
const MAX_KEPT: usize = 6;

/// Whether a character opens nothing in any language.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'.' | b',' | b'=' | b'*')
}

/// The forms a string may have: none where no string comes here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    templates: Few<Template>,
}

impl Text {
    /// Exactly this text.
    pub fn literal(text: &str) -> Self {
        if text.len() > MAX_LITERAL {
            let chars = CharSet::of(text);
            return Self::hole(Hole { chars, ..Hole::any(Origins::NONE) });
        }
        Self { templates: Few::one(Template::literal(text)) }
    }

    /// Some text.
    pub fn hole(hole: Hole) -> Self {
        Self { templates: Few::one(Template(smallvec![Part::Hole(hole)])) }
    }

    /// One form.
    pub fn from_template(template: Template) -> Self {
        Self { templates: Few::one(template) }
    }

    /// The forms.
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Whether no string comes here.
    pub fn is_none(&self) -> bool {
        self.templates.is_empty()
    }

    /// Whether it can only be the text of a number.
    pub fn is_number(&self) -> bool {
        let is_number = |part: &Part| match part {
            Part::Literal(text) => text.chars().all(|char| char.is_ascii_digit()),
            Part::Hole(hole) => hole.number,
        };
        !self.is_none() && self.templates.iter().all(|one| !one.0.is_empty() && one.0.iter().all(is_number))
    }

    /// How much memory it takes: its parts.
    pub fn weight(&self) -> usize {
        self.templates.iter().map(|template| template.0.len()).sum()
    }

    /// The literals it can be, where it has no holes.
    pub fn literals(&self) -> Option<Vec<&str>> {
        if self.is_none() { None } else { self.templates.iter().map(Template::as_literal).collect() }
    }

    /// The only literal it can be.
    pub fn as_literal(&self) -> Option<&str> {
        match &*self.templates {
            [one] => one.as_literal(),
            _ => None,
        }
    }

    /// Who has a say in it.
    pub fn origins(&self) -> Origins {
        self.holes().fold(Origins::NONE, |all, hole| all.union(hole.origins))
    }

    fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.templates.iter().flat_map(|template| &template.0).filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Literal(_) => None,
        })
    }

    /// All of it as one hole; none where no string comes here.
    pub fn collapse(&self, languages: &Languages) -> Option<Hole> {
        self.templates.iter().map(|template| template.collapse(languages)).reduce(Hole::union)
    }

    /// This text followed by another.
    #[must_use]
    pub fn concat(&self, other: &Self, languages: &Languages) -> Self {
        let (left, right) = if self.templates.len() * other.templates.len() > MAX_TEMPLATES {
            (self.squeezed(languages), other.squeezed(languages))
        } else {
            (self.clone(), other.clone())
        };
        let mut all = Self::default();
        for a in &left.templates {
            for b in &right.templates {
                let mut both = a.clone();
                both.append(b);
                if both.is_long() {
                    both = Template(smallvec![Part::Hole(both.collapse(languages))]);
                }
                all.add(both);
            }
        }
        all
    }

    fn squeezed(&self, languages: &Languages) -> Self {
        match self.collapse(languages) {
            Some(hole) if self.templates.len() > 1 => Self::hole(hole),
            _ => self.clone(),
        }
    }

    fn add(&mut self, template: Template) -> bool {
        self.templates.insert(template)
    }

    /// Maps every form.
    #[must_use]
    pub fn map(&self, mut change: impl FnMut(&Template) -> Template) -> Self {
        let mut all = Self::default();
        for template in &self.templates {
            all.add(change(template));
        }
        all
    }

    /// Maps holes; literals stay.
    #[must_use]
    pub fn map_holes(&self, change: impl Fn(Hole) -> Hole) -> Self {
        self.map(|template| {
            Template(
                template
                    .0
                    .iter()
                    .map(|part| match part {
                        Part::Hole(hole) => Part::Hole(change(*hole)),
                        literal @ Part::Literal(_) => literal.clone(),
                    })
                    .collect(),
            )
        })
    }

    /// Least upper bound; a limited number of forms is kept apart, more are joined to one hole.
    pub fn join(&mut self, other: &Self, languages: &Languages) -> bool {
        if self.is_none() {
            return self.templates.add_all(&other.templates);
        }
        let may_overflow =
            self.templates.len() + other.templates.len() > MAX_TEMPLATES || self.weight() + other.weight() > MAX_WEIGHT;
        let before = may_overflow.then(|| self.templates.clone());
        if !self.templates.add_all(&other.templates) {
            return false;
        }
        if let Some(before) = before
            && (self.templates.len() > MAX_TEMPLATES || self.weight() > MAX_WEIGHT)
        {
            self.collapse_all(languages);
            return before != self.templates;
        }
        true
    }

    /// Whether to join another text changes nothing. Where it is only found out by joining, it says no.
    pub fn covers(&self, other: &Self) -> bool {
        self.templates.has_all(&other.templates)
    }

    /// Makes one hole of all forms; what they all begin with stays, as far as it is words and placeholders between them.
    pub fn collapse_all(&mut self, languages: &Languages) {
        let kept = self.common_parts();
        if kept == 0 {
            return self.collapse_rest(languages);
        }
        let Some(first) = self.templates.first() else { return };
        let mut whole = Template(first.0[..kept].into());
        let mut rest = self.map(|template| Template(template.0[kept..].into()));
        rest.collapse_rest(languages);
        let [rest] = rest.templates() else { return self.collapse_rest(languages) };
        whole.append(rest);
        *self = Self::from_template(whole);
    }

    /// How many parts all forms begin with: words of constants, and what stands after them.
    fn common_parts(&self) -> usize {
        let Some((first, others)) = self.templates.split_first() else { return 0 };
        if !matches!(first.0.first(), Some(Part::Literal(_))) {
            return 0;
        }
        let is_kept = |(at, part): &(usize, &Part)| {
            let words = match part {
                Part::Literal(text) => text.bytes().all(is_plain),
                Part::Hole(_) => true,
            };
            words && others.iter().all(|other| other.0.get(*at) == Some(*part))
        };
        first.0.iter().enumerate().take(MAX_KEPT).take_while(is_kept).count()
    }

    fn collapse_rest(&mut self, languages: &Languages) {
        let start = self.common_start().to_owned();
        let rest = |template: &Template| match template.0.split_first() {
            Some((Part::Literal(first), rest)) if !start.is_empty() => {
                let left = &first[start.len()..];
                let left = (!left.is_empty()).then(|| Part::Literal(Rc::from(left)));
                Template(left.into_iter().chain(rest.iter().cloned()).collect())
            }
            _ => template.clone(),
        };
        let Some(hole) = self.map(rest).collapse(languages) else { return };
        let parts = [Part::Literal(Rc::from(&*start)), Part::Hole(hole)];
        *self = Self::from_template(Template(parts.into_iter().skip(usize::from(start.is_empty())).collect()));
    }

    /// Whole words that all forms begin with, before anything that opens a quote or more in any language.
    fn common_start(&self) -> &str {
        let literal = |template: &Template| match template.0.first() {
            Some(Part::Literal(text)) => Some(text.clone()),
            _ => None,
        };
        let Some(Part::Literal(first)) = self.templates.first().and_then(|template| template.0.first()) else {
            return "";
        };
        let mut size = first.len();
        for template in &self.templates {
            let Some(other) = literal(template) else { return "" };
            let common = first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
            size = size.min(common);
        }
        let size = first.bytes().take(size).take_while(|byte| is_plain(*byte)).count();
        let ends_word = |template: &Template| match template.0.as_slice() {
            [Part::Literal(text), ..] => text.len() == size || text.as_bytes()[size] == b' ',
            _ => false,
        };
        // All of it is ASCII: it may be cut anywhere.
        if self.templates.iter().all(ends_word) {
            return &first[..size];
        }
        first.get(..size).and_then(|start| start.rfind(' ').map(|at| &start[..=at])).unwrap_or("")
    }
}
