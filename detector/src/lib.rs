//! Static analysis of Python programs: taint from source to sink over SSA, and `mypy --strict`.
//!
//! parse → control-flow graphs in SSA form → interprocedural taint with guards as facts about values → findings.

#![forbid(unsafe_code)]

pub mod analysis;
pub mod budget;
pub mod catalogue;
pub mod cfg;
pub mod dataflow;
mod dotted;
pub mod entry;
mod few;
mod hopeless;
pub mod judge;
pub mod mypy;
pub mod rules;
pub mod server;
pub mod ssa;
mod suppress;
pub mod syntax;
pub mod taint;
pub mod text;

pub use analysis::{Options, analyze, analyze_counting};
pub use budget::Effort;
pub use suppress::suppressed_lines;
