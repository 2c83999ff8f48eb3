//! Abstract values: what may be known about a run-time value, and what tests and operators make of it.

mod narrow;
mod object;
mod operators;
mod strings;
mod value;

pub(super) use narrow::{View, each, enforce, equal_to, led, matched, member_of, narrowed, without};
pub use object::Object;
pub(super) use operators::{binary, escaped, is_markup, is_path, joined_path, literal_value, with_item};
pub(super) use strings::formatted;
pub use value::{Items, Key, Value};
pub(super) use value::{MAX_ENTRIES, languages, part};
