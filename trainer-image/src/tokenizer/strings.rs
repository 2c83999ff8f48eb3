//! Methods of Python's `str` that chat templates call.

use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::format::{self, Fields};
use super::repr::{is_printable, repr};

/// Methods of Python's strings, then those that minijinja's own table has.
pub(super) fn method(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str().filter(|_| value.kind() == ValueKind::String) else {
        return match other(value, name, arguments)? {
            Some(found) => Ok(found),
            None => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
        };
    };
    let stripped = |start: bool, end: bool| -> Result<Value, Error> {
        let (characters,): (Option<&str>,) = from_args(arguments)?;
        let out = |c: char| characters.map_or_else(|| is_space(c), |characters| characters.contains(c));
        let text = if start { text.trim_start_matches(out) } else { text };
        Ok(Value::from(if end { text.trim_end_matches(out) } else { text }))
    };
    let nothing = || from_args::<()>(arguments);
    // Whether there are any characters, and all are of a kind.
    let all = |of: fn(char) -> bool| -> Result<Value, Error> {
        nothing()?;
        Ok(Value::from(!text.is_empty() && text.chars().all(of)))
    };
    let one = || -> Result<&str, Error> { Ok(from_args::<(&str,)>(arguments)?.0) };
    match name {
        "strip" => stripped(true, true),
        "lstrip" => stripped(true, false),
        "rstrip" => stripped(false, true),
        "title" => {
            nothing()?;
            Ok(Value::from(title(text)))
        }
        "swapcase" => {
            nothing()?;
            Ok(Value::from(text.chars().flat_map(swapped).collect::<String>()))
        }
        "casefold" => {
            nothing()?;
            Ok(Value::from(text.to_lowercase().replace('ß', "ss").replace('ς', "σ")))
        }
        "splitlines" => {
            let (ends, named): (Option<bool>, Kwargs) = from_args(arguments)?;
            let ends = ends.or(named.get::<Option<bool>>("keepends")?);
            named.assert_all_used()?;
            Ok(lines(text, ends.unwrap_or(false)).into_iter().map(Value::from).collect())
        }
        "removeprefix" => one().map(|prefix| Value::from(text.strip_prefix(prefix).unwrap_or(text))),
        "removesuffix" => one().map(|suffix| Value::from(text.strip_suffix(suffix).unwrap_or(text))),
        "split" | "rsplit" => split(text, name == "rsplit", arguments),
        "partition" | "rpartition" => partition(text, one()?, name == "rpartition"),
        "center" | "ljust" | "rjust" => padded(text, name, arguments),
        "zfill" => {
            let (width,): (usize,) = from_args(arguments)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            let zeros = "0".repeat(width.saturating_sub(text.chars().count()));
            Ok(Value::from([sign, &zeros, digits].concat()))
        }
        "find" | "rfind" | "index" | "rindex" | "count" => found(text, name, arguments),
        "startswith" | "endswith" => at_an_end(text, name == "startswith", arguments),
        "format" => {
            let (given, named): (&[Value], Kwargs) = from_args(arguments)?;
            format::formatted(text, given, &Fields::Named(&named)).map(Value::from)
        }
        "format_map" => {
            let (fields,): (Value,) = from_args(arguments)?;
            format::formatted(text, &[], &Fields::Mapped(&fields)).map(Value::from)
        }
        "encode" => {
            let (encoding, _errors): (Option<&str>, Option<&str>) = from_args(arguments)?;
            match encoding.unwrap_or("utf-8").to_ascii_lowercase().as_str() {
                "utf-8" | "utf8" => Ok(Value::from_bytes(text.as_bytes().to_vec())),
                "ascii" if text.is_ascii() => Ok(Value::from_bytes(text.as_bytes().to_vec())),
                other => Err(Error::new(ErrorKind::InvalidOperation, format!("cannot encode as {other}"))),
            }
        }
        "expandtabs" => {
            let (size,): (Option<usize>,) = from_args(arguments)?;
            Ok(Value::from(expanded(text, size.unwrap_or(8))))
        }
        "translate" => {
            let (table,): (Value,) = from_args(arguments)?;
            translated(text, &table)
        }
        "isidentifier" => {
            nothing()?;
            let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            Ok(Value::from(begins && text.chars().all(|c| c.is_alphanumeric() || c == '_')))
        }
        "isprintable" => {
            nothing()?;
            Ok(Value::from(text.chars().all(is_printable)))
        }
        "isdecimal" => all(is_decimal),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(is_space),
        // Superscripts are digits, fractions are not.
        "isdigit" => all(|c| is_decimal(c) || matches!(c, '²' | '³' | '¹' | '⁰'..='⁹' | '₀'..='₉')),
        "isnumeric" => all(char::is_numeric),
        "istitle" => {
            nothing()?;
            Ok(Value::from(text.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && title(text) == text))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// Methods of what is no text, beside those of minijinja's table.
fn other(value: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match (value.kind(), name) {
        (ValueKind::Bytes, "decode") => {
            let (_encoding,): (Option<&str>,) = from_args(arguments)?;
            Ok(Some(Value::from(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned())))
        }
        (ValueKind::Map | ValueKind::Seq, "copy") => {
            from_args::<()>(arguments)?;
            Ok(Some(value.clone()))
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (Value,) = from_args(arguments)?;
            let place = value.try_iter()?.checked().position(|item| item.is_ok_and(|item| item == wanted));
            let missing = || Error::new(ErrorKind::InvalidOperation, format!("{} is not in list", repr(&wanted)));
            place.map(|place| Some(Value::from(place))).ok_or_else(missing)
        }
        _ => Ok(None),
    }
}

/// `str.startswith` and `str.endswith`, of a text or several, within places.
fn at_an_end(text: &str, start: bool, arguments: &[Value]) -> Result<Value, Error> {
    let (wanted, from, to): (Value, Option<i64>, Option<i64>) = from_args(arguments)?;
    let characters: Vec<char> = text.chars().collect();
    let length = characters.len();
    let place = |at: i64| {
        let distance = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        if at < 0 { length.saturating_sub(distance) } else { distance.min(length) }
    };
    let (from, to) = (from.map_or(0, place), to.map_or(length, place));
    let within: String = characters.get(from..to).unwrap_or_default().iter().collect();
    let fits = |wanted: &Value| match wanted.as_str() {
        Some(wanted) if start => Ok(within.starts_with(wanted)),
        Some(wanted) => Ok(within.ends_with(wanted)),
        None => Err(Error::new(ErrorKind::InvalidOperation, "the first argument is a string or a tuple of strings")),
    };
    if wanted.as_str().is_some() {
        return fits(&wanted).map(Value::from);
    }
    if wanted.downcast_object_ref::<Tuple>().is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "the first argument is a string or a tuple of strings"));
    }
    for wanted in wanted.try_iter()?.checked() {
        if fits(&wanted?)? {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

/// `str.expandtabs`.
fn expanded(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size == 0 => {}
            '\t' => {
                let blanks = size - column % size;
                out.extend(std::iter::repeat_n(' ', blanks));
                column += blanks;
            }
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}

/// `str.translate`: by a mapping from codes to codes, texts or nothing.
fn translated(text: &str, table: &Value) -> Result<Value, Error> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let found = table.get_item(&Value::from(u32::from(c))).unwrap_or_default();
        match found.kind() {
            ValueKind::Undefined => out.push(c),
            ValueKind::None => {}
            ValueKind::String => out.push_str(found.as_str().unwrap_or_default()),
            _ => {
                let code = u32::try_from(found).ok().and_then(char::from_u32);
                out.push(code.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "no code of a character"))?);
            }
        }
    }
    Ok(Value::from(out))
}

/// Whether a character is a digit from 0 to 9 in some script.
fn is_decimal(c: char) -> bool {
    const ZEROS: [u32; 40] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
        0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x11066, 0x1d7ce,
    ];
    ZEROS.into_iter().any(|zero| (zero..zero + 10).contains(&u32::from(c)))
}

fn swapped(c: char) -> Vec<char> {
    if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() }
}

/// `str.split` and `str.rsplit`: at blanks where no separator is given, at most `maxsplit` times.
fn split(text: &str, from_right: bool, arguments: &[Value]) -> Result<Value, Error> {
    let (separator, most, named): (Option<Value>, Option<i64>, Kwargs) = from_args(arguments)?;
    let separator = match separator {
        Some(separator) => Some(separator),
        None => named.get::<Option<Value>>("sep")?,
    };
    let separator = separator.filter(|separator| !separator.is_none() && !separator.is_undefined());
    let most = most.or(named.get::<Option<i64>>("maxsplit")?).and_then(|most| usize::try_from(most).ok());
    named.assert_all_used()?;
    let pieces = most.map_or(usize::MAX, |most| most.saturating_add(1));
    let wrong = |what: &'static str| Err(Error::new(ErrorKind::InvalidOperation, what));
    let mut parts: Vec<&str> = match separator.as_ref().map(|separator| separator.as_str()) {
        Some(Some("")) => return wrong("empty separator"),
        Some(Some(separator)) if from_right => text.rsplitn(pieces, separator).collect(),
        Some(Some(separator)) => text.splitn(pieces, separator).collect(),
        Some(None) => return wrong("a separator is a string"),
        None => at_blanks(text, from_right, pieces),
    };
    if from_right {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

/// Parts between blanks, from one side; the last has what is left, without the blanks towards it.
fn at_blanks(text: &str, from_right: bool, pieces: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        rest = if from_right { rest.trim_end_matches(is_space) } else { rest.trim_start_matches(is_space) };
        if rest.is_empty() {
            return parts;
        }
        let cut = if from_right { rest.rfind(is_space) } else { rest.find(is_space) };
        let Some(at) = cut.filter(|_| parts.len() + 1 < pieces) else {
            parts.push(rest);
            return parts;
        };
        let after = at + rest[at..].chars().next().map_or(0, char::len_utf8);
        let (part, left) = if from_right { (&rest[after..], &rest[..at]) } else { (&rest[..at], &rest[after..]) };
        parts.push(part);
        rest = left;
    }
}

fn partition(text: &str, separator: &str, from_right: bool) -> Result<Value, Error> {
    if separator.is_empty() {
        return Err(Error::new(ErrorKind::InvalidOperation, "empty separator"));
    }
    let cut = if from_right { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match cut {
        Some((before, after)) => [before, separator, after],
        None if from_right => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from).to_vec())))
}

fn padded(text: &str, how: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (width, fill): (usize, Option<&str>) = from_args(arguments)?;
    let fill = fill.unwrap_or(" ");
    let missing = width.saturating_sub(text.chars().count());
    let left = match how {
        "ljust" => 0,
        "rjust" => missing,
        // As CPython does: the odd one goes to the left where the width is odd.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(Value::from([&*fill.repeat(left), text, &fill.repeat(missing - left)].concat()))
}

/// `str.find` and its like: places are numbers of characters.
fn found(text: &str, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let (wanted, start, end): (&str, Option<i64>, Option<i64>) = from_args(arguments)?;
    let (characters, wanted): (Vec<char>, Vec<char>) = (text.chars().collect(), wanted.chars().collect());
    let length = characters.len();
    let place = |at: i64| {
        let distance = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        if at < 0 { length.saturating_sub(distance) } else { distance }
    };
    let (start, end) = (start.map_or(0, place), end.map_or(length, place).min(length));
    let fits = |at: &usize| at + wanted.len() <= end && characters[*at..].starts_with(&wanted);
    if name == "count" {
        let (mut count, mut at) = (0_i64, start);
        while at + wanted.len() <= end {
            let is_there = fits(&at);
            count += i64::from(is_there);
            at += if is_there { wanted.len().max(1) } else { 1 };
        }
        return Ok(Value::from(count));
    }
    let mut places = start..(end + 1).max(start);
    let place = if name.starts_with('r') { places.rev().find(fits) } else { places.find(fits) };
    match place {
        Some(at) => Ok(Value::from(at as i64)),
        None if name.ends_with("index") => Err(Error::new(ErrorKind::InvalidOperation, "substring not found")),
        None => Ok(Value::from(-1)),
    }
}

/// What `str.isspace` says: Unicode's white space, and the four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.splitlines`: Python knows more ends of a line than `\n`.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
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
