//! Taint analysis: which values an attacker has a say in, and what they may look like.
//!
//! Each module imports only what stands before it in this order: `domain` (abstract values), `store` (what is known so far),
//! `frame` (a function with its facts), `refine` (what tests say), `eval` (transfer functions), `solver`, `check` (where a rule
//! does not hold), `report` (traces and findings).

mod check;
mod domain;
mod eval;
mod frame;
mod refine;
mod report;
mod solver;
mod store;

pub use check::constant_code;
pub use domain::{Items, Key, Object, Value};
pub use report::find;
pub use solver::solve_program;
pub use store::Solved;
