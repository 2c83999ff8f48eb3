//! Comparison of what came with what was expected. Runs in the parent, on data.

#![expect(clippy::float_cmp, reason = "Python's == on floats is what is meant")]

mod number;
mod output;
mod value;

pub use output::outputs_equal;
pub use value::values_equal;
