//! What values of Python have beside their items: methods, which chat templates ask for by name.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple, ValueKind};
use minijinja::{Error, State, Value};

const OF_TEXT: &str = "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha \
    isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip \
    maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines \
    startswith strip swapcase title translate upper zfill";
/// Without those that change it: transformers' sandbox hides them, and what begins with a line.
const OF_MAPPINGS: &str = "copy fromkeys get items keys values";
const OF_LISTS: &str = "copy count index";
const OF_TUPLES: &str = "count index";
const OF_INTEGERS: &str =
    "as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes";
const OF_FLOATS: &str = "as_integer_ratio conjugate fromhex hex imag is_integer real";

fn has(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|known| known == name)
}

/// Whether a value of some kind has a method of this name.
pub(super) fn is_method(name: &str) -> bool {
    [OF_TEXT, OF_MAPPINGS, OF_LISTS, OF_INTEGERS, OF_FLOATS].into_iter().any(|names| has(names, name))
}

/// The methods of a value; none of what has attributes of its own, such as a namespace or a loop.
fn methods(value: &Value) -> Option<&'static str> {
    match value.kind() {
        ValueKind::String => Some(OF_TEXT),
        ValueKind::Seq if value.downcast_object_ref::<Tuple>().is_some() => Some(OF_TUPLES),
        ValueKind::Seq => Some(OF_LISTS),
        ValueKind::Bool => Some(OF_INTEGERS),
        ValueKind::Number if value.is_integer() => Some(OF_INTEGERS),
        ValueKind::Number => Some(OF_FLOATS),
        ValueKind::Map if !has_attributes(value) => Some(OF_MAPPINGS),
        _ => None,
    }
}

/// Whether a mapping is one of minijinja's own objects, whose entries are attributes.
fn has_attributes(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        ["Namespace", "Loop", "Macro", "Module"].into_iter().any(|name| {
            let of = object.type_name();
            of.rsplit("::").next().is_some_and(|of| of.starts_with(name))
        })
    })
}

/// The filter `member`: what `value.name` is to Jinja. A method comes before an entry of that name.
///
/// # Errors
/// The value is undefined.
// By value, as filters are called.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn member(value: Value, name: &str) -> Result<Value, Error> {
    match methods(&value) {
        Some(OF_INTEGERS | OF_FLOATS) if matches!(name, "real" | "numerator") => Ok(value),
        Some(names) if has(names, name) => Ok(Value::from_object(Method { value, name: name.to_owned() })),
        _ => value.get_attr(name),
    }
}

/// The filter `item`: what `value['name']` is to Jinja. An entry of that name comes before a method.
///
/// # Errors
/// As there.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn item(value: Value, name: &str) -> Result<Value, Error> {
    let found = if value.kind() == ValueKind::Map { value.get_item(&Value::from(name))? } else { Value::UNDEFINED };
    if found.is_undefined() { member(value, name) } else { Ok(found) }
}

/// The filter `attr`: as [`member`], and entries of mappings are none.
///
/// # Errors
/// As there.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn attr(value: Value, name: &str) -> Result<Value, Error> {
    match methods(&value) {
        Some(names) if !has(names, name) => Ok(Value::UNDEFINED),
        _ => member(value, name),
    }
}

/// A method and what it belongs to.
struct Method {
    value: Value,
    name: String,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in method {}>", self.name)
    }
}

impl Object for Method {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        self.value.call_method(state, &self.name, arguments)
    }
}
