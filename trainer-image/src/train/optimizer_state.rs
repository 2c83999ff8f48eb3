//! Optimiser state in checkpoints: `optimizer/NAME.safetensors`, whole tensors, so that it fits any number of ranks.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tch::Device;

use crate::optim::AdamW;
use crate::weights::{WeightFiles, save_tensors};

/// Writes the state of an optimiser below a checkpoint's folder.
pub fn save(optimizer: &AdamW, folder: &Path, name: &str) -> anyhow::Result<()> {
    let path = file(folder, name);
    fs::create_dir_all(folder.join("optimizer")).with_context(|| format!("cannot create {}", path.display()))?;
    let state = optimizer.state();
    Ok(save_tensors(&path, state.iter().map(|(name, tensor)| (name.as_str(), tensor)))?)
}

/// Reads the state of an optimiser of the same parameters.
pub fn load(optimizer: &mut AdamW, folder: &Path, name: &str, device: Device) -> anyhow::Result<()> {
    let path = file(folder, name);
    let state = WeightFiles::open(&path)?.read_all(device)?;
    optimizer.load_state(&state).with_context(|| path.display().to_string())
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join("optimizer").join(format!("{name}.safetensors"))
}
