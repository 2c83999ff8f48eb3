//! Tasks: the canonical form, loaders of the paper's files, the task builder and the bundled data sets.
#![forbid(unsafe_code)]

mod apps;
mod attacks;
pub mod builder;
mod bundled;
mod demonstration;
mod error;
mod exceptions;
pub mod files;
pub mod guard;
mod humaneval;
mod kind;
mod load;
mod mbpp;
mod nothing;
mod own;
pub mod partial;
mod prompts;
mod python_float;
mod python_json;
mod python_literal;
mod python_tests;
mod reader;
mod record;
mod records;
mod safesql;
mod seccodeplt;
mod source;
mod structure;
mod task;
mod write;

pub use bundled::bundled_names;
pub use demonstration::{Demonstration, check_demonstrations, load_demonstrations};
pub use error::LoadError;
pub use kind::DatasetKind;
pub use load::{Reading, each, each_value, each_with, load, load_as, load_with};
pub use nothing::{expects_nothing, passed_by_nothing};
pub use own::{ColumnRole, Mapping};
pub use python_tests::beside_the_program;
pub use structure::structure;
pub use task::{Message, QualityCheck, Solution, SolutionKind, Task};
pub use write::{WriteError, write_jsonl};
