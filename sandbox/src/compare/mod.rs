//! Comparison of what came with what was expected. Runs in the parent, on data.

mod number;
mod output;
mod value;

pub use output::outputs_equal;
pub use value::values_equal;
