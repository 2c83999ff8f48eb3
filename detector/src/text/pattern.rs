//! What a regular expression of the program says about the strings it matches.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::OnceLock;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::CharSet;

/// How a regular expression is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// `re.fullmatch`
    Full,
    /// `re.match`
    Start,
    /// `re.search`
    Anywhere,
}

/// A parsed regular expression. Look-around and back-references are beyond it: such patterns say nothing.
#[derive(Clone, Debug)]
pub struct Pattern(Rc<Parsed>);

#[derive(Debug)]
struct Parsed {
    tree: Hir,
    alphabet: OnceCell<CharSet>,
    singles: OnceCell<CharSet>,
}

/// Patterns that a thread remembers, at most, and bytes of the longest.
const MAX_REMEMBERED: (usize, usize) = (256, 256);

impl Pattern {
    /// [`Self::parse`] of a program's pattern: the same are applied again and again, and classes like `\w` are long to make.
    pub fn of(text: &str) -> Option<Self> {
        thread_local! {
            static REMEMBERED: RefCell<FxHashMap<Box<str>, Option<Pattern>>> = RefCell::default();
        }
        if text.len() > MAX_REMEMBERED.1 {
            return Self::parse(text);
        }
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(known) = remembered.get(text) {
                return known.clone();
            }
            if remembered.len() >= MAX_REMEMBERED.0 {
                remembered.clear();
            }
            let pattern = Self::parse(text);
            remembered.insert(Box::from(text), pattern.clone());
            pattern
        })
    }

    /// Parses Python's syntax, where the Rust parser knows it too.
    pub fn parse(text: &str) -> Option<Self> {
        let tree = ParserBuilder::new().nest_limit(50).build().parse(&python_pattern(text)).ok()?;
        Some(Self(Rc::new(Parsed { tree, alphabet: OnceCell::new(), singles: OnceCell::new() })))
    }

    /// Characters that a match may have.
    pub fn alphabet(&self) -> CharSet {
        *self.0.alphabet.get_or_init(|| alphabet(&self.0.tree))
    }

    /// What every match begins with; nothing where there are too many of those.
    pub fn beginnings(&self) -> Vec<String> {
        let starts = Extractor::new().extract(&self.0.tree);
        let literals = starts.literals().unwrap_or_default();
        literals.iter().map(|one| String::from_utf8_lossy(one.as_bytes()).into_owned()).collect()
    }

    /// Whether every match begins where the string does.
    pub fn starts_anchored(&self) -> bool {
        edge(&self.0.tree, Look::Start, false)
    }

    /// Whether every match ends where the string does (`$` also before a last line feed).
    pub fn ends_anchored(&self) -> bool {
        edge(&self.0.tree, Look::End, true)
    }

    /// The characters of which each is a match on its own: where one occurs, the pattern finds something.
    pub fn single_characters(&self) -> CharSet {
        *self.0.singles.get_or_init(|| singles(&self.0.tree))
    }

    /// The class, where the pattern is nothing but one character class.
    pub fn single_class(&self) -> Option<CharSet> {
        match self.0.tree.kind() {
            HirKind::Class(class) => Some(class_set(class)),
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0).ok()?.chars().collect::<Vec<_>>()[..] {
                [one] => Some(CharSet::NONE.with(one)),
                _ => None,
            },
            HirKind::Empty => Some(CharSet::NONE),
            _ => None,
        }
    }
}

/// Python's syntax where the Rust parser has another.
pub(super) fn python_pattern(text: &str) -> String {
    text.replace("\\Z", "\\z")
}

fn class_set(class: &Class) -> CharSet {
    match class {
        Class::Unicode(unicode) => ascii_set(class).union(beyond_ascii(unicode)),
        Class::Bytes(_) => ascii_set(class),
    }
}

/// The ASCII characters of a class.
pub(super) fn ascii_set(class: &Class) -> CharSet {
    let mut set = CharSet::NONE;
    match class {
        Class::Unicode(class) => {
            for range in class.ranges().iter().take_while(|range| range.start().is_ascii()) {
                set = set.union(CharSet::range(range.start(), range.end().min('\x7f')));
            }
        }
        Class::Bytes(class) => {
            for range in class.ranges() {
                for byte in range.start()..=range.end().min(0x7f) {
                    set = set.with(char::from(byte));
                }
            }
        }
    }
    set
}

fn beyond_ascii(class: &ClassUnicode) -> CharSet {
    static NUMBERS: OnceLock<ClassUnicode> = OnceLock::new();
    let numbers =
        NUMBERS.get_or_init(|| match Pattern::parse(r"[\s\p{N}]").map(|pattern| pattern.0.tree.kind().clone()) {
            Some(HirKind::Class(Class::Unicode(class))) => class,
            _ => ClassUnicode::empty(),
        });
    let ascii = ClassUnicode::new([ClassUnicodeRange::new('\0', '\x7f')]);
    let (mut inside, mut outside) = (class.clone(), class.clone());
    inside.difference(&ascii);
    inside.intersect(numbers);
    outside.difference(&ascii);
    outside.difference(numbers);
    let some = |class: &ClassUnicode, set| if class.ranges().is_empty() { CharSet::NONE } else { set };
    some(&inside, CharSet::OTHER_NUMBERS).union(some(&outside, CharSet::OTHER_LETTERS))
}

fn alphabet(tree: &Hir) -> CharSet {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => CharSet::NONE,
        HirKind::Literal(literal) => CharSet::of(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => class_set(class),
        HirKind::Repetition(repetition) => alphabet(&repetition.sub),
        HirKind::Capture(capture) => alphabet(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(alphabet).fold(CharSet::NONE, CharSet::union)
        }
    }
}

fn edge(tree: &Hir, look: Look, last: bool) -> bool {
    match tree.kind() {
        HirKind::Look(own) => *own == look,
        HirKind::Capture(capture) => edge(&capture.sub, look, last),
        HirKind::Concat(parts) => {
            let part = if last { parts.last() } else { parts.first() };
            part.is_some_and(|part| edge(part, look, last))
        }
        HirKind::Alternation(parts) => parts.iter().all(|part| edge(part, look, last)),
        _ => false,
    }
}

fn singles(tree: &Hir) -> CharSet {
    match tree.kind() {
        HirKind::Class(class) => full_class(class),
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0);
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(one), None) if one.is_ascii() => CharSet::NONE.with(one),
                _ => CharSet::NONE,
            }
        }
        HirKind::Repetition(repetition) if repetition.min <= 1 => singles(&repetition.sub),
        HirKind::Capture(capture) => singles(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().map(singles).fold(CharSet::NONE, CharSet::union),
        _ => CharSet::NONE,
    }
}

/// Like [`class_set`], with the characters beyond ASCII only where the class has them all.
fn full_class(class: &Class) -> CharSet {
    let set = class_set(class);
    let all = match class {
        Class::Unicode(class) => {
            class.ranges().last().is_some_and(|range| range.end() == char::MAX && range.start() <= '\u{80}')
        }
        Class::Bytes(_) => false,
    };
    if all { set } else { set.difference(CharSet::OTHER) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect("parses")
    }

    #[test]
    fn anchors_are_seen_through_groups_and_alternatives() {
        assert!(pattern(r"^[a-z]+$").starts_anchored() && pattern(r"^[a-z]+$").ends_anchored());
        assert!(pattern(r"(^a$)|(^b$)").ends_anchored());
        assert!(!pattern(r"^a|b$").ends_anchored());
        assert!(pattern(r"\A\d+\Z").ends_anchored());
    }

    #[test]
    fn removal_knows_which_characters_cannot_survive() {
        let removed = pattern(r"[^a-z ]").single_characters();
        assert_eq!(CharSet::ALL.difference(removed), CharSet::range('a', 'z').with(' '));
        assert_eq!(pattern(r"(--|;|')").single_characters(), CharSet::of(";'"));
        assert_eq!(pattern(r"DROP|SELECT").single_characters(), CharSet::NONE);
        assert_eq!(pattern(r"\W+").single_characters().intersection(CharSet::of("'\" a_1")), CharSet::of("'\" "));
    }

    #[test]
    fn numbers_and_spaces_beyond_ascii_are_no_letters() {
        let class = |text| pattern(text).single_class().expect("a class");
        assert_eq!(class(r"[0-9\p{N}]"), CharSet::range('0', '9').union(CharSet::OTHER_NUMBERS));
        assert_eq!(class(r"\d"), CharSet::range('0', '9').union(CharSet::OTHER_NUMBERS));
        assert!(CharSet::OTHER_LETTERS.within(class(r"\w")));
        assert!(CharSet::OTHER_LETTERS.within(class(r"[^a-z]")));
    }
}
