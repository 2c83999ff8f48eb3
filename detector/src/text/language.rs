//! Languages that programs write as strings: how they quote, and which characters keep a placeholder one piece.
//!
//! A language is data (`rules/languages/*.yaml`). A template is *closed* in a language where no hole can end the quote it
//! stands in, or be more than one piece where it stands bare, and all quotes end.

use serde::Deserialize;
use thiserror::Error;

use super::{CharSet, Hole, Origins, Part, Pattern, Template};

/// A set of languages, by index in [`Languages`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageSet(u32);

impl LanguageSet {
    /// No language.
    pub const NONE: Self = Self(0);
    /// Every language.
    pub const ALL: Self = Self(u32::MAX);

    /// The n-th language.
    pub fn one(index: usize) -> Self {
        Self(1 << index)
    }

    /// Languages of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Languages of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Languages of the first set only.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has the n-th language.
    pub fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }
}

/// A language file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    id: String,
    #[serde(default)]
    quotes: Vec<QuoteFile>,
    #[serde(default)]
    comments: Vec<[String; 2]>,
    /// Character class of what may stand bare.
    #[serde(default)]
    bare: Option<String>,
    /// Whether a program that starts with a placeholder lets the attacker choose the command.
    #[serde(default)]
    command_first: bool,
    /// Words, in order, that say that a text is of this language; the first opens it. `=` is a word, `+word` stands
    /// right after the one before, `!word` does not, `a|b` is either.
    #[serde(default)]
    recognised: Vec<Vec<String>>,
    /// Words after which a value stands; after any other word stands a name or a part of the structure.
    #[serde(default)]
    value_words: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteFile {
    open: String,
    close: String,
    /// Character class of what must not stand between.
    forbids: String,
    /// Whether the closing character stands for itself where it is doubled.
    #[serde(default)]
    doubling: bool,
    /// Whether a backslash takes the next character's meaning.
    #[serde(default)]
    backslash: bool,
}

/// A language in which text is executed.
#[derive(Debug)]
pub struct Language {
    /// Its name in rules.
    pub id: String,
    quotes: Vec<Quote>,
    comments: Vec<(String, String)>,
    bare: CharSet,
    command_first: bool,
    recognised: Vec<Vec<String>>,
    value_words: Vec<String>,
}

#[derive(Debug)]
struct Quote {
    open: String,
    close: String,
    forbids: CharSet,
    doubling: bool,
    backslash: bool,
}

/// A mistake in a language file.
#[derive(Debug, Error)]
pub enum LanguageError {
    /// Not the YAML that is expected.
    #[error("not a language: {0}")]
    Yaml(String),
    /// A character class that is none.
    #[error("language {language}: `{class}` is not a character class such as `[a-z]`")]
    Class {
        /// The language.
        language: String,
        /// What stands there.
        class: String,
    },
}

impl Language {
    /// Reads a language file.
    ///
    /// # Errors
    /// Where the YAML has another form, or a class is not a character class.
    pub fn parse(yaml: &str) -> Result<Self, LanguageError> {
        let file: LanguageFile =
            serde_saphyr::from_str(yaml).map_err(|problem| LanguageError::Yaml(problem.to_string()))?;
        let class = |text: &str| {
            Pattern::parse(text)
                .and_then(|pattern| pattern.single_class())
                .ok_or_else(|| LanguageError::Class { language: file.id.clone(), class: text.to_owned() })
        };
        let bare = file.bare.as_deref().map_or(Ok(CharSet::NONE), class)?;
        let quotes = file
            .quotes
            .iter()
            .map(|quote| {
                Ok(Quote {
                    open: quote.open.clone(),
                    close: quote.close.clone(),
                    forbids: class(&quote.forbids)?,
                    doubling: quote.doubling,
                    backslash: quote.backslash,
                })
            })
            .collect::<Result<_, LanguageError>>()?;
        let comments = file.comments.iter().map(|[open, close]| (open.clone(), close.clone())).collect();
        Ok(Self {
            id: file.id,
            quotes,
            comments,
            bare,
            command_first: file.command_first,
            recognised: file.recognised,
            value_words: file.value_words,
        })
    }
}

/// Where a template is after some of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Bare,
    Quote(usize),
    Comment(usize),
}

/// All languages.
#[derive(Debug, Default)]
pub struct Languages {
    all: Vec<Language>,
}

impl Languages {
    /// Makes a set of languages known.
    pub fn new(all: Vec<Language>) -> Self {
        Self { all }
    }

    /// The index of a language.
    pub fn index(&self, id: &str) -> Option<usize> {
        self.all.iter().position(|language| language.id == id)
    }

    /// Names of all languages.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|language| language.id.as_str())
    }

    /// The languages in which a template is one closed piece, taint or not.
    pub(super) fn closed(&self, template: &Template) -> LanguageSet {
        (0..self.all.len()).fold(LanguageSet::NONE, |closed, index| {
            let (escaped, end) = self.walk(template, index, false);
            if escaped.is_none() && end == State::Bare { closed.union(LanguageSet::one(index)) } else { closed }
        })
    }

    /// The first hole through which an attacker can change what the template means in a language.
    pub fn injection(&self, template: &Template, language: usize) -> Option<Hole> {
        self.walk(template, language, true).0
    }

    /// Whether the literal text of a template says that it is of a language.
    pub fn recognises(&self, template: &Template, index: usize) -> bool {
        let language = &self.all[index];
        if language.recognised.is_empty() || !matches!(template.0.first(), Some(Part::Literal(_))) {
            return false;
        }
        let words = words(template);
        language.recognised.iter().any(|wanted| is_said(&words, wanted))
    }

    /// A template in which nobody unknown has a say in names and structure. Code that the program does not show may well
    /// give the name of a table or a clause; values it should have had bound.
    pub fn with_known_structure(&self, template: &Template, index: usize) -> Template {
        let language = &self.all[index];
        if language.value_words.is_empty() {
            return template.clone();
        }
        let alone = template.0.len() == 1;
        let (mut before, mut was_value) = (String::new(), false);
        let mut changed = template.clone();
        for part in &mut changed.0 {
            match part {
                Part::Literal(text) => before.push_str(text),
                Part::Hole(hole) => {
                    let value = !alone && language.expects_value(&before, was_value);
                    if hole.origins == Origins::UNKNOWN && !value {
                        hole.origins = Origins::NONE;
                    }
                    was_value = value;
                    before.clear();
                }
            }
        }
        changed
    }

    fn walk(&self, template: &Template, index: usize, program: bool) -> (Option<Hole>, State) {
        let language = &self.all[index];
        let mut state = State::Bare;
        let mut started = !program;
        for part in &template.0 {
            match part {
                Part::Literal(text) => {
                    started |= !text.trim().is_empty();
                    state = language.read(text, state);
                }
                Part::Hole(hole) => {
                    let chosen = language.command_first && !started;
                    started = true;
                    if !hole.origins.is_none() && (chosen && !hole.number || !language.holds(hole, index, state)) {
                        return (Some(*hole), state);
                    }
                }
            }
        }
        (None, state)
    }
}

impl Language {
    fn holds(&self, hole: &Hole, index: usize, state: State) -> bool {
        match state {
            State::Bare => hole.closed.has(index) || hole.number || hole.chars.within(self.bare),
            State::Quote(quote) => {
                let quote = &self.quotes[quote];
                let harmless = if quote.doubling { hole.doubled } else { CharSet::NONE };
                hole.number || hole.chars.difference(harmless).intersection(quote.forbids).is_empty()
            }
            State::Comment(comment) => {
                let end = CharSet::of(self.comments[comment].1.get(..1).unwrap_or(""));
                hole.number || hole.chars.intersection(end).is_empty()
            }
        }
    }

    /// Whether a value stands after a text, rather than a name or a part of the structure.
    fn expects_value(&self, before: &str, was_value: bool) -> bool {
        let text = before.trim_end_matches(['"', '`', '[', '%', ' ', '\n', '\t', '\r']);
        match text.chars().last() {
            None | Some(',') => was_value,
            Some('.') => false,
            Some('(') => {
                let outer = text.trim_end_matches(['(', ' ', '\n', '\t', '\r']);
                self.value_words.contains(&trailing_word(outer)) || outer.ends_with(',')
            }
            Some(last) if last.is_alphanumeric() || last == '_' => self.value_words.contains(&trailing_word(text)),
            Some(_) => true,
        }
    }

    fn read(&self, text: &str, mut state: State) -> State {
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let mut step = char.len_utf8();
            match state {
                State::Bare => {
                    if let Some(i) = self.comments.iter().position(|(open, _)| rest.starts_with(open.as_str())) {
                        step = self.comments[i].0.len();
                        state = State::Comment(i);
                    } else if let Some(i) = longest(&self.quotes, rest) {
                        step = self.quotes[i].open.len();
                        state = State::Quote(i);
                    }
                }
                State::Quote(i) => {
                    let quote = &self.quotes[i];
                    if quote.backslash && char == '\\' {
                        step += rest[step..].chars().next().map_or(0, char::len_utf8);
                    } else if rest.starts_with(quote.close.as_str()) {
                        let after = &rest[quote.close.len()..];
                        step = quote.close.len();
                        if quote.doubling && after.starts_with(quote.close.as_str()) {
                            step *= 2;
                        } else {
                            state = State::Bare;
                        }
                    }
                }
                State::Comment(i) => {
                    let close = self.comments[i].1.as_str();
                    if rest.starts_with(close) {
                        step = close.len();
                        state = State::Bare;
                    }
                }
            }
            rest = &rest[step..];
        }
        state
    }
}

fn trailing_word(text: &str) -> String {
    let start = text.rfind(|char: char| !char.is_alphanumeric() && char != '_').map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default().to_lowercase()
}

/// Words that are looked at, at most.
const MAX_WORDS: usize = 400;

/// The words of a template in lower case, `=` and `,` among them; a hole is the empty word.
fn words(template: &Template) -> Vec<String> {
    let mut words = vec![];
    for part in &template.0 {
        let Part::Literal(text) = part else {
            words.push(String::new());
            continue;
        };
        let mut word = String::new();
        for char in text.chars() {
            if char.is_alphanumeric() || char == '_' || char == '-' {
                word.extend(char.to_lowercase());
                continue;
            }
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if !char.is_whitespace() && !(words.is_empty() && char == '(') {
                words.push(char.to_string());
            }
        }
        if !word.is_empty() {
            words.push(word);
        }
        if words.len() > MAX_WORDS {
            break;
        }
    }
    words
}

/// Whether words come in an order; `+word` stands right after the one before, `!word` does not, `a|b` is either.
fn is_said(words: &[String], wanted: &[String]) -> bool {
    let is = |word: &str, wanted: &str| wanted.split('|').any(|one| one == word);
    let Some((first, rest)) = wanted.split_first() else { return false };
    if !words.first().is_some_and(|word| is(word, first)) {
        return false;
    }
    let mut at = 1;
    for wanted in rest {
        if let Some(not) = wanted.strip_prefix('!') {
            if words.get(at).is_some_and(|word| is(word, not)) {
                return false;
            }
        } else if let Some(next) = wanted.strip_prefix('+') {
            if !words.get(at).is_some_and(|word| is(word, next)) {
                return false;
            }
            at += 1;
        } else {
            match words[at..].iter().position(|word| is(word, wanted)) {
                Some(found) => at += found + 1,
                None => return false,
            }
        }
    }
    true
}

fn longest(quotes: &[Quote], rest: &str) -> Option<usize> {
    let fits = quotes.iter().enumerate().filter(|(_, quote)| rest.starts_with(quote.open.as_str()));
    fits.max_by_key(|(_, quote)| quote.open.len()).map(|(i, _)| i)
}
