//! Taint analysis: which values an attacker has a say in, and what they may look like.

mod binding;
mod calls;
mod constant;
mod control;
mod effects;
mod findings;
mod guards;
mod leave;
mod mutations;
mod namespace;
mod narrow;
mod obligation;
mod open;
mod origins;
mod parsers;
mod protocols;
mod record;
mod regex;
mod shared;
mod solver;
mod store;
mod trace;
mod transfer;
mod trees;
mod urls;
mod value;

pub use findings::find;
pub use open::constant_code;
pub use solver::{Solved, solve_program};
pub use value::{Items, Key, Object, Value};
