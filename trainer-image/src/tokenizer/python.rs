//! What Python does in chat templates and minijinja does otherwise: `json.dumps`, `str` methods, printf-style formatting.

use std::fmt::Write as _;

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// `json.dumps` with the arguments and defaults that transformers gives to the filter `tojson`.
// By value, as the filter is called.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn tojson(
    value: &Value,
    ensure_ascii: Option<bool>,
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
    let flag = |name: &str, positional: Option<bool>| -> Result<bool, Error> {
        Ok(named(name, positional.map(Value::from))?.is_some_and(|value| value.is_true()))
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
            ValueKind::Number => {
                let _ = write!(out, "{value}");
            }
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

/// `format % value`: a tuple holds the arguments, anything else is the only one.
pub(super) fn percent_format(template: &str, value: &Value) -> Result<String, Error> {
    let arguments = match value.downcast_object_ref::<Tuple>() {
        Some(_) => value.try_iter()?.checked().collect::<Result<Vec<_>, _>>()?,
        None => vec![value.clone()],
    };
    format(FormatStyle::Printf, template, &arguments)
}

/// The present time, `datetime.now().strftime(format)`.
pub(super) fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now('{format}'): {error}")))
}

/// Methods of Python's strings, then those that minijinja's own table has.
pub(super) fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments);
    };
    let stripped = |start: bool, end: bool| -> Result<Value, Error> {
        let (characters,): (Option<&str>,) = from_args(arguments)?;
        let out = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
        let text = if start { text.trim_start_matches(out) } else { text };
        Ok(Value::from(if end { text.trim_end_matches(out) } else { text }))
    };
    match name {
        "strip" => stripped(true, true),
        "lstrip" => stripped(true, false),
        "rstrip" => stripped(false, true),
        "title" => {
            let () = from_args(arguments)?;
            Ok(Value::from(title(text)))
        }
        "splitlines" => {
            let (ends,): (Option<bool>,) = from_args(arguments)?;
            Ok(lines(text, ends.unwrap_or(false)).into_iter().map(Value::from).collect())
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(arguments)?;
            Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// What `str.isspace` says: Unicode's white space, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.splitlines`: Python knows more ends of a line than `\n`.
fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let after = &rest[at..];
        let end = if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(1, char::len_utf8) };
        lines.push(&rest[..if keep_ends { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// `str.title`: a letter after anything but a letter is upper case, the others lower: `"they're"` is `"They'Re"`.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            let mut upper = c.to_uppercase();
            out.extend(upper.next());
            out.extend(upper.flat_map(char::to_lowercase));
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
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
