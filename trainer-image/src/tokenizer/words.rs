//! Filters over words and lines, as Jinja has them.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::repr::text;

/// `wordcount`: runs of letters, digits and lines below.
// By value, as filters are called; so below.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn wordcount(value: Value) -> usize {
    text(&value).split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).count()
}

/// An argument by place or else by name.
fn value_of(given: &[Value], place: usize, named: &Kwargs, name: &str) -> Result<Option<Value>, Error> {
    match given.get(place) {
        Some(value) => Ok(Some(value.clone())),
        None => named.get::<Option<Value>>(name),
    }
}

/// As [`value_of`], a number or truth.
fn argument<T: TryFrom<Value, Error = Error>>(
    given: &[Value],
    place: usize,
    named: &Kwargs,
    name: &str,
) -> Result<Option<T>, Error> {
    value_of(given, place, named, name)?.map(T::try_from).transpose()
}

/// As [`value_of`], a text.
fn word(given: &[Value], place: usize, named: &Kwargs, name: &str) -> Result<Option<String>, Error> {
    Ok(value_of(given, place, named, name)?.map(|value| text(&value)))
}

/// That there are no more than so many arguments, nor others by name.
fn all_known(given: &[Value], most: usize, named: &Kwargs) -> Result<(), Error> {
    named.assert_all_used()?;
    if given.len() > most { Err(Error::from(ErrorKind::TooManyArguments)) } else { Ok(()) }
}

/// `truncate`: at most `length` characters, `end` among them, unless there are hardly more.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn truncate(value: Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let length = argument(&given, 0, &named, "length")?.unwrap_or(255_usize);
    let killwords = argument(&given, 1, &named, "killwords")?.unwrap_or(false);
    let end = word(&given, 2, &named, "end")?.unwrap_or_else(|| "...".to_owned());
    let leeway = argument(&given, 3, &named, "leeway")?.unwrap_or(5_usize);
    all_known(&given, 4, &named)?;
    let text = text(&value);
    if length < end.chars().count() {
        let what = format!("expected length >= {}, got {length}", end.chars().count());
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text);
    }
    let cut: String = text.chars().take(length - end.chars().count()).collect();
    let cut = if killwords { &cut } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(before, _)| before) };
    Ok(cut.to_owned() + &end)
}

/// `center`, in a width.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn center(value: Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let width = argument(&given, 0, &named, "width")?.unwrap_or(80_usize);
    all_known(&given, 1, &named)?;
    let text = text(&value);
    let missing = width.saturating_sub(text.chars().count());
    // As CPython does: the odd one goes to the left where the width is odd.
    let left = missing / 2 + (missing & width & 1);
    Ok([" ".repeat(left), text, " ".repeat(missing - left)].concat())
}

/// `urlencode`: text, or the pairs of a query.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn urlencode(value: Value) -> Result<String, Error> {
    if value.kind() != ValueKind::Map {
        return Ok(quoted(&text(&value), "/", "%20"));
    }
    let pair = |key: Value| -> Result<String, Error> {
        let item = value.get_item(&key)?;
        Ok(format!("{}={}", quoted(&text(&key), "", "+"), quoted(&text(&item), "", "+")))
    };
    let pairs: Vec<String> = value.try_iter()?.checked().map(|key| pair(key?)).collect::<Result<_, _>>()?;
    Ok(pairs.join("&"))
}

fn quoted(text: &str, safe: &str, blank: &str) -> String {
    let byte = |byte: u8| match char::from(byte) {
        ' ' => blank.to_owned(),
        c if c.is_ascii_alphanumeric() || "_.-~".contains(c) || safe.contains(c) => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// `wordwrap`: lines of at most so many characters, broken between words and, where a word is longer, within it.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn wordwrap(value: Value, given: Rest<Value>, named: Kwargs) -> Result<String, Error> {
    let width = argument(&given, 0, &named, "width")?.unwrap_or(79_usize).max(1);
    let breaks = argument(&given, 1, &named, "break_long_words")?.unwrap_or(true);
    let between = word(&given, 2, &named, "wrapstring")?.unwrap_or_else(|| "\n".to_owned());
    let hyphens = argument(&given, 3, &named, "break_on_hyphens")?.unwrap_or(true);
    all_known(&given, 4, &named)?;
    let lines =
        text(&value).lines().map(|line| wrapped(line, width, breaks, hyphens).join(&between)).collect::<Vec<_>>();
    Ok(lines.join(&between))
}

fn wrapped(line: &str, width: usize, breaks: bool, hyphens: bool) -> Vec<String> {
    let (mut lines, mut now) = (Vec::new(), String::new());
    let size = |text: &str| text.chars().count();
    let mut chunks: Vec<String> = chunks(line, hyphens);
    chunks.reverse();
    while let Some(chunk) = chunks.pop() {
        let is_blank = chunk.trim().is_empty();
        if size(&now) + size(&chunk) <= width {
            if !(is_blank && now.is_empty() && !lines.is_empty()) {
                now.push_str(&chunk);
            }
        } else if size(&chunk) > width && breaks && !is_blank {
            let room = width - size(&now);
            let (head, tail): (String, String) =
                (chunk.chars().take(room).collect(), chunk.chars().skip(room).collect());
            now.push_str(&head);
            chunks.push(tail);
            lines.push(std::mem::take(&mut now));
        } else if now.is_empty() {
            if !is_blank {
                lines.push(chunk);
            }
        } else {
            lines.push(std::mem::take(&mut now));
            chunks.push(chunk);
        }
    }
    if !now.is_empty() {
        lines.push(now);
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// Words, what is between them, and parts of words up to a hyphen.
fn chunks(line: &str, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in line.chars() {
        let begins = c.is_whitespace() != last.is_whitespace()
            || (hyphens && last == '-' && c.is_alphabetic() && chunks.last().is_some_and(|chunk| chunk.len() > 1));
        match chunks.last_mut() {
            Some(chunk) if !begins => chunk.push(c),
            _ => chunks.push(c.to_string()),
        }
        last = c;
    }
    chunks
}
