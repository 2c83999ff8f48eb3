//! API types of REAL's custom resources, their validation and the trainer configuration they render to.
//!
//! * [`v1alpha1`]: the types, with bounds, defaults and rules.
//! * [`definitions()`]: the custom resource definitions made from them.
//! * [`validate`]: what the API server would say about a file, without one, with lines; `--set spec.path=value`.
//! * [`generate`]: the files made from the definitions.
//! * [`render()`]: from a job to the trainer's [`config`].
//! * [`sweep`]: from a matrix of settings to the cells of a sweep.
//! * [`progress`]: what a trainer says about its run.
//! * [`cell`]: what one cell of a sweep evaluates, and what its pods say.
#![forbid(unsafe_code)]

pub mod cell;
pub mod config;
mod definitions;
pub mod generate;
pub mod progress;
mod reference;
mod render;
pub mod sweep;
pub mod v1alpha1;
pub mod validate;

pub use definitions::{VERSIONS, definitions, definitions_as};
pub use render::{Endpoints, render, reward};

/// Whether a count says nothing, and need not be written.
pub fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}
