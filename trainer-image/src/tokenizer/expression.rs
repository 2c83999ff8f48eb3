//! Expressions of chat templates that mean something else to minijinja, rewritten to what it does:
//!
//! * `left % right` to `(left | modulo(right))`: text on the left is a format, as in Python;
//! * `value.name` to `(value | member('name'))` where `name` is a method of Python's that is not called: it is there, whatever a
//!   mapping has under that name; `value['name']` to `(value | item('name'))`, where the mapping's entry comes first;
//! * escapes in strings that minijinja reads in another way, or not at all.

use super::members::is_method;

/// An expression, or what stands in a statement's tag, in minijinja's dialect.
pub(super) fn rewritten(text: &str) -> String {
    let mut out = Rewriting::default();
    let mut rest = text;
    while !rest.is_empty() {
        let taken = out.take(rest);
        rest = &rest[taken..];
    }
    out.text
}

/// The parts of a list, without the blanks around them.
pub(super) fn listed(text: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with(',') {
            parts.push(&text[begin..at]);
            begin = at + 1;
        }
        let whole =
            string_length(here).or_else(|| here.starts_with(['(', '[', '{']).then(|| bracket_length(here)).flatten());
        at += whole.unwrap_or_else(|| here.chars().next().map_or(1, char::len_utf8));
    }
    parts.push(&text[begin..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// Whether an expression reads a variable.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let (mut at, mut after_point) = (0, false);
    while at < text.len() {
        let here = &text[at..];
        let word = word_length(here);
        if word > 0 && &here[..word] == name && !after_point {
            return true;
        }
        let first = here.chars().next().map_or(1, char::len_utf8);
        after_point = here.starts_with('.') || (after_point && here.trim_start().len() < here.len());
        at += string_length(here).unwrap_or_else(|| word.max(first));
    }
    false
}

/// What an operand follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
    /// A sign or an operator that binds as closely as `%` or closer: its other side is a part of what `%` is applied to.
    Close,
    /// Anything else.
    #[default]
    Loose,
}

#[derive(Default)]
struct Rewriting {
    text: String,
    /// Where the operand that was written last begins: a value with its attributes, items, calls and filters.
    operand: Option<usize>,
    before: Before,
    /// Whether the last token was a string, which another one may follow.
    after_string: bool,
}

impl Rewriting {
    /// Writes the token that a text begins with, and what belongs to it; how long that was.
    fn take(&mut self, text: &str) -> usize {
        let Some(first) = text.chars().next() else { return 0 };
        if let Some(length) = string_length(text) {
            self.begin_operand(self.after_string);
            self.text.push_str(&literal(&text[..length]));
            self.after_string = true;
            return length;
        }
        if first.is_whitespace() {
            self.text.push(first);
            return first.len_utf8();
        }
        self.after_string = false;
        let length = word_length(text);
        if length > 0 {
            let word = &text[..length];
            if is_operator(word) {
                self.operator(word, Before::Loose);
            } else {
                self.begin_operand(false);
                self.text.push_str(word);
            }
            return length;
        }
        match first {
            '(' | '[' | '{' => self.bracket(text),
            '.' => self.attribute(text),
            '|' => self.filter(text),
            '%' => self.modulo(text),
            '*' | '/' => {
                let length = text.len() - text.trim_start_matches(['*', '/']).len();
                self.operator(&text[..length], Before::Close);
                length
            }
            '-' | '+' if self.operand.is_none() => {
                self.operator(&text[..1], Before::Close);
                1
            }
            other => {
                let length = other.len_utf8();
                self.operator(&text[..length], Before::Loose);
                length
            }
        }
    }

    fn operator(&mut self, text: &str, before: Before) {
        self.text.push_str(text);
        self.operand = None;
        self.before = before;
    }

    /// What is written next is an operand, or belongs to the present one.
    fn begin_operand(&mut self, goes_on: bool) {
        if self.operand.is_some() && !goes_on {
            // Two operands beside each other: words of a statement.
            self.before = Before::Loose;
        }
        if !(goes_on && self.operand.is_some()) {
            self.operand = Some(self.text.len());
        }
    }

    fn bracket(&mut self, text: &str) -> usize {
        let Some(length) = bracket_length(text) else {
            self.operator(&text[..1], Before::Loose);
            return 1;
        };
        let is_postfix = self.operand.is_some() && !text.starts_with('{');
        let inside = text[1..length - 1].trim();
        if let Some(begin) = self.operand.filter(|_| text.starts_with('['))
            && string_length(inside) == Some(inside.len())
            && is_method(&inside[1..inside.len() - 1])
        {
            self.wrap(begin, &format!("item({inside})"));
            return length;
        }
        self.begin_operand(is_postfix);
        self.text.push_str(&text[..1]);
        self.text.push_str(&rewritten(&text[1..length - 1]));
        self.text.push_str(&text[length - 1..length]);
        length
    }

    fn attribute(&mut self, text: &str) -> usize {
        let name = text[1..].trim_start();
        let length = word_length(name);
        let whole = text.len() - name.len() + length;
        let name = &name[..length];
        let is_called = text[whole..].trim_start().starts_with('(');
        match self.operand {
            // A loop has what it has; its `index` is the most usual of all attributes.
            Some(begin) if is_method(name) && !is_called && self.text[begin..].trim() != "loop" => {
                self.wrap(begin, &format!("member('{name}')"));
            }
            _ => self.text.push_str(&text[..whole]),
        }
        whole
    }

    fn filter(&mut self, text: &str) -> usize {
        let name = text[1..].trim_start();
        let length = text.len() - name.len() + word_length(name);
        self.text.push_str(&text[..length]);
        length
    }

    fn modulo(&mut self, text: &str) -> usize {
        let right = text[1..].trim_start();
        match (self.operand, operand_length(right)) {
            (Some(begin), Some(length)) if self.before == Before::Loose => {
                let value = rewritten(&right[..length]);
                self.wrap(begin, &format!("modulo({value})"));
                text.len() - right.len() + length
            }
            _ => {
                self.operator("%", Before::Close);
                1
            }
        }
    }

    /// Puts the last operand through a filter.
    fn wrap(&mut self, begin: usize, filter: &str) {
        let operand = self.text.split_off(begin);
        self.text.extend(["(", operand.trim_end(), " | ", filter, ")"]);
    }
}

/// A string literal with those escapes written out that are Python's and not minijinja's.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next().unwrap_or('\\');
        rest = &rest[at + 1 + escape.len_utf8().min(rest.len() - at - 1)..];
        let of_code = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        match escape {
            'a' => out.push_str("\\x07"),
            'v' => out.push_str("\\x0b"),
            '/' => out.push_str("\\\\/"),
            '\n' => {}
            'U' => match rest.get(..8).and_then(of_code) {
                Some(c) => {
                    out.push(c);
                    rest = &rest[8..];
                }
                None => out.push_str("\\U"),
            },
            other => out.extend(['\\', other]),
        }
    }
    out + rest
}

/// Words between operands.
fn is_operator(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "is" | "if" | "else" | "for" | "set" | "elif" | "with" | "recursive")
}

/// Length of the operand that an expression begins with: one value with the attributes, items, calls and filters after it,
/// which all bind closer than `%`.
fn operand_length(text: &str) -> Option<usize> {
    let is_string = text.starts_with(['\'', '"']);
    let mut at = match text.chars().next()? {
        '(' | '[' | '{' => bracket_length(text)?,
        '\'' | '"' => string_length(text)?,
        '-' => return operand_length(&text[1..]).map(|length| length + 1),
        _ => Some(word_length(text)).filter(|length| *length > 0 && !is_operator(&text[..*length]))?,
    };
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let length = match rest.chars().next() {
            Some('(' | '[') => bracket_length(rest)?,
            Some('.' | '|') => {
                let word = rest[1..].trim_start();
                let length = word_length(word);
                if length == 0 {
                    return Some(at);
                }
                rest.len() - word.len() + length
            }
            Some('\'' | '"') if is_string => string_length(rest)?,
            Some('*') if rest.starts_with("**") => {
                let power = rest[2..].trim_start();
                return Some(at + blank + rest.len() - power.len() + operand_length(power)?);
            }
            _ => return Some(at),
        };
        at += blank + length;
    }
}

/// Length of the name or number that a text begins with.
fn word_length(text: &str) -> usize {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let mut last = ' ';
    let end = text.find(|c: char| {
        let inside = c.is_alphanumeric()
            || c == '_'
            || (is_number && (c == '.' || (matches!(c, '+' | '-') && matches!(last, 'e' | 'E'))));
        last = c;
        !inside
    });
    end.unwrap_or(text.len())
}

/// Length of the string literal that a text begins with, quotes included.
pub(super) fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Length up to the bracket that closes the one that a text begins with.
pub(super) fn bracket_length(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let here = &text[at..];
        if let Some(length) = string_length(here) {
            at += length;
            continue;
        }
        let c = here.chars().next()?;
        at += c.len_utf8();
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_percent_sign_may_be_a_format() {
        for (source, wanted) in [
            ("'%s' % x", "('%s' | modulo(x))"),
            ("f % x", "(f | modulo(x))"),
            ("'a' + '%s:%d' % (m['role'], 3) ~ b", "'a' + ('%s:%d' | modulo((m['role'], 3))) ~ b"),
            ("'%s' % m.content|trim", "('%s' | modulo(m.content|trim))"),
            ("'%s' % ('%d' % n)", "('%s' | modulo((('%d' | modulo(n)))))"),
            ("'%d%%' % -n.x(1)[2] + 1", "('%d%%' | modulo(-n.x(1)[2])) + 1"),
            ("(a ~ ' %s') % b.c % d", "(((a ~ ' %s') | modulo(b.c)) | modulo(d))"),
            ("if loop.index0 % 2 == 0", "if (loop.index0 | modulo(2)) == 0"),
            ("'a' 'b%s' % 1", "('a' 'b%s' | modulo(1))"),
        ] {
            assert_eq!(rewritten(source), wanted);
        }
    }

    #[test]
    fn numbers_in_a_product_and_what_is_no_expression_stay() {
        for same in ["2 * a % 3", "-a % 3", "2 ** a % b", "'\\'% s'", "'a' %", "% 2", "a % (b", "x['a'] - 1.5e-3"] {
            assert_eq!(rewritten(same), same);
        }
    }

    #[test]
    fn a_method_that_is_not_called_is_asked_for_by_name() {
        for (source, wanted) in [
            ("m.content.encode is defined", "(m.content | member('encode')) is defined"),
            ("a.items.b and not c[0].get", "((a | member('items')).b and not (c[0] | member('get'))"),
            ("f(x.keys | list)", "f((x | member('keys')) | list)"),
        ] {
            let wanted = wanted.replace("((a |", "(a |");
            assert_eq!(rewritten(source), wanted);
        }
        for same in ["m.items()", "m . get ('role')", "loop.index", "m.role", "'.items'", "1.5", "ns.last"] {
            assert_eq!(rewritten(same), same);
        }
    }
}
