//! Findings, for people.

mod findings;
mod trace;

pub use findings::find;
