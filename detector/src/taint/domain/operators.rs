//! What operators and displays make of values.

use std::rc::Rc;

use super::object::Object;
use super::strings::percent_format;
use super::value::{Items, Value, languages};
use crate::dataflow::Lattice;
use crate::ssa::{BinaryOp, Literal};
use crate::text::{Hole, LanguageSet, Origins, Text};

pub(in crate::taint) fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => Value::text(Text::literal(text)),
        Literal::Integer(i) => Value { text: Text::literal(&i.to_string()), ..Value::object(Object::Integer(*i)) },
        Literal::Number => Value::number(Origins::NONE),
        Literal::Bool(truth) => {
            Value { text: Text::literal(if *truth { "True" } else { "False" }), ..Value::object(Object::Truth(*truth)) }
        }
        Literal::None => Value { text: Text::literal("None"), ..Value::object(Object::Nothing) },
    }
}

/// The library's paths as objects.
const PATH: &str = "pathlib.Path()";

/// Whether a value is a `pathlib` path, for which `/` joins.
pub(in crate::taint) fn is_path(value: &Value) -> bool {
    value.paths().any(|path| &**path == PATH)
}

/// `folder / name`
pub(in crate::taint) fn joined_path(folder: &Value, name: &Value) -> Value {
    let text = folder.to_text().concat(&Text::literal("/").concat(&name.to_text(), languages()), languages());
    Value { text, ..Value::object(Object::Path(Rc::from(PATH))) }
}

pub(in crate::taint) fn binary(op: BinaryOp, left: &Value, right: &Value) -> Value {
    let origins = left.origins().union(right.origins());
    let both_lists = left.items.is_some() && right.items.is_some();
    match op {
        BinaryOp::Arithmetic => Value::number(origins),
        _ if left.is_number() && right.is_number() => Value::number(origins),
        BinaryOp::Add if both_lists => {
            let mut joined = left.clone();
            if let (Some(items), Some(other)) = (&left.items, &right.items) {
                let both = items.entries().zip(other.entries());
                let items = both.map_or_else(
                    || {
                        let mut items = Items { size: None, ..(**items).clone() };
                        items.any.join(&other.any);
                        items
                    },
                    |(first, second)| Items::listed([first, second].concat()),
                );
                joined.items = Some(Rc::new(items));
            }
            joined
        }
        BinaryOp::Difference if left.items.is_some() => left.clone(),
        BinaryOp::Intersection if left.items.is_some() || right.items.is_some() => common(left, right),
        BinaryOp::Add | BinaryOp::SetLike if left.items.is_some() || right.items.is_some() => {
            let mut joined = left.clone();
            joined.join(right);
            joined
        }
        // `stat.S_IRWXU | stat.S_IRWXO`
        BinaryOp::SetLike | BinaryOp::Intersection
            if left.paths().next().is_some() && right.paths().next().is_some() =>
        {
            let mut joined = left.clone();
            joined.join(right);
            joined
        }
        BinaryOp::SetLike | BinaryOp::Intersection | BinaryOp::Difference => Value::number(origins),
        BinaryOp::Add => Value::text(left.to_text().concat(&right.to_text(), languages())),
        BinaryOp::Modulo if left.is_number() => Value::number(origins),
        BinaryOp::Modulo => Value::text(percent_format(left, right)),
        BinaryOp::Multiply => {
            if let Some(text) = repeated(left, right).or_else(|| repeated(right, left)) {
                return Value::text(Text::literal(&text));
            }
            let repeated = if left.is_number() { right } else { left };
            let mut result = repeated.clone();
            if let Some(hole) = repeated.text.collapse(languages()) {
                result.text = Text::hole(Hole { closed: LanguageSet::NONE, ..hole });
            }
            result.objects.clear();
            if let Some(items) = &repeated.items {
                result.items = Some(Rc::new(Items { size: None, ..(**items).clone() }));
            }
            result
        }
    }
}

/// What two collections have in common: each element is one of either, so that of the one that fewer have a say in.
fn common(left: &Value, right: &Value) -> Value {
    let entries = |value: &Value| {
        let keys = value.items.as_ref().and_then(|items| items.keys.clone());
        keys.unwrap_or_else(|| value.element())
    };
    let rank = |value: &Value| match value.origins() {
        origins if origins.is_none() => 0,
        origins if origins.known().is_none() => 1,
        _ => 2,
    };
    let (left, right) = (entries(left), entries(right));
    let fewer = if rank(&right) < rank(&left) { right } else { left };
    Value::list(if fewer.is_none() { Value::any(Origins::NONE) } else { fewer })
}

/// The library's texts that are HTML already: what is put into one, or added to it, is escaped.
const MARKUP: &[&str] = &["markupsafe.Markup()", "flask.Markup()", "jinja2.Markup()"];

/// Whether a value is text that escapes what it is put together with.
pub(in crate::taint) fn is_markup(value: &Value) -> bool {
    value.paths().any(|path| MARKUP.contains(&&**path))
}

/// `Markup(…) % values`, `Markup(…) + text`
pub(in crate::taint) fn escaped(left: &Value, right: &Value) -> Value {
    let origins = left.origins().union(right.origins());
    let closed = languages().index("html").map_or(LanguageSet::NONE, LanguageSet::one);
    let text = Text::hole(Hole { closed, ..Hole::any(origins) });
    Value { text, ..Value::object(Object::Path(Rc::from(MARKUP[0]))) }
}

/// Longest text of a constant that is written several times, in bytes.
const MAX_REPEATED: usize = 256;

/// A constant text so many times.
fn repeated(text: &Value, times: &Value) -> Option<String> {
    let [Object::Integer(times)] = times.objects[..] else { return None };
    let text = text.text.as_literal().filter(|_| text.objects.is_empty() && text.items.is_none())?;
    let times = usize::try_from(times).ok()?;
    (times.checked_mul(text.len())? <= MAX_REPEATED).then(|| text.repeat(times))
}

/// Adds an entry to a container.
pub(in crate::taint) fn with_item(container: &Value, key: Option<&Value>, item: &Value) -> Value {
    let mut items = container.items.as_deref().cloned().unwrap_or_default();
    let keys = key.and_then(Value::as_keys);
    items.any.join(item);
    // A slice may be of any length.
    items.size = items.size.filter(|_| key.is_some());
    let one = match keys.as_deref() {
        Some([one]) => items.place(one),
        _ => None,
    };
    match one {
        Some(one) => {
            items.known.insert(one, item.clone());
        }
        None => items.known.values_mut().for_each(|value| {
            value.join(item);
        }),
    }
    if let (Some(keys), Some(key)) = (&mut items.keys, key) {
        keys.join(key);
    }
    let mut result = container.clone();
    result.items = Value::container(items).items;
    result
}
