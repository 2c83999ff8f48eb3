//! Tensors in files: the safetensors format, one file or several with an index.

mod reader;
mod writer;

pub use reader::WeightFiles;
pub use writer::save_tensors;

/// Weights of a model that fits one file.
pub const SINGLE_FILE: &str = "model.safetensors";
/// Which file holds which tensor, where there are several.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
