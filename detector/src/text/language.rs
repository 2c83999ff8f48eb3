//! Languages that programs write as strings: how they quote, and which characters keep a placeholder one piece.
//!
//! A language is data (`rules/languages/*.yaml`). A template is *closed* in a language where no hole can end the quote it
//! stands in, or be more than one piece where it stands bare, and all quotes end.

use std::sync::Arc;

use regex::Regex;
use serde::Deserialize;
use thiserror::Error;

use super::{CharSet, Hole, LanguageSet, Part, Pattern, Template};

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
    /// Whether what a longer text begins with is chosen by whoever puts it together (the folder of a path).
    #[serde(default)]
    first_free: bool,
    /// Regular expression that finds something in the constant parts of a text that is of the language.
    #[serde(default)]
    shape: Option<String>,
    /// Regular expression of a beginning after which nothing that follows matters (the host of a URL, the folder of a path).
    #[serde(default)]
    settled: Option<String>,
    /// Words, in order, that say that a text is of this language; the first opens it. `=` is a word, `+word` stands
    /// right after the one before, `!word` does not, `a|b` is either, `*` is any one.
    #[serde(default)]
    recognised: Vec<Vec<String>>,
    /// The same for a piece of such a text; a placeholder is the empty word.
    #[serde(default)]
    pieces: Vec<Vec<String>>,
    /// Words after which a value stands; after any other word stands a name or a part of the structure.
    #[serde(default)]
    value_words: Vec<String>,
    /// Those of them after which a number of rows stands.
    #[serde(default)]
    count_words: Vec<String>,
    /// Words right after which the name of a thing stands that whoever sets an object up chooses (a table).
    #[serde(default)]
    name_words: Vec<String>,
    /// Words after which a text of the language stands in parentheses.
    #[serde(default)]
    statement_words: Vec<String>,
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
    /// Character class of what must not stand in a placeholder that comes first.
    #[serde(default)]
    first_forbids: Option<String>,
}

/// A language in which text is executed.
#[derive(Debug)]
pub struct Language {
    /// Its name in rules.
    pub id: String,
    quotes: Vec<Quote>,
    comments: Vec<(String, String)>,
    /// Characters that a quote or comment may open with.
    openers: CharSet,
    bare: CharSet,
    command_first: bool,
    first_free: bool,
    pub(super) shape: Option<Regex>,
    pub(super) settled: Option<Regex>,
    /// Whether the empty text is such a beginning.
    settled_by_nothing: bool,
    pub(super) recognised: Vec<Vec<String>>,
    pub(super) pieces: Vec<Vec<String>>,
    pub(super) value_words: Vec<String>,
    pub(super) count_words: Vec<String>,
    pub(super) name_words: Vec<String>,
    pub(super) statement_words: Vec<String>,
}

#[derive(Debug)]
struct Quote {
    open: String,
    close: String,
    forbids: CharSet,
    first_forbids: CharSet,
    doubling: bool,
    backslash: bool,
}

/// A mistake in a language file.
#[derive(Debug, Error)]
pub enum LanguageError {
    /// Not the YAML that is expected.
    #[error("not a language: {0}")]
    Yaml(String),
    /// A regular expression that is none.
    #[error("language {0}: {1}")]
    Regex(String, regex::Error),
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
    /// Reads a language file, as YAML or JSON.
    ///
    /// # Errors
    /// Where the YAML has another form, or a class is not a character class.
    pub fn parse(yaml: &str) -> Result<Self, LanguageError> {
        let file: LanguageFile = if yaml.starts_with('{') {
            serde_json::from_str(yaml).map_err(|problem| LanguageError::Yaml(problem.to_string()))?
        } else {
            serde_saphyr::from_str(yaml).map_err(|problem| LanguageError::Yaml(problem.to_string()))?
        };
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
                    first_forbids: quote.first_forbids.as_deref().map_or(Ok(CharSet::NONE), class)?,
                    doubling: quote.doubling,
                    backslash: quote.backslash,
                })
            })
            .collect::<Result<_, LanguageError>>()?;
        let comments = file.comments.iter().map(|[open, close]| (open.clone(), close.clone())).collect();
        let regex = |text: Option<&str>| {
            let regex = text.map(Regex::new).transpose();
            regex.map_err(|problem| LanguageError::Regex(file.id.clone(), problem))
        };
        let (shape, settled) = (regex(file.shape.as_deref())?, regex(file.settled.as_deref())?);
        let opens = file.quotes.iter().map(|quote| &quote.open).chain(file.comments.iter().map(|[open, _]| open));
        let openers = opens.filter_map(|open| open.chars().next()).fold(CharSet::NONE, CharSet::with).any_case();
        Ok(Self {
            id: file.id,
            quotes,
            comments,
            openers,
            bare,
            command_first: file.command_first,
            first_free: file.first_free,
            shape,
            settled_by_nothing: settled.as_ref().is_some_and(|settled| settled.is_match("")),
            settled,
            recognised: file.recognised,
            pieces: file.pieces,
            value_words: file.value_words,
            count_words: file.count_words,
            name_words: file.name_words,
            statement_words: file.statement_words,
        })
    }
}

/// Where a template is after some of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Bare,
    Quote(usize),
    Comment(usize),
}

/// All languages.
#[derive(Clone, Debug, Default)]
pub struct Languages {
    pub(super) all: Arc<Vec<Language>>,
}

impl Languages {
    /// Makes a set of languages known.
    pub fn new(all: Vec<Language>) -> Self {
        Self { all: Arc::new(all) }
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
        if let [Part::Hole(hole)] = template.0.as_slice() {
            // Text that nobody else has a say in and that opens nothing is closed everywhere.
            if hole.origins.is_none() {
                return LanguageSet::ALL;
            }
            // As `walk` has it.
            let is_closed = |(index, language): &(usize, &Language)| {
                language.settled_by_nothing || language.holds(hole, *index, State::Bare, false)
            };
            let closed = self.all.iter().enumerate().filter(is_closed);
            return closed.fold(LanguageSet::NONE, |closed, (index, _)| closed.union(LanguageSet::one(index)));
        }
        (0..self.all.len()).fold(LanguageSet::NONE, |closed, index| {
            let (escaped, end) = self.walk(template, index, false);
            if escaped.is_none() && end == State::Bare { closed.union(LanguageSet::one(index)) } else { closed }
        })
    }

    /// The languages in which a hole has characters alone that may stand bare.
    pub fn bare(&self, hole: Hole) -> LanguageSet {
        let is_bare = |(_, language): &(usize, &Language)| hole.chars.within(language.bare);
        let bare = self.all.iter().enumerate().filter(is_bare);
        bare.fold(LanguageSet::NONE, |all, (index, _)| all.union(LanguageSet::one(index)))
    }

    /// The first hole through which an attacker can change what the template means in a language.
    pub fn injection(&self, template: &Template, language: usize) -> Option<Hole> {
        self.walk(template, language, true).0
    }

    /// Whether no attacker's part of a text can be more than one piece where the whole stands bare in a language.
    pub fn contains(&self, template: &Template, language: usize) -> bool {
        self.walk(template, language, false).0.is_none()
    }

    fn walk(&self, template: &Template, index: usize, program: bool) -> (Option<Hole>, State) {
        let language = &self.all[index];
        let mut state = State::Bare;
        let mut started = !program;
        let mut so_far = String::new();
        // Whether something stands between the opening of the quote and here.
        let mut fresh = false;
        for (i, part) in template.0.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    started |= !text.trim().is_empty();
                    let (next, opened_at_end) = language.read(text, state);
                    (state, fresh) = (next, opened_at_end);
                    if language.settled.is_some() {
                        so_far.push_str(text);
                    }
                }
                Part::Hole(hole) => {
                    if language.settled.as_ref().is_some_and(|settled| settled.is_match(&so_far)) {
                        continue;
                    }
                    if language.first_free && i == 0 && template.0.len() > 1 {
                        continue;
                    }
                    if language.settled.is_some() && i == 0 && hole.origins.is_none() {
                        // The program's own beginning settles it, whatever it is.
                        return (None, state);
                    }
                    let chosen = language.command_first && !started;
                    started = true;
                    let first = std::mem::take(&mut fresh);
                    if !hole.origins.is_none()
                        && (chosen && !hole.number && !hole.closed.has(index)
                            || !language.holds(hole, index, state, first))
                    {
                        return (Some(*hole), state);
                    }
                    if language.settled.is_some() {
                        so_far.push('\0');
                    }
                }
            }
        }
        (None, state)
    }
}

impl Language {
    fn holds(&self, hole: &Hole, index: usize, state: State, first: bool) -> bool {
        match state {
            State::Bare => hole.closed.has(index) || hole.number || hole.chars.within(self.bare),
            State::Quote(quote) => {
                let quote = &self.quotes[quote];
                let harmless = if quote.doubling { hole.doubled } else { CharSet::NONE };
                // Of what begins with the right scheme the rest may have any.
                let scheme = if hole.led { CharSet::of(":") } else { CharSet::NONE };
                let at_first = if first { quote.first_forbids.difference(scheme) } else { CharSet::NONE };
                let forbids = quote.forbids.union(at_first);
                hole.number || hole.chars.difference(harmless).intersection(forbids).is_empty()
            }
            State::Comment(comment) => {
                let end = CharSet::of(self.comments[comment].1.get(..1).unwrap_or(""));
                hole.number || hole.chars.intersection(end).is_empty()
            }
        }
    }

    /// Where a text leads; whether it ends with the opening of a quote.
    pub(super) fn read(&self, text: &str, mut state: State) -> (State, bool) {
        let mut rest = text;
        let mut opened = false;
        while let Some(char) = rest.chars().next() {
            let mut step = char.len_utf8();
            opened = false;
            match state {
                // Most of a text opens nothing.
                State::Bare if !self.openers.has(char) => {
                    step = rest.find(|char| self.openers.has(char)).unwrap_or(rest.len());
                }
                State::Bare => {
                    if let Some(i) = self.comments.iter().position(|(open, _)| rest.starts_with(open.as_str())) {
                        step = self.comments[i].0.len();
                        state = State::Comment(i);
                    } else if let Some(i) = longest(&self.quotes, rest) {
                        step = self.quotes[i].open.len();
                        state = State::Quote(i);
                        opened = true;
                    }
                }
                State::Quote(i) => {
                    let quote = &self.quotes[i];
                    if quote.backslash && char == '\\' {
                        step += rest[step..].chars().next().map_or(0, char::len_utf8);
                    } else if starts_with(rest, &quote.close) {
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
        (state, opened)
    }
}

fn longest(quotes: &[Quote], rest: &str) -> Option<usize> {
    let fits = quotes.iter().enumerate().filter(|(_, quote)| starts_with(rest, &quote.open));
    fits.max_by_key(|(_, quote)| quote.open.len()).map(|(i, _)| i)
}

/// Keywords that open or close something have no case.
fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start))
}
