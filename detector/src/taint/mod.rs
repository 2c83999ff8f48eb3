//! Taint analysis: which values an attacker has a say in, and what they may look like.

mod binding;
mod calls;
mod effects;
mod findings;
mod guards;
mod mutations;
mod namespace;
mod narrow;
mod open;
mod solver;
mod trace;
mod transfer;
mod trees;
mod value;

pub use findings::find;
pub use open::constant_code;
pub use solver::{Expired, Solved, solve_program};
pub use value::{Items, Key, Object, Value};
