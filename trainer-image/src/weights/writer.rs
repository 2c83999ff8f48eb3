//! Writing a safetensors file, one tensor in host memory at a time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, View};
use tch::{Kind, Tensor};

use super::finite;
use crate::model::ModelError;

struct Entry<'t> {
    tensor: &'t Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl View for Entry<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0u8; self.data_len()];
        let tensor = self.tensor.detach().contiguous();
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}

/// Writes named tensors to `path`, under a temporary name first, so that no half-written file ever has the name.
///
/// # Errors
/// The file cannot be written, a tensor's type has no counterpart in the format, or a tensor has values that are not
/// finite; then nothing is written.
pub fn save_tensors<'t>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'t str, &'t Tensor)>,
) -> Result<(), ModelError> {
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        let dtype = match tensor.kind() {
            Kind::Double => Dtype::F64,
            Kind::Float => Dtype::F32,
            Kind::Half => Dtype::F16,
            Kind::BFloat16 => Dtype::BF16,
            Kind::Int64 => Dtype::I64,
            Kind::Int => Dtype::I32,
            Kind::Uint8 => Dtype::U8,
            Kind::Bool => Dtype::BOOL,
            other => {
                return Err(ModelError::malformed(
                    path,
                    format!("tensor {name} has type {other:?}, which cannot be saved"),
                ));
            }
        };
        finite(tensor, name, path)?;
        let shape = tensor.size().iter().map(|n| *n as usize).collect();
        entries.push((name, Entry { tensor, dtype, shape }));
    }
    // transformers refuses files that do not say which framework's layout they have.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let partial = path.with_extension("partial");
    safetensors::serialize_to_file(entries, Some(metadata), &partial)
        .map_err(|e| ModelError::write(path, std::io::Error::other(e)))?;
    std::fs::rename(&partial, path).map_err(|e| ModelError::write(path, e))
}
