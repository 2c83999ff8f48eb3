//! Optimiser state in checkpoints: `optimizer/NAME.safetensors`, whole tensors, so that it fits any number of ranks.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tch::Device;

use super::stop::Stop;
use crate::optim::AdamW;
use crate::weights::{Files, WeightFiles};

/// Adds the state of an optimiser to the files of a checkpoint.
pub fn add(files: &mut Files, optimizer: &AdamW, name: &str) {
    files.tensors(file(Path::new(""), name), optimizer.state());
}

/// Reads the state of an optimiser of the same parameters, unless someone asks to stop meanwhile.
pub fn load(optimizer: &mut AdamW, folder: &Path, name: &str, device: Device, stop: &Stop) -> anyhow::Result<()> {
    let path = file(folder, name);
    let place = path.clone();
    let state = stop.unless_requested(move || WeightFiles::open(&place)?.read_all(device))??;
    optimizer.load_state(&state).with_context(|| path.display().to_string())
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join("optimizer").join(format!("{name}.safetensors"))
}
