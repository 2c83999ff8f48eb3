//! `str.format`, as Python has it (<https://docs.python.org/3/library/string.html#format-string-syntax>).

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::printf::{WIDEST, closing, fixed, general, real, scientific, whole};
use super::repr::{repr, text};

/// Where fields that are named come from.
pub(super) enum Fields<'a> {
    /// Arguments by name.
    Named(&'a Kwargs),
    /// Entries of a mapping.
    Mapped(&'a Value),
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

/// A text with its fields filled in.
///
/// # Errors
/// As Python's: a field that is not there, or whose value cannot be written so.
pub(super) fn formatted(template: &str, given: &[Value], fields: &Fields<'_>) -> Result<String, Error> {
    filled(template, given, fields, &mut 0, 2)
}

/// Fields may stand within a field's own format, `depth` deep.
fn filled(template: &str, given: &[Value], fields: &Fields<'_>, next: &mut usize, depth: u8) -> Result<String, Error> {
    if depth == 0 && template.contains('{') {
        return Err(wrong("Max string recursion exceeded"));
    }
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let mark = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(mark) {
            out.push_str(mark);
            rest = after;
            continue;
        }
        if mark == "}" {
            return Err(wrong("Single '}' encountered in format string"));
        }
        let end = closing(rest, ('{', '}')).ok_or_else(|| wrong("expected '}' before end of string"))?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (place, spec) = match field.find([':', '!']) {
            Some(at) => field.split_at(at),
            None => (field, ""),
        };
        let value = value_of(place, given, fields, next)?;
        let (value, spec) = match spec.strip_prefix('!') {
            None => (value, spec.strip_prefix(':').unwrap_or("")),
            Some(spec) => {
                let mut characters = spec.chars();
                let value = match characters.next() {
                    Some('s') => text(&value),
                    Some('r' | 'a') => repr(&value),
                    _ => return Err(wrong("a conversion is s, r or a")),
                };
                let spec = characters.as_str();
                let spec = if spec.is_empty() { Some("") } else { spec.strip_prefix(':') };
                (Value::from(value), spec.ok_or_else(|| wrong("expected ':' after conversion specifier"))?)
            }
        };
        let spec = filled(spec, given, fields, next, depth.saturating_sub(1))?;
        out.push_str(&Spec::read(&spec)?.written(&value)?);
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of a field: a number, a name or nothing, with attributes and items.
fn value_of(place: &str, given: &[Value], fields: &Fields<'_>, next: &mut usize) -> Result<Value, Error> {
    let (first, mut path) = place.split_at(place.find(['.', '[']).unwrap_or(place.len()));
    let number = if first.is_empty() {
        *next += 1;
        Some(*next - 1)
    } else {
        first.parse::<usize>().ok()
    };
    let mut value = match (number, fields) {
        (Some(number), _) => given.get(number).cloned(),
        (None, Fields::Named(named)) => named.get::<Option<Value>>(first)?,
        (None, Fields::Mapped(mapping)) => Some(mapping.get_item(&Value::from(first))?),
    }
    .filter(|value| !value.is_undefined())
    .ok_or_else(|| wrong(format!("there is no field '{first}' for str.format")))?;
    while !path.is_empty() {
        if let Some(after) = path.strip_prefix('[') {
            let (key, after) = after.split_once(']').ok_or_else(|| wrong("Missing ']' in format string"))?;
            let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
            value = value.get_item(&key)?;
            path = after;
        } else {
            let after = path.strip_prefix('.').ok_or_else(|| wrong("Only '.' or '[' may follow ']'"))?;
            let (name, after) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
            value = value.get_attr(name)?;
            path = after;
        }
    }
    Ok(value)
}

/// How a value is written.
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    other: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn read(text: &str) -> Result<Self, Error> {
        let mut rest = text;
        let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
        let mut characters = rest.chars();
        let (first, second) = (characters.next(), characters.next());
        let (mut fill, mut align) = (' ', None);
        if let (Some(first), Some(second)) = (first, second.filter(is_align)) {
            (fill, align) = (first, Some(second));
            rest = &rest[first.len_utf8() + 1..];
        } else if let Some(first) = first.filter(is_align) {
            align = Some(first);
            rest = &rest[1..];
        }
        let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-' | ' '));
        rest = &rest[usize::from(sign.is_some())..];
        let other = rest.starts_with('#');
        rest = rest.strip_prefix('#').unwrap_or(rest);
        if rest.starts_with('0') && align.is_none() {
            (fill, align) = ('0', Some('='));
        }
        let number = |rest: &mut &str| -> Result<Option<usize>, Error> {
            let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
            *rest = after;
            let read = digits.parse::<usize>().ok().filter(|number| *number <= WIDEST);
            if digits.is_empty() || read.is_some() {
                Ok(read)
            } else {
                Err(wrong(format!("a field is at most {WIDEST} characters wide")))
            }
        };
        let width = number(&mut rest)?.unwrap_or(0);
        let group = rest.chars().next().filter(|c| matches!(c, ',' | '_'));
        rest = &rest[usize::from(group.is_some())..];
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            precision = Some(number(&mut rest)?.ok_or_else(|| wrong("Format specifier missing precision"))?);
        }
        let mut characters = rest.chars();
        let kind = characters.next();
        if !characters.as_str().is_empty() {
            return Err(wrong(format!("Invalid format specifier '{text}'")));
        }
        Ok(Self { fill, align, sign: sign.unwrap_or('-'), other, width, group, precision, kind })
    }

    fn written(&self, value: &Value) -> Result<String, Error> {
        match value.kind() {
            ValueKind::Bool if matches!(self.kind, None | Some('s')) && self.width == 0 && self.precision.is_none() => {
                Ok(text(value))
            }
            ValueKind::Number | ValueKind::Bool => self.number(value),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            _ if self.is_plain() => Ok(text(value)),
            kind => Err(wrong(format!("unsupported format string passed to a value of type {kind}"))),
        }
    }

    fn is_plain(&self) -> bool {
        self.align.is_none()
            && self.width == 0
            && self.precision.is_none()
            && self.kind.is_none()
            && self.group.is_none()
    }

    fn text(&self, text: &str) -> Result<String, Error> {
        if !matches!(self.kind, None | Some('s'))
            || (self.align == Some('=') && self.fill != '0')
            || self.group.is_some()
        {
            return Err(wrong("a text is written with 's', and has no sign"));
        }
        let cut = self.precision.and_then(|most| text.char_indices().nth(most)).map_or(text, |(end, _)| &text[..end]);
        Ok(self.padded("", cut, '<'))
    }

    fn number(&self, value: &Value) -> Result<String, Error> {
        let refused = |kind: char| wrong(format!("Unknown format code '{kind}' for a value of type {}", value.kind()));
        let integer = whole(value);
        let size = integer.map(i128::unsigned_abs);
        let float = real(value).ok_or_else(|| wrong("no number"))?;
        let negative = integer.map_or(float.is_sign_negative() && !float.is_nan(), |integer| integer < 0);
        let with = |prefix: &'static str| if self.other { prefix } else { "" };
        let (prefix, digits) = match (self.kind, size) {
            (None | Some('d' | 'n'), Some(size)) => ("", self.grouped(&size.to_string(), 3)),
            (Some('b'), Some(size)) => (with("0b"), self.grouped(&format!("{size:b}"), 4)),
            (Some('o'), Some(size)) => (with("0o"), self.grouped(&format!("{size:o}"), 4)),
            (Some('x'), Some(size)) => (with("0x"), self.grouped(&format!("{size:x}"), 4)),
            (Some('X'), Some(size)) => (with("0X"), self.grouped(&format!("{size:X}"), 4)),
            (Some('c'), Some(size)) => {
                let character = u32::try_from(size).ok().and_then(char::from_u32).ok_or_else(|| refused('c'))?;
                return Ok(self.padded("", &character.to_string(), '<'));
            }
            (Some(kind @ ('b' | 'o' | 'x' | 'X' | 'c' | 'd')), None) => return Err(refused(kind)),
            (kind, _) => ("", self.float(kind, float.abs(), value).ok_or_else(|| refused(kind.unwrap_or('s')))?),
        };
        let sign = match self.sign {
            _ if negative => "-",
            '+' => "+",
            ' ' => " ",
            _ => "",
        };
        Ok(self.padded(&format!("{sign}{prefix}"), &digits, '>'))
    }

    fn float(&self, kind: Option<char>, float: f64, value: &Value) -> Option<String> {
        if !float.is_finite() {
            return Some(if float.is_nan() { "nan" } else { "inf" }.to_owned());
        }
        let precision = self.precision.unwrap_or(6);
        let digits = match kind {
            None if self.precision.is_none() => text(value).trim_start_matches('-').to_owned(),
            None => {
                let short = general(float, precision.max(1), self.other);
                if short.contains(['.', 'e']) { short } else { short + ".0" }
            }
            Some('f' | 'F') => fixed(float, precision, self.other),
            Some('e') => scientific(float, precision, self.other),
            Some('E') => scientific(float, precision, self.other).to_uppercase(),
            Some('g' | 'n') => general(float, precision.max(1), self.other),
            Some('G') => general(float, precision.max(1), self.other).to_uppercase(),
            Some('%') => fixed(float * 100.0, precision, self.other) + "%",
            Some(_) => return None,
        };
        Some(self.grouped(&digits, 3))
    }

    /// Puts marks between groups of the digits before the point.
    fn grouped(&self, digits: &str, size: usize) -> String {
        let Some(mark) = self.group else { return digits.to_owned() };
        let (whole, behind) = digits.split_at(digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len()));
        let mut out = String::with_capacity(digits.len() + digits.len() / size);
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(size) {
                out.push(mark);
            }
            out.push(digit);
        }
        out + behind
    }

    fn padded(&self, head: &str, text: &str, usual: char) -> String {
        let missing = self.width.saturating_sub(head.chars().count() + text.chars().count());
        let filling = |count: usize| std::iter::repeat_n(self.fill, count).collect::<String>();
        let align = match self.align {
            Some('=') if usual == '<' => '<',
            align => align.unwrap_or(usual),
        };
        match align {
            '<' => [head, text, &filling(missing)].concat(),
            '^' => [&*filling(missing / 2), head, text, &filling(missing - missing / 2)].concat(),
            '=' => [head, &filling(missing), text].concat(),
            _ => [&*filling(missing), head, text].concat(),
        }
    }
}
