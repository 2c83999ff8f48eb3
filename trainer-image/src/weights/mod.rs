//! Tensors in files: the safetensors format, one file or several with an index.

mod files;
mod reader;
mod writer;

use std::path::Path;

use tch::Tensor;

use crate::model::ModelError;

pub use files::Files;
pub use reader::WeightFiles;
pub use writer::save_tensors;

/// Weights of a model that fits one file.
pub const SINGLE_FILE: &str = "model.safetensors";
/// Which file holds which tensor, where there are several.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

/// Refuses a tensor with values that are not finite.
fn finite(tensor: &Tensor, name: &str, path: &Path) -> Result<(), ModelError> {
    if !tensor.is_floating_point() {
        return Ok(());
    }
    let finite = tensor.detach().isfinite();
    if bool::try_from(finite.all()).unwrap_or(false) {
        return Ok(());
    }
    let count = finite.logical_not().sum(tch::Kind::Int64).int64_value(&[]);
    Err(ModelError::NotFinite { path: path.to_path_buf(), name: name.to_owned(), count })
}
