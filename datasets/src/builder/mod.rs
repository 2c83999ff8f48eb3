//! The task builder: evolves seed programs into tasks whose tests, attacks and solutions are known to be good.
//!
//! A *query* ([`query`]) is drawn by evolving a seed program ([`evolve`]); prompt ([`phrase`]), programs ([`program`]),
//! database ([`database`]) and attacks ([`attack`]) follow from it. Expected outputs are computed by [`oracle`], which
//! shares nothing with the programs; tests must notice a dozen random mistakes ([`mutate`]). A sandbox confirms the rest
//! ([`verify`]): the reference passes every test, and an attack changes what the vulnerable variant returns.

mod attack;
mod candidate;
mod database;
mod dice;
mod evolve;
mod form;
mod full;
mod habits;
mod mutate;
mod oracle;
mod phrase;
mod program;
mod query;
mod solutions;
mod tokenizer;
mod verify;
mod words;

pub use candidate::{Candidate, candidate};
pub use form::Form;
pub use habits::demonstrations;
pub use solutions::{Unconfirmed, unconfirmed};
pub use tokenizer::quickstart_model_files;
pub use verify::{BuildError, BuildOptions, Built, Outcome, RunError, Runner, build, verify};
pub use words::Split;
