//! Abstract values: what may be known about a run-time value, and what tests and operators make of it.

mod narrow;
mod operators;
mod strings;
mod value;

pub(super) use narrow::{View, each, equal_to, matched, member_of, narrowed, without};
pub(super) use operators::{binary, literal_value, with_item};
pub(super) use strings::formatted;
pub use value::{Items, Key, Object, Value};
pub(super) use value::{MAX_ENTRIES, languages, part};
