//! Files that are yet to be written: what a checkpoint will hold, taken at one moment.

use std::path::{Path, PathBuf};

use tch::{Device, Tensor, no_grad};

use super::save_tensors;
use crate::model::ModelError;

/// Files with their content, to be written to a folder.
#[derive(Debug, Default)]
pub struct Files(Vec<(PathBuf, Content)>);

#[derive(Debug)]
enum Content {
    Tensors(Vec<(String, Tensor)>),
    Text(String),
}

impl Files {
    /// Adds a safetensors file. The tensors are the caller's own: write before they change, or [`Files::detached`].
    pub fn tensors(&mut self, name: impl Into<PathBuf>, tensors: Vec<(String, Tensor)>) {
        self.0.push((name.into(), Content::Tensors(tensors)));
    }

    /// Adds a text.
    pub fn text(&mut self, name: impl Into<PathBuf>, text: String) {
        self.0.push((name.into(), Content::Text(text)));
    }

    /// Adds the files of another folder as `folder`.
    pub fn below(&mut self, folder: &str, files: Self) {
        self.0.extend(files.0.into_iter().map(|(name, content)| (Path::new(folder).join(name), content)));
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        let of = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
        let tensors = self.0.iter().flat_map(|(_, content)| match content {
            Content::Tensors(tensors) => tensors.as_slice(),
            Content::Text(_) => &[],
        });
        tensors.map(|(_, tensor)| of(tensor)).sum()
    }

    /// The same with tensors of its own in host memory, which nothing changes any more.
    #[must_use]
    pub fn detached(self) -> Self {
        let copy = |tensor: &Tensor| {
            let tensor = tensor.detach();
            if tensor.device() == Device::Cpu { tensor.copy() } else { tensor.to_device(Device::Cpu) }
        };
        let detached = |content| match content {
            Content::Tensors(tensors) => {
                Content::Tensors(tensors.into_iter().map(|(name, tensor)| (name, copy(&tensor))).collect())
            }
            text @ Content::Text(_) => text,
        };
        no_grad(|| Self(self.0.into_iter().map(|(name, content)| (name, detached(content))).collect()))
    }

    /// Writes them below `folder`.
    ///
    /// # Errors
    /// A file cannot be written, or a tensor has values that are not finite.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        std::fs::create_dir_all(folder).map_err(|error| ModelError::write(folder, error))?;
        for (name, content) in &self.0 {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|error| ModelError::write(parent, error))?;
            }
            match content {
                Content::Tensors(tensors) => {
                    save_tensors(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
                }
                Content::Text(text) => {
                    std::fs::write(&path, text).map_err(|error| ModelError::write(&path, error))?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFiles;

    #[test]
    fn what_was_detached_is_written_as_it_was_whatever_is_done_to_the_tensors() {
        let mut weights = Tensor::from_slice(&[1.0_f32, 2.0]);
        let of = |tensor: &Tensor| {
            let mut files = Files::default();
            files.tensors("a/weights.safetensors", vec![("w".to_owned(), tensor.shallow_clone())]);
            files.text("state.json", "{}".to_owned());
            files
        };
        let (own, shared) = (of(&weights).detached(), of(&weights));
        assert_eq!(own.bytes(), 8);
        let _ = weights.fill_(7.0);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let read = |files: Files, name: &str| -> Vec<f32> {
            let folder = folder.path().join(name);
            files.write(&folder).expect("writable");
            let mut file = WeightFiles::open(&folder.join("a/weights.safetensors")).expect("written");
            Vec::try_from(file.read("w", &[2], tch::Kind::Float, Device::Cpu).expect("there")).expect("numbers")
        };
        assert_eq!(read(own, "own"), [1.0, 2.0]);
        assert_eq!(read(shared, "shared"), [7.0, 7.0]);
    }
}
