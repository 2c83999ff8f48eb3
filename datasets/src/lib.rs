//! Tasks: the canonical form, loaders of the paper's files, the task builder and the bundled data sets.

mod task;

pub use task::{Message, QualityCheck, Solution, SolutionKind, Task};
