//! Tasks: the canonical form, loaders of the paper's files, the task builder and the bundled data sets.
#![forbid(unsafe_code)]

mod apps;
pub mod builder;
mod bundled;
mod demonstration;
mod error;
mod exceptions;
pub mod files;
mod jsonl;
mod kind;
mod load;
mod parquet_rows;
mod prompts;
mod python_float;
mod python_json;
mod python_literal;
mod record;
mod safesql;
mod seccodeplt;
mod source;
mod structure;
mod task;
mod write;

pub use demonstration::{Demonstration, check_demonstrations, load_demonstrations};
pub use error::LoadError;
pub use kind::DatasetKind;
pub use load::{each, load, load_as};
pub use structure::structure;
pub use task::{Message, QualityCheck, Solution, SolutionKind, Task};
pub use write::{WriteError, write_jsonl};
