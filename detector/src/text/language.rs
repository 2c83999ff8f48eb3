//! Languages that programs write as strings: how they quote, and which characters keep a placeholder one piece.
//!
//! A language is data (`rules/languages/*.yaml`). A template is *closed* in a language where no hole can end the quote it
//! stands in, or be more than one piece where it stands bare, and all quotes end.

use regex::Regex;
use serde::Deserialize;
use thiserror::Error;

use super::{CharSet, Hole, LanguageSet, Origins, Part, Pattern, Template};

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
    shape: Option<Regex>,
    settled: Option<Regex>,
    recognised: Vec<Vec<String>>,
    pieces: Vec<Vec<String>>,
    value_words: Vec<String>,
    count_words: Vec<String>,
    name_words: Vec<String>,
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
            settled,
            recognised: file.recognised,
            pieces: file.pieces,
            value_words: file.value_words,
            count_words: file.count_words,
            name_words: file.name_words,
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
        // Text that nobody else has a say in and that opens nothing is closed everywhere.
        if let [Part::Hole(hole)] = template.0.as_slice()
            && hole.origins.is_none()
        {
            return LanguageSet::ALL;
        }
        (0..self.all.len()).fold(LanguageSet::NONE, |closed, index| {
            let (escaped, end) = self.walk(template, index, false);
            if escaped.is_none() && end == State::Bare { closed.union(LanguageSet::one(index)) } else { closed }
        })
    }

    /// The first hole through which an attacker can change what the template means in a language.
    pub fn injection(&self, template: &Template, language: usize) -> Option<Hole> {
        self.walk(template, language, true).0
    }

    /// Whether no attacker's part of a text can be more than one piece where the whole stands bare in a language.
    pub fn contains(&self, template: &Template, language: usize) -> bool {
        self.walk(template, language, false).0.is_none()
    }

    /// Whether the constant parts of a text show that it is of a language.
    pub fn is_of(&self, template: &Template, language: usize) -> bool {
        let Some(shape) = &self.all[language].shape else { return false };
        let mut text = String::new();
        for part in &template.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                // Stands for what is not known, and is in no shape.
                Part::Hole(_) => text.push('\0'),
            }
        }
        shape.is_match(&text)
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
    /// give the name of a table or a clause; values it should have had bound. Who sets an object up names its tables.
    pub fn with_known_structure(
        &self,
        template: &Template,
        index: usize,
        is_unseen: fn(Origins) -> bool,
        sets_up: fn(Origins) -> bool,
    ) -> Template {
        let language = &self.all[index];
        if language.value_words.is_empty() {
            return template.clone();
        }
        let alone = template.0.len() == 1;
        let (mut before, mut was_value, mut was_name) = (String::new(), false, false);
        let mut changed = template.clone();
        for at in 0..changed.0.len() {
            let is_compared = matches!(changed.0.get(at + 1), Some(Part::Literal(next)) if is_comparison(next));
            match &mut changed.0[at] {
                Part::Literal(text) => before.push_str(text),
                Part::Hole(hole) => {
                    let value = !alone && language.expects_value(&before, was_value);
                    let name = !alone && !value && (is_compared || language.expects_name(&before, was_name));
                    let known = is_unseen(hole.origins) && !value;
                    if known || name && sets_up(hole.origins.known()) {
                        hole.origins = Origins::NONE;
                    }
                    (was_value, was_name) = (value, name);
                    before.clear();
                }
            }
        }
        changed
    }

    /// A template in which nobody has a say but in values: what stands between quotes, or bare where a value stands, unless
    /// it counts rows or is one of these origins. In a piece, what stands between the quotes of values, the first of the
    /// language.
    pub fn with_values_only(&self, template: &Template, index: usize, numbers: Origins, piece: bool) -> Template {
        let language = &self.all[index];
        let mut state = State::Bare;
        let (mut before, mut was_value) = (String::new(), false);
        let mut changed = template.clone();
        for part in &mut changed.0 {
            match part {
                Part::Literal(text) => {
                    state = language.read(text, state).0;
                    before.push_str(text);
                }
                Part::Hole(hole) => {
                    let counts = language.count_words.contains(&trailing_word(before.trim_end()));
                    was_value = language.expects_value(&before, was_value) && !counts;
                    before.clear();
                    let meant = match state {
                        State::Quote(quote) => !piece || quote == 0,
                        _ => !piece && was_value && !hole.origins.is_within(numbers),
                    };
                    if !meant {
                        hole.origins = Origins::NONE;
                    }
                }
            }
        }
        changed
    }

    /// Whether the literal text of a template says that it is a piece of a text of a language.
    pub fn recognises_piece(&self, template: &Template, index: usize) -> bool {
        let language = &self.all[index];
        let words = words(template);
        language.pieces.iter().any(|wanted| is_said(&words, wanted))
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
                let forbids = if first { quote.forbids.union(quote.first_forbids) } else { quote.forbids };
                hole.number || hole.chars.difference(harmless).intersection(forbids).is_empty()
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

    /// Whether the name of a table stands after a text.
    fn expects_name(&self, before: &str, was_name: bool) -> bool {
        let text = before.trim_end_matches(['"', '`', '[', ' ', '\n', '\t', '\r']);
        let dotted = || text.trim_start_matches(['"', '`', ']']) == ".";
        was_name && dotted() || self.name_words.contains(&trailing_word(text))
    }

    /// Where a text leads; whether it ends with the opening of a quote.
    fn read(&self, text: &str, mut state: State) -> (State, bool) {
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

/// Whether what comes next is compared with something, or is a part of it: the name of a column.
fn is_comparison(next: &str) -> bool {
    let text = next.trim_start_matches(['"', '`', ']', ' ']);
    text.starts_with(['=', '<', '>', '.']) || text.starts_with("!=")
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
            let opens = words.is_empty() && char == '(';
            if !char.is_whitespace() && !opens {
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

/// Whether words come in an order; `+word` stands right after the one before, `!word` does not, `a|b` is either, `*` is any one.
fn is_said(words: &[String], wanted: &[String]) -> bool {
    let is = |word: &str, wanted: &str| wanted == "*" || wanted.split('|').any(|one| one == word);
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
        } else if let Some(next) = wanted.strip_prefix('+').or((wanted == "*").then_some("*")) {
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
    let fits = quotes.iter().enumerate().filter(|(_, quote)| starts_with(rest, &quote.open));
    fits.max_by_key(|(_, quote)| quote.open.len()).map(|(i, _)| i)
}

/// Keywords that open or close something have no case.
fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(start))
}
