//! `%` as Python has it: the remainder of numbers, and printf-style formatting of text
//! (<https://docs.python.org/3/library/stdtypes.html#printf-style-string-formatting>).

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::repr::{escape, repr, text};

/// Most characters of one conversion: a model's template has no use for more, and one that asks for more would take the memory.
pub(super) const WIDEST: usize = 1 << 20;

/// The filter `modulo`: `left % right`.
///
/// # Errors
/// As Python's: a remainder of what is no number or by 0, or a format that its arguments do not fit.
// By value, as filters are called; so below.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn modulo(left: Value, right: Value) -> Result<Value, Error> {
    match left.as_str() {
        Some(format) => percent(format, &right).map(Value::from),
        None => remainder(&left, &right),
    }
}

/// The filter `format`: what it is given by place or by name.
///
/// # Errors
/// As [`modulo`]; or both are given.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn format(text: &str, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let by_name: Vec<(String, Value)> =
        named.args().map(|name| Ok((name.to_owned(), named.get::<Value>(name)?))).collect::<Result<_, Error>>()?;
    match (given.is_empty(), by_name.is_empty()) {
        (false, false) => Err(wrong("can't handle positional and keyword arguments at the same time")),
        (true, false) => percent(text, &Value::from_pairs(by_name)),
        _ => percent(text, &Tuple::from(given.0).into()),
    }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let by = a.checked_rem(b).ok_or_else(|| wrong("integer modulo by zero"))?;
        // Of the sign of what it is divided by.
        return Ok(Value::from(if by != 0 && (by < 0) != (b < 0) { by + b } else { by }));
    }
    let (Some(a), Some(b)) = (real(left), real(right)) else {
        return Err(wrong(format!("unsupported operand type(s) for %: {} and {}", left.kind(), right.kind())));
    };
    if b == 0.0 {
        return Err(wrong("float modulo by zero"));
    }
    let by = a % b;
    Ok(Value::from(if by != 0.0 && (by < 0.0) != (b < 0.0) { by + b } else { by }))
}

/// What a format takes its values from.
struct Arguments<'a> {
    whole: &'a Value,
    /// The items of a tuple, or the one value that is none.
    listed: Vec<Value>,
    used: usize,
}

impl Arguments<'_> {
    fn next(&mut self) -> Result<Value, Error> {
        self.used += 1;
        self.listed.get(self.used - 1).cloned().ok_or_else(|| wrong("not enough arguments for format string"))
    }

    fn count(&mut self) -> Result<i64, Error> {
        let value = self.next()?;
        i64::try_from(value).map_err(|_| wrong("* wants int"))
    }
}

/// `format % values`.
pub(super) fn percent(format: &str, values: &Value) -> Result<String, Error> {
    let is_tuple = values.downcast_object_ref::<Tuple>().is_some();
    let listed =
        if is_tuple { values.try_iter()?.checked().collect::<Result<Vec<_>, _>>()? } else { vec![values.clone()] };
    // What has items by key need not be used up, which to Python is true of lists too.
    let has_keys = !is_tuple && matches!(values.kind(), ValueKind::Map | ValueKind::Seq);
    let mut arguments = Arguments { whole: values, listed, used: 0 };
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (conversion, after) = Conversion::read(&rest[at + 1..], &mut arguments, has_keys)?;
        conversion.write(&mut out, &mut arguments)?;
        rest = after;
    }
    out.push_str(rest);
    if arguments.used < arguments.listed.len() && !has_keys {
        return Err(wrong("not all arguments converted during string formatting"));
    }
    Ok(out)
}

/// What stands behind a `%`.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that a format may have")]
struct Conversion {
    value: Option<Value>,
    left: bool,
    plus: bool,
    blank: bool,
    other: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    kind: char,
}

impl Conversion {
    fn read<'a>(text: &'a str, arguments: &mut Arguments<'_>, has_keys: bool) -> Result<(Self, &'a str), Error> {
        let mut rest = text;
        let mut value = None;
        if let Some(named) = rest.strip_prefix('(') {
            let end = closing(named, ('(', ')')).ok_or_else(|| wrong("incomplete format key"))?;
            if !has_keys || arguments.whole.kind() != ValueKind::Map {
                return Err(wrong("format requires a mapping"));
            }
            let key = &named[..end];
            let found = arguments.whole.get_item(&Value::from(key))?;
            if found.is_undefined() {
                return Err(wrong(format!("KeyError: '{key}'")));
            }
            value = Some(found);
            rest = &named[end + 1..];
        }
        let flags = rest.len() - rest.trim_start_matches(['-', '+', ' ', '#', '0']).len();
        let has = |flag: char| rest[..flags].contains(flag);
        let (mut left, plus, blank, other, zeros) = (has('-'), has('+'), has(' '), has('#'), has('0'));
        rest = &rest[flags..];
        let width = amount(&mut rest, arguments)?.unwrap_or(0);
        left |= width < 0;
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            precision = Some(usize::try_from(amount(&mut rest, arguments)?.unwrap_or(0)).unwrap_or(0));
        }
        rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
        let kind = rest.chars().next().ok_or_else(|| wrong("incomplete format"))?;
        let width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        if width.max(precision.unwrap_or(0)) > WIDEST {
            return Err(wrong(format!("a conversion is at most {WIDEST} characters wide")));
        }
        Ok((Self { value, left, plus, blank, other, zeros, width, precision, kind }, &rest[kind.len_utf8()..]))
    }

    fn write(mut self, out: &mut String, arguments: &mut Arguments<'_>) -> Result<(), Error> {
        if self.kind == '%' {
            out.push('%');
            return Ok(());
        }
        let value = match self.value.take() {
            Some(value) => value,
            None => arguments.next()?,
        };
        match self.kind {
            's' => self.text(out, &text(&value)),
            'r' => self.text(out, &repr(&value)),
            'a' => self.text(out, &escaped(&repr(&value))),
            'c' => {
                let character = character(&value)?;
                self.precision = None;
                self.text(out, &character);
            }
            'd' | 'i' | 'u' => {
                let integer = truncated(&value).ok_or_else(|| self.refuses(&value))?;
                self.digits(out, integer < 0, "", &integer.unsigned_abs().to_string());
            }
            'o' | 'x' | 'X' => {
                let integer = whole(&value).ok_or_else(|| self.refuses(&value))?;
                let size = integer.unsigned_abs();
                let (prefix, digits) = match self.kind {
                    'o' => ("0o", format!("{size:o}")),
                    'x' => ("0x", format!("{size:x}")),
                    _ => ("0X", format!("{size:X}")),
                };
                self.digits(out, integer < 0, if self.other { prefix } else { "" }, &digits);
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let float = real(&value).ok_or_else(|| self.refuses(&value))?;
                let digits = self.float(float.abs());
                self.digits_as_they_are(out, float.is_sign_negative() && !float.is_nan(), "", &digits);
            }
            other => return Err(wrong(format!("unsupported format character '{other}'"))),
        }
        Ok(())
    }

    fn refuses(&self, value: &Value) -> Error {
        wrong(format!("%{} format: a number is required, not {}", self.kind, value.kind()))
    }

    fn text(&self, out: &mut String, text: &str) {
        let cut = self.precision.and_then(|most| text.char_indices().nth(most)).map_or(text, |(end, _)| &text[..end]);
        self.padded(out, "", cut, ' ');
    }

    fn digits(&self, out: &mut String, negative: bool, prefix: &str, digits: &str) {
        let missing = self.precision.unwrap_or(0).saturating_sub(digits.len());
        self.digits_as_they_are(out, negative, prefix, &("0".repeat(missing) + digits));
    }

    fn digits_as_they_are(&self, out: &mut String, negative: bool, prefix: &str, digits: &str) {
        let sign = match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        let head = format!("{sign}{prefix}");
        self.padded(out, &head, digits, if self.zeros && !self.left { '0' } else { ' ' });
    }

    fn padded(&self, out: &mut String, head: &str, text: &str, fill: char) {
        let missing = self.width.saturating_sub(head.chars().count() + text.chars().count());
        let filling = || std::iter::repeat_n(fill, missing);
        if fill == ' ' && !self.left {
            out.extend(filling());
        }
        out.push_str(head);
        if fill != ' ' && !self.left {
            out.extend(filling());
        }
        out.push_str(text);
        if self.left {
            out.extend(filling());
        }
    }

    /// Digits of what is not negative.
    fn float(&self, float: f64) -> String {
        let is_upper = self.kind.is_ascii_uppercase();
        let text = if float.is_nan() {
            "nan".to_owned()
        } else if float.is_infinite() {
            "inf".to_owned()
        } else {
            let precision = self.precision.unwrap_or(6);
            match self.kind.to_ascii_lowercase() {
                'f' => fixed(float, precision, self.other),
                'e' => scientific(float, precision, self.other),
                _ => general(float, precision.max(1), self.other),
            }
        };
        if is_upper { text.to_uppercase() } else { text }
    }
}

pub(super) fn fixed(float: f64, precision: usize, point: bool) -> String {
    let text = format!("{float:.precision$}");
    if point && precision == 0 { text + "." } else { text }
}

pub(super) fn scientific(float: f64, precision: usize, point: bool) -> String {
    let text = format!("{float:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}{}e{exponent:+03}", if point && precision == 0 { "." } else { "" })
}

pub(super) fn general(float: f64, precision: usize, keep: bool) -> String {
    let text = format!("{float:.*e}", precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let shortened = |text: String| {
        if keep || !text.contains('.') { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
    };
    match usize::try_from(precision as i64 - 1 - i64::from(exponent)) {
        Ok(behind) if exponent >= -4 => shortened(fixed(float, behind, keep)),
        _ => {
            let text = scientific(float, precision - 1, keep);
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
            format!("{}e{exponent}", shortened(digits.to_owned()))
        }
    }
}

/// Where the bracket closes that a text is within.
pub(super) fn closing(text: &str, (opens, closes): (char, char)) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == opens {
            depth += 1;
        } else if c == closes {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

/// A width or precision: digits, or `*` for the next argument.
fn amount(rest: &mut &str, arguments: &mut Arguments<'_>) -> Result<Option<i64>, Error> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        return arguments.count().map(Some);
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    if number.is_empty() {
        return Ok(None);
    }
    number.parse().map(Some).map_err(|_| wrong("width too big"))
}

/// What is not ASCII as escapes.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { String::from(c) } else { escape(c) }).collect()
}

fn character(value: &Value) -> Result<String, Error> {
    let one = |text: &str| text.chars().count() == 1;
    let by_code = || whole(value).and_then(|code| char::from_u32(u32::try_from(code).ok()?)).map(String::from);
    match value.as_str() {
        Some(text) => one(text).then(|| text.to_owned()),
        None => by_code(),
    }
    .ok_or_else(|| wrong("%c requires an int or a unicode character"))
}

/// A whole number.
pub(super) fn whole(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// A number without what is behind its point.
fn truncated(value: &Value) -> Option<i128> {
    whole(value).or_else(|| real(value).filter(|float| float.is_finite()).map(|float| float.trunc() as i128))
}

pub(super) fn real(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}
