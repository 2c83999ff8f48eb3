//! What library calls make of constants: what a program works out from what is written in it counts as if it were written.

use std::rc::Rc;

use super::pass::Pass;
use crate::dataflow::Lattice;
use crate::ssa::{Literal, Passing};
use crate::taint::domain::{Items, Key, MAX_ENTRIES, Object, Value, literal_value};
use crate::taint::frame::Arguments;
use crate::text::{Origins, Text};

/// Longest text that is worked out, in bytes, and deepest data that is read.
const MAX_TEXT: usize = 256;
const MAX_DEPTH: usize = 4;

/// An object whose attributes are what it was given by name.
const NAMESPACE: &str = "types.SimpleNamespace()";

fn truth(truth: bool) -> Value {
    literal_value(&Literal::Bool(truth))
}

fn text(text: &str) -> Option<Value> {
    (text.len() <= MAX_TEXT).then(|| Value::text(Text::literal(text)))
}

/// The truth that a value has for certain: nobody else has a say in it.
fn known_truth(value: &Value) -> Option<bool> {
    let written = value.text.is_none() || value.text.literals().is_some();
    likely_truth(value).filter(|_| written)
}

/// The truth that a value has where nobody gives another one: that of a default.
fn likely_truth(value: &Value) -> Option<bool> {
    match value.truth() {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The integer that a value is for certain.
fn integer(value: &Value) -> Option<i64> {
    match &value.objects[..] {
        [Object::Integer(integer)] => Some(*integer),
        [Object::Truth(truth)] => Some(i64::from(*truth)),
        _ => None,
    }
}

/// The text that a value is for certain.
fn literal(value: &Value) -> Option<&str> {
    value.text.as_literal().filter(|_| value.objects.is_empty() && value.items.is_none())
}

fn list(entries: Vec<Value>) -> Value {
    let mut items = Items::default();
    for (at, entry) in entries.into_iter().enumerate() {
        items.any.join(&entry);
        items.known.insert(Key::Index(at as i64), entry);
    }
    Value::container(items)
}

fn insert(items: &mut Items, key: &str, value: Value) {
    items.any.join(&value);
    items.keys.get_or_insert_default().join(&Value::text(Text::literal(key)));
    items.known.insert(Key::Text(Rc::from(key)), value);
}

impl Pass<'_, '_> {
    /// What a call gives that a constant decides; none where none does.
    pub(super) fn of_constants(path: &str, receiver: Option<&Value>, arguments: &Arguments<'_>) -> Option<Value> {
        if let Some(method) = path.strip_prefix("?.") {
            return of_text(method, literal(receiver?)?, arguments);
        }
        let first = arguments.positional(0);
        match path {
            "bool" => match first {
                Some(value) => known_truth(value).map(truth),
                None => arguments.is_empty().then(|| truth(false)),
            },
            "any" | "all" => {
                let empty = first?.truth() == (false, true) && first?.items.is_some();
                empty.then(|| truth(path == "all"))
            }
            "int" => {
                let first = first?;
                let base = arguments.either(1, &["base"]).map_or(Some(10), integer)?;
                let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
                let value = match literal(first) {
                    Some(digits) => {
                        let digits = digits.trim().to_ascii_lowercase();
                        let prefix = match base {
                            2 => "0b",
                            8 => "0o",
                            16 => "0x",
                            _ => "",
                        };
                        i64::from_str_radix(digits.strip_prefix(prefix).unwrap_or(&digits), base).ok()?
                    }
                    None => integer(first)?,
                };
                Some(literal_value(&Literal::Integer(value)))
            }
            "chr" => text(&char::from_u32(u32::try_from(integer(first?)?).ok()?)?.to_string()),
            "min" | "max" | "sum" | "abs" => {
                let all: Vec<i64> = arguments
                    .iter()
                    .map(|(passing, value)| integer(value).filter(|_| *passing == Passing::Positional))
                    .collect::<Option<_>>()?;
                let value = match (path, &all[..]) {
                    ("abs", [one]) => one.checked_abs()?,
                    ("min", [_, _, ..]) => *all.iter().min()?,
                    ("max", [_, _, ..]) => *all.iter().max()?,
                    _ => return None,
                };
                Some(literal_value(&Literal::Integer(value)))
            }
            "bytes" | "bytearray" => match &first?.items {
                Some(items) if items.keys.is_none() => {
                    let mut made = String::new();
                    for at in 0..items.known.len() {
                        let code = integer(items.known.get(&Key::Index(at as i64))?)?;
                        made.push(char::from(u8::try_from(code).ok()?));
                    }
                    text(&made).filter(|_| !items.known.is_empty())
                }
                _ => text(&"\0".repeat(usize::try_from(integer(first?)?).ok()?.min(MAX_TEXT))),
            },
            "bytes.fromhex" | "bytearray.fromhex" => {
                let digits: Vec<char> = literal(first?)?.chars().filter(|char| !char.is_whitespace()).collect();
                let byte = |pair: &[char]| match pair {
                    [high, low] => Some(char::from((high.to_digit(16)? * 16 + low.to_digit(16)?) as u8)),
                    _ => None,
                };
                text(&digits.chunks(2).map(byte).collect::<Option<String>>()?)
            }
            "json.loads" | "ast.literal_eval" => {
                let written = literal(first?)?;
                let written = if path == "json.loads" { written.to_owned() } else { as_json(written)? };
                from_json(&serde_json::from_str(&written).ok()?, MAX_DEPTH)
            }
            "dict" | "collections.OrderedDict" | "types.MappingProxyType" => mapping(first, arguments),
            "dict.fromkeys" => {
                let value = arguments.positional(1).cloned().unwrap_or_else(|| Value::object(Object::Nothing));
                let keys = first?.items.as_ref().filter(|items| !items.known.is_empty())?;
                let names: Vec<&str> = match &keys.keys {
                    Some(names) => names.text.literals()?,
                    None => keys.known.values().map(literal).collect::<Option<_>>()?,
                };
                let mut items = Items::default();
                for name in names {
                    insert(&mut items, name, value.clone());
                }
                Some(Value::container(items))
            }
            "types.SimpleNamespace" | "argparse.Namespace" => {
                let mut result = mapping(first, arguments)?;
                result.objects.insert(Object::Path(Rc::from(NAMESPACE)));
                Some(result)
            }
            _ => None,
        }
    }

    /// `and` (true) or `or` (false) of values, as far as constants decide it.
    pub(super) fn decided(and: bool, parts: &[&Value]) -> Value {
        let mut joined = Value::default();
        for (at, part) in parts.iter().enumerate() {
            match known_truth(part) {
                // What does not decide is passed over.
                Some(truth) if truth == and && at + 1 < parts.len() => {}
                Some(truth) if truth != and => {
                    joined.join(part);
                    break;
                }
                _ => {
                    joined.join(part);
                }
            }
        }
        joined
    }

    /// `not value`
    pub(super) fn negated(value: &Value) -> Value {
        if value.is_none() {
            return Value::default();
        }
        let mut result = likely_truth(value).map(|known| truth(!known)).unwrap_or_default();
        if known_truth(value).is_none() {
            result.join(&Value::number(Origins::NONE));
        }
        result
    }
}

/// A mapping that is made by a call: `dict(pairs, name=value)`.
fn mapping(first: Option<&Value>, arguments: &Arguments<'_>) -> Option<Value> {
    let mut items = Items { keys: Some(Value::default()), ..Items::default() };
    if let Some(first) = first {
        let given = first.items.as_deref().filter(|_| first.text.is_none())?;
        if given.keys.is_some() {
            items = given.clone();
        } else {
            let pair = |entry: &Value| {
                let pair = entry.items.as_deref()?;
                let name = literal(pair.known.get(&Key::Index(0))?)?.to_owned();
                Some((name, pair.known.get(&Key::Index(1))?.clone()))
            };
            let pairs: Vec<_> = given.known.values().map(pair).collect::<Option<_>>()?;
            if pairs.is_empty() {
                return None;
            }
            for (name, value) in pairs {
                insert(&mut items, &name, value);
            }
        }
    }
    for (passing, value) in arguments.iter() {
        match passing {
            Passing::Keyword(name) => insert(&mut items, name, value.clone()),
            Passing::DoubleStar | Passing::Star => return None,
            Passing::Positional => {}
        }
    }
    Some(Value::container(items))
}

/// A method of a constant text.
fn of_text(method: &str, receiver: &str, arguments: &Arguments<'_>) -> Option<Value> {
    let argument = |at: usize| arguments.positional(at).map(|value| literal(value).ok_or(()));
    let one = match argument(0) {
        Some(Ok(text)) => Some(text),
        None if arguments.is_empty() => None,
        _ => return None,
    };
    let cut = |char: char| one.map_or_else(|| char.is_whitespace(), |chars| chars.contains(char));
    match method {
        "strip" => text(receiver.trim_matches(cut)),
        "lstrip" => text(receiver.trim_start_matches(cut)),
        "rstrip" => text(receiver.trim_end_matches(cut)),
        "removeprefix" => text(receiver.strip_prefix(one?).unwrap_or(receiver)),
        "removesuffix" => text(receiver.strip_suffix(one?).unwrap_or(receiver)),
        "swapcase" => {
            let swap = |char: char| {
                if char.is_ascii_lowercase() { char.to_ascii_uppercase() } else { char.to_ascii_lowercase() }
            };
            text(&receiver.chars().map(swap).collect::<String>())
        }
        "split" if arguments.iter().count() < 2 && receiver.len() <= MAX_TEXT => {
            let parts: Vec<&str> = match one {
                Some(separator) if !separator.is_empty() => receiver.split(separator).take(MAX_ENTRIES + 1).collect(),
                Some(_) => return None,
                None => receiver.split_whitespace().take(MAX_ENTRIES + 1).collect(),
            };
            if parts.len() > MAX_ENTRIES {
                return None;
            }
            Some(list(parts.into_iter().map(|part| Value::text(Text::literal(part))).collect()))
        }
        _ => None,
    }
}

/// A literal of Python that is one of JSON in other words.
fn as_json(written: &str) -> Option<String> {
    let plain = written.len() <= MAX_TEXT && !written.contains(['"', '\\', '(']);
    plain.then(|| written.replace('\'', "\"").replace("True", "true").replace("False", "false").replace("None", "null"))
}

/// What a text in JSON stands for.
fn from_json(json: &serde_json::Value, depth: usize) -> Option<Value> {
    use serde_json::Value as Json;
    let depth = depth.checked_sub(1)?;
    Some(match json {
        Json::Null => literal_value(&Literal::None),
        Json::Bool(truth) => literal_value(&Literal::Bool(*truth)),
        Json::Number(number) => literal_value(&number.as_i64().map_or(Literal::Number, Literal::Integer)),
        Json::String(written) => text(written)?,
        Json::Array(entries) if entries.len() <= MAX_ENTRIES => {
            list(entries.iter().map(|entry| from_json(entry, depth)).collect::<Option<_>>()?)
        }
        Json::Object(entries) if entries.len() <= MAX_ENTRIES => {
            let mut items = Items { keys: Some(Value::default()), ..Items::default() };
            for (key, entry) in entries {
                insert(&mut items, key, from_json(entry, depth)?);
            }
            Value::container(items)
        }
        _ => return None,
    })
}
