//! Methods of Python's `str` that chat templates call.

use minijinja::value::{Kwargs, Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};

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
            let (ends,): (Option<bool>,) = from_args(arguments)?;
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
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(is_space),
        // Superscripts are digits, fractions are not.
        "isdigit" => all(|c| c.is_ascii_digit() || matches!(c, '²' | '³' | '¹' | '⁰'..='⁹' | '₀'..='₉')),
        "isnumeric" => all(char::is_numeric),
        "istitle" => {
            nothing()?;
            Ok(Value::from(text.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && title(text) == text))
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
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
