//! What the constant parts of a text say: which language it is of, and what stands at its holes.

use super::language::{Language, Languages, State};
use super::{Origins, Part, Template};

/// Words that are looked at, at most.
const MAX_WORDS: usize = 400;

impl Languages {
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
        hands_over: fn(Origins) -> bool,
    ) -> Template {
        let language = &self.all[index];
        if language.value_words.is_empty() {
            return template.clone();
        }
        let alone = template.0.len() == 1;
        let (mut before, mut was_value, mut was_name) = (String::new(), false, false);
        let mut changed = template.clone();
        for at in 0..changed.0.len() {
            let is_closed =
                matches!(changed.0.get(at + 1), Some(Part::Literal(next)) if next.trim_start().starts_with(')'));
            let is_compared = matches!(changed.0.get(at + 1), Some(Part::Literal(next)) if is_comparison(next));
            match &mut changed.0[at] {
                Part::Literal(text) => before.push_str(text),
                Part::Hole(hole) => {
                    let value = !alone && language.expects_value(&before, was_value);
                    let name = !alone && !value && (is_compared || language.expects_name(&before, was_name));
                    // Nothing but a whole statement makes sense there: who hands it over wrote it.
                    let statement = is_closed && language.expects_statement(&before);
                    let known = is_unseen(hole.origins) && !value || statement && hands_over(hole.origins.known());
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
}

impl Language {
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

    /// Whether a statement within another one stands after a text: `select count(*) from (`.
    fn expects_statement(&self, before: &str) -> bool {
        let text = before.trim_end();
        text.strip_suffix('(').is_some_and(|outer| self.statement_words.contains(&trailing_word(outer.trim_end())))
    }

    /// Whether the name of a table stands after a text.
    fn expects_name(&self, before: &str, was_name: bool) -> bool {
        let text = before.trim_end_matches(['"', '`', '[', ' ', '\n', '\t', '\r']);
        let dotted = || text.trim_start_matches(['"', '`', ']']) == ".";
        was_name && dotted() || self.name_words.contains(&trailing_word(text))
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
    let is = |word: &str, wanted: &str| {
        wanted == "*" || wanted.as_bytes().split(|byte| *byte == b'|').any(|one| one == word.as_bytes())
    };
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
