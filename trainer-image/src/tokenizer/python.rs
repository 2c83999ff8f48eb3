//! What Python does in chat templates and minijinja does otherwise: `json.dumps`, floats as text, filters.

use std::fmt::Write as _;

use minijinja::value::{Kwargs, Tuple, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, Value};

use super::repr::{number, text};
use super::strings::lines;

/// `json.dumps` with the arguments and defaults that transformers gives to the filter `tojson`.
// By value, as the filter is called.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn tojson(
    value: &Value,
    ensure_ascii: Option<Value>,
    indent: Option<Value>,
    separators: Option<Value>,
    arguments: Kwargs,
) -> Result<String, Error> {
    let named = |name: &str, positional: Option<Value>| -> Result<Option<Value>, Error> {
        let value = match positional {
            Some(value) => Some(value),
            None => arguments.get::<Option<Value>>(name)?,
        };
        Ok(value.filter(|value| !value.is_none() && !value.is_undefined()))
    };
    let indent = match named("indent", indent)? {
        None => None,
        Some(indent) => Some(match indent.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(i64::try_from(indent)?).unwrap_or(0)),
        }),
    };
    let separators = match named("separators", separators)? {
        Some(pair) => {
            let pair: Vec<Value> = pair.try_iter()?.checked().collect::<Result<_, _>>()?;
            let [item, key] = pair.as_slice() else {
                return Err(Error::new(ErrorKind::InvalidOperation, "separators are two strings"));
            };
            (item.to_string(), key.to_string())
        }
        None => ((if indent.is_some() { "," } else { ", " }).to_owned(), ": ".to_owned()),
    };
    let flag = |name: &str, positional: Option<Value>| -> Result<bool, Error> {
        Ok(named(name, positional)?.is_some_and(|value| value.is_true()))
    };
    let writer = Json {
        ascii: flag("ensure_ascii", ensure_ascii)?,
        sort: flag("sort_keys", None)?,
        indent,
        item: separators.0,
        key: separators.1,
    };
    arguments.assert_all_used()?;
    let mut out = String::new();
    writer.write(&mut out, value, 0)?;
    Ok(out)
}

/// What has a length and items in Jinja: text and mappings too.
// By value, as the test is called.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn is_sequence(value: Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined)
}

/// What a loop can go over in Python: nothing is not.
// As above.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn is_iterable(value: Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Iterable | ValueKind::Undefined
    )
}

struct Json {
    ascii: bool,
    sort: bool,
    indent: Option<String>,
    item: String,
    key: String,
}

impl Json {
    fn write(&self, out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&number(value)),
            ValueKind::String => self.string(out, value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.checked().collect::<Result<_, _>>()?;
                self.several(out, depth, ('[', ']'), &items, |out, item| self.write(out, item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.checked().collect::<Result<_, _>>()?;
                if self.sort {
                    keys.sort();
                }
                self.several(out, depth, ('{', '}'), &keys, |out, key| {
                    match key.kind() {
                        ValueKind::None => self.string(out, "null"),
                        ValueKind::Bool => self.string(out, if key.is_true() { "true" } else { "false" }),
                        _ => self.string(out, &key.to_string()),
                    }
                    out.push_str(&self.key);
                    self.write(out, &value.get_item(key)?, depth + 1)
                })?;
            }
            kind => {
                let message = format!("{kind} cannot be written as JSON");
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(())
    }

    fn several(
        &self,
        out: &mut String,
        depth: usize,
        (open, close): (char, char),
        items: &[Value],
        write: impl Fn(&mut String, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        out.push(open);
        for (number, item) in items.iter().enumerate() {
            if number > 0 {
                out.push_str(&self.item);
            }
            self.line(out, depth + 1);
            write(out, item)?;
        }
        if !items.is_empty() {
            self.line(out, depth);
        }
        out.push(close);
        Ok(())
    }

    fn line(&self, out: &mut String, depth: usize) {
        if let Some(indent) = &self.indent {
            out.push('\n');
            out.push_str(&indent.repeat(depth));
        }
    }

    fn string(&self, out: &mut String, text: &str) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}

/// Writes what an expression gives, as Python's `str` does.
pub(super) fn written(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Bytes => {
            out.write_str(&text(value)).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// The filter `string`.
// By value, as filters are called; so below.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn string(value: Value) -> String {
    text(&value)
}

/// The filter `float`, which never fails.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn float(value: Value, default: Option<f64>) -> f64 {
    let read = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None if value.kind() == ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        None => f64::try_from(value).ok(),
    };
    read.or(default).unwrap_or(0.0)
}

/// The filter `int`, which never fails; of text a base other than 10 may be told.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn int(value: Value, default: Option<i64>, base: Option<u32>, named: Kwargs) -> Result<i64, Error> {
    let default = default.or(named.get::<Option<i64>>("default")?);
    let base = base.or(named.get::<Option<u32>>("base")?).filter(|base| (2..=36).contains(base)).unwrap_or(10);
    named.assert_all_used()?;
    let read = match value.as_str().map(str::trim) {
        Some(text) => {
            let digits = text.replace('_', "");
            let digits = match base {
                2 => digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")),
                8 => digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")),
                16 => digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")),
                _ => None,
            }
            .unwrap_or(&digits);
            i64::from_str_radix(digits, base).ok().or_else(|| Some(text.parse::<f64>().ok()? as i64))
        }
        None if value.kind() == ValueKind::Bool => Some(i64::from(value.is_true())),
        None => i64::try_from(value.clone()).ok().or_else(|| Some(f64::try_from(value.clone()).ok()? as i64)),
    };
    Ok(read.or(default).unwrap_or(0))
}

/// The filter `indent`: every line but the first and the blank ones, unless they are asked for, by a number of blanks or a text.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn indent(
    text: &str,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    named: Kwargs,
) -> Result<String, Error> {
    let width = match width {
        Some(width) => Some(width),
        None => named.get::<Option<Value>>("width")?,
    };
    let first = first.or(named.get::<Option<bool>>("first")?).unwrap_or(false);
    let blank = blank.or(named.get::<Option<bool>>("blank")?).unwrap_or(false);
    named.assert_all_used()?;
    let by = match width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(usize::try_from(i64::try_from(width)?).unwrap_or(0)),
        },
    };
    let line = |(number, line): (usize, &str)| {
        let is_moved = if number == 0 { first } else { blank || !line.is_empty() };
        if is_moved { format!("{by}{line}") } else { line.to_owned() }
    };
    // As Jinja does, so that a text's last line may be an empty one.
    let text = format!("{text}\n");
    Ok(lines(&text, false).into_iter().enumerate().map(line).collect::<Vec<_>>().join("\n"))
}

/// The filter `dictsort`: pairs by key or value, text by default without regard to case.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn dictsort(
    value: &Value,
    case_sensitive: Option<bool>,
    by: Option<String>,
    reverse: Option<bool>,
    named: Kwargs,
) -> Result<Value, Error> {
    let case_sensitive = case_sensitive.or(named.get::<Option<bool>>("case_sensitive")?).unwrap_or(false);
    let by = by.or(named.get::<Option<String>>("by")?).unwrap_or_else(|| "key".to_owned());
    let reverse = reverse.or(named.get::<Option<bool>>("reverse")?).unwrap_or(false);
    named.assert_all_used()?;
    let place = match by.as_str() {
        "key" => 0,
        "value" => 1,
        _ => {
            let message = "You can only sort by either \"key\" or \"value\"";
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    let rank = |value: &Value| match value.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value.clone(),
    };
    let mut pairs: Vec<[Value; 2]> = Vec::new();
    for key in value.try_iter()?.checked() {
        let key = key?;
        let item = value.get_item(&key)?;
        pairs.push([key, item]);
    }
    pairs.sort_by_cached_key(|pair| rank(&pair[place]));
    if reverse {
        pairs.reverse();
    }
    Ok(pairs.into_iter().map(|pair| Value::from(Tuple::from(pair.to_vec()))).collect())
}

/// The test `callable`.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn is_callable(value: Value) -> bool {
    value.kind() == ValueKind::Plain && value.as_object().is_some()
}

/// The present time, `datetime.now().strftime(format)`.
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now('{format}'): {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_time_is_written_as_asked_for_and_a_wrong_directive_is_an_error() {
        let year = jiff::Zoned::now().year().to_string();
        assert!(strftime_now("%d %b %Y").expect("a date").ends_with(&year));
        assert!(strftime_now("%Ö").is_err());
    }
}
