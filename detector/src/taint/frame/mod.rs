//! A function with its facts, read-only.

mod arguments;
mod cleared;
mod folder;
mod scope;

pub(super) use arguments::{Arguments, fact, has_plain_flags};
pub(super) use scope::{Scope, Test};
