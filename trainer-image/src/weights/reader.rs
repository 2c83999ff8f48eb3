//! Reading tensors one at a time, so that no model is twice in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, tensor::Metadata};
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::{INDEX_FILE, SINGLE_FILE, finite};
use crate::json_file;
use crate::model::ModelError;

/// The weight files of a folder, opened.
#[derive(Debug)]
pub struct WeightFiles {
    place: PathBuf,
    files: Vec<WeightFile>,
    holder: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct WeightFile {
    path: PathBuf,
    file: File,
    metadata: Metadata,
    data_start: u64,
}

/// Longest header of a file, bytes: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl WeightFiles {
    /// Opens `model.safetensors` of `dir`, or the files that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// Neither is there, or a file is not in the safetensors format.
    pub fn open_model(dir: &Path) -> Result<Self, ModelError> {
        let index_path = dir.join(INDEX_FILE);
        let single = dir.join(SINGLE_FILE);
        if single.exists() || !index_path.exists() {
            return Self::open(&single);
        }
        let text = json_file::text(&index_path).map_err(|e| ModelError::read(&index_path, e))?;
        let index: Index = json_file::parse(&text).map_err(|e| ModelError::malformed(&index_path, e))?;
        let mut names: Vec<&String> = index.weight_map.values().collect();
        names.sort();
        names.dedup();
        let mut all = Self { place: dir.to_path_buf(), files: Vec::new(), holder: BTreeMap::new() };
        for name in names {
            if Path::new(name).components().count() != 1 {
                return Err(ModelError::malformed(&index_path, format!("{name} is not a file name in this folder")));
            }
            all.add(WeightFile::open(&dir.join(name))?);
        }
        Ok(all)
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// It cannot be read or is not in the safetensors format.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let mut all = Self { place: path.to_path_buf(), files: Vec::new(), holder: BTreeMap::new() };
        all.add(WeightFile::open(path)?);
        Ok(all)
    }

    /// Names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.holder.keys().map(String::as_str)
    }

    /// The file, or the folder where there are several.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether there is a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.holder.contains_key(name)
    }

    /// Reads a tensor of the expected shape as `kind` on `device`.
    ///
    /// # Errors
    /// There is no such tensor, it has another shape, an unknown type or values that are not finite as `kind`, or cannot be
    /// read.
    pub fn read(&mut self, name: &str, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, ModelError> {
        let Some(&holder) = self.holder.get(name) else {
            let (path, name) = (self.place.clone(), name.to_owned());
            return Err(ModelError::MissingTensor { path, name, shape: shape.to_vec() });
        };
        let file = &mut self.files[holder];
        let found = file.shape(name);
        if found != shape {
            let (path, name, expected) = (file.path.clone(), name.to_owned(), shape.to_vec());
            return Err(ModelError::Shape { path, name, found, expected });
        }
        let tensor = file.read(name)?.to_device(device).to_kind(kind);
        finite(&tensor, name, &file.path)?;
        Ok(tensor)
    }

    /// Reads every tensor, as it is, to `device`.
    ///
    /// # Errors
    /// A tensor has an unknown type, has values that are not finite, or cannot be read.
    pub fn read_all(&mut self, device: Device) -> Result<BTreeMap<String, Tensor>, ModelError> {
        let holder = self.holder.clone();
        let mut read = |(name, i): (String, usize)| {
            let file: &mut WeightFile = &mut self.files[i];
            let tensor = file.read(&name)?.to_device(device);
            finite(&tensor, &name, &file.path)?;
            Ok((name, tensor))
        };
        holder.into_iter().map(&mut read).collect()
    }

    fn add(&mut self, file: WeightFile) {
        self.holder.extend(file.metadata.offset_keys().into_iter().map(|name| (name, self.files.len())));
        self.files.push(file);
    }
}

impl WeightFile {
    fn open(path: &Path) -> Result<Self, ModelError> {
        let read_error = |e| ModelError::read(path, e);
        let mut file = File::open(path).map_err(read_error)?;
        let size = file.metadata().map_err(read_error)?.len();
        let mut length = [0u8; 8];
        file.read_exact(&mut length)
            .map_err(|e| ModelError::malformed(path, format!("not a safetensors file: {e}")))?;
        let header = u64::from_le_bytes(length);
        if header > size.saturating_sub(8) {
            return Err(ModelError::malformed(path, "not a safetensors file: its header is longer than the file"));
        }
        if header > LONGEST_HEADER {
            let reason =
                format!("not a safetensors file: its header has {header} bytes, at most {LONGEST_HEADER} are allowed");
            return Err(ModelError::malformed(path, reason));
        }
        let mut buffer = Vec::new();
        file.by_ref().take(header).read_to_end(&mut buffer).map_err(read_error)?;
        let metadata: Metadata = serde_json::from_slice(&buffer)
            .map_err(|e| ModelError::malformed(path, format!("not a safetensors file: {e}")))?;
        let data_start = 8 + header;
        let expected = data_start + metadata.data_len() as u64;
        if expected != size {
            let reason = format!("it has {size} bytes and its header describes {expected}: the file is cut short");
            return Err(ModelError::malformed(path, reason));
        }
        Ok(Self { path: path.to_path_buf(), file, metadata, data_start })
    }

    fn shape(&self, name: &str) -> Vec<i64> {
        self.metadata.info(name).map(|i| i.shape.iter().map(|n| *n as i64).collect()).unwrap_or_default()
    }

    fn read(&mut self, name: &str) -> Result<Tensor, ModelError> {
        let shape = self.shape(name);
        let missing = || ModelError::malformed(&self.path, format!("no tensor {name}"));
        let info = self.metadata.info(name).ok_or_else(missing)?;
        let kind = match info.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            Dtype::I32 => Kind::Int,
            Dtype::U8 => Kind::Uint8,
            other => {
                let reason =
                    format!("tensor {name} has type {other:?}; allowed are floats of 16 to 64 bits and integers");
                return Err(ModelError::malformed(&self.path, reason));
            }
        };
        let (from, to) = info.data_offsets;
        let mut bytes = vec![0u8; to - from];
        self.file.seek(SeekFrom::Start(self.data_start + from as u64)).map_err(|e| ModelError::read(&self.path, e))?;
        self.file.read_exact(&mut bytes).map_err(|e| ModelError::read(&self.path, e))?;
        Ok(Tensor::from_data_size(&bytes, &shape, kind))
    }
}
