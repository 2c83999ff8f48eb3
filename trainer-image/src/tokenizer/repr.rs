//! `str` and `repr`: values as Python writes them.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::{Tuple, ValueKind};

/// `str(value)`.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String | ValueKind::Undefined => value.to_string(),
        _ => repr(value),
    }
}

/// `repr(value)`.
pub(super) fn repr(value: &Value) -> String {
    let several = |values: Vec<String>| values.join(", ");
    match value.kind() {
        ValueKind::Undefined => "Undefined".to_owned(),
        ValueKind::Number => number(value),
        ValueKind::String => repr_of_text(value.as_str().unwrap_or_default()),
        ValueKind::Bytes => repr_of_bytes(value.as_bytes().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<String> = value.try_iter().into_iter().flatten().map(|item| repr(&item)).collect();
            match value.downcast_object_ref::<Tuple>() {
                Some(_) if items.len() == 1 => format!("({},)", items[0]),
                Some(_) => format!("({})", several(items)),
                None => format!("[{}]", several(items)),
            }
        }
        ValueKind::Map => {
            let pair = |key: Value| {
                let item = value.get_item(&key).unwrap_or_default();
                format!("{}: {}", repr(&key), repr(&item))
            };
            format!("{{{}}}", several(value.try_iter().into_iter().flatten().map(pair).collect()))
        }
        _ => value.to_string(),
    }
}

fn repr_of_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&escape(c)),
        }
    }
    out.push(quote);
    out
}

/// A character by its code, in as few digits as Python writes.
pub(super) fn escape(c: char) -> String {
    match u32::from(c) {
        code @ 0..0x100 => format!("\\x{code:02x}"),
        code @ 0x100..0x1_0000 => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

fn repr_of_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            c if char::from(*c) == quote => out.extend(['\\', quote]),
            c @ b' '..=b'~' => out.push(char::from(*c)),
            c => {
                let _ = write!(out, "\\x{c:02x}");
            }
        }
    }
    out.push(quote);
    out
}

/// What `str.isprintable` says of a character: none that is a separator, a control, a format or for private use.
pub(super) fn is_printable(c: char) -> bool {
    let is_format = matches!(u32::from(c),
        0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e
        | 0x2060..=0x2064 | 0x2066..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0x110bd | 0x110cd | 0xe0001 | 0xe0020..=0xe007f);
    let is_private = matches!(u32::from(c), 0xe000..=0xf8ff | 0xf_0000..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_format || is_private)
}

/// A number as Python writes it: `repr` of floats has an exponent from 1e16 up and below 1e-4.
pub(super) fn number(value: &Value) -> String {
    let plain = value.to_string();
    // Only a float has a point or an exponent.
    let float = plain.contains(['.', 'e']).then(|| f64::try_from(value.clone()).ok()).flatten();
    let not_finite = f64::try_from(value.clone()).ok().filter(|float| !value.is_integer() && !float.is_finite());
    if let Some(float) = not_finite {
        return if float.is_nan() {
            "nan"
        } else if float > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let Some(float) = float.filter(|float| *float != 0.0) else { return plain };
    let shortest = format!("{float:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else { return plain };
    match exponent.parse::<i32>() {
        Ok(exponent) if exponent < -4 => format!("{digits}e-{:02}", -exponent),
        Ok(exponent) if exponent >= 16 => format!("{digits}e+{exponent:02}"),
        _ => plain,
    }
}
