//! Writing a checkpoint so that it is whole or not there, and removing old ones.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::manifest::{FORMAT, FileEntry, MANIFEST, Manifest};
use super::{Checkpoint, CheckpointError, list};
use crate::digests::of_each;

/// Writes `step-N` below `folder`. `fill` puts the files into the folder it is given; they are synced before the manifest
/// is written and the folder appears under its name. On failure nothing stays behind.
pub fn write<E: Into<anyhow::Error>>(
    folder: &Path,
    step: u64,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<Checkpoint, CheckpointError> {
    let partial = folder.join(format!(".step-{step}.partial"));
    let path = folder.join(format!("step-{step}"));
    remove(&partial)?;
    let written = fs::create_dir_all(&partial)
        .map_err(CheckpointError::io("create", &partial))
        .and_then(|()| {
            fill(&partial).map_err(|error| CheckpointError::Content { path: path.clone(), source: error.into() })
        })
        .and_then(|()| seal(&partial, step))
        .and_then(|()| {
            // A checkpoint of the same step can only be a damaged one that was passed over.
            remove(&path)?;
            fs::rename(&partial, &path).map_err(CheckpointError::io("create", &path))
        });
    if let Err(error) = written {
        // The first failure is the one worth reporting, not that cleaning up failed too.
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    sync(folder)?;
    Ok(Checkpoint { step, path })
}

/// Removes all but the newest `keep` checkpoints (at least one stays) and those of the steps `also`, and what interrupted
/// writes left.
pub fn retain(folder: &Path, keep: u64, also: &[u64]) -> Result<(), CheckpointError> {
    let checkpoints = list(folder)?;
    let surplus = checkpoints.len().saturating_sub(keep.max(1) as usize);
    for checkpoint in checkpoints[..surplus].iter().filter(|checkpoint| !also.contains(&checkpoint.step)) {
        // Renamed first: a removal that is interrupted must not leave half a checkpoint under a checkpoint's name.
        let doomed = folder.join(format!(".step-{}.partial", checkpoint.step));
        remove(&doomed)?;
        fs::rename(&checkpoint.path, &doomed).map_err(CheckpointError::io("remove", &checkpoint.path))?;
    }
    let entries = fs::read_dir(folder).map_err(CheckpointError::io("list", folder))?;
    for entry in entries {
        let entry = entry.map_err(CheckpointError::io("list", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(".step-") && name.ends_with(".partial") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn seal(partial: &Path, step: u64) -> Result<(), CheckpointError> {
    let mut paths = Vec::new();
    collect(partial, &mut paths)?;
    let digests = of_each(&paths).map_err(|(path, error)| CheckpointError::io("read", path)(error))?;
    let entry = |(path, (bytes, sha256)): (&PathBuf, _)| (relative(partial, path), FileEntry { bytes, sha256 });
    let files: BTreeMap<String, FileEntry> = paths.iter().zip(digests).map(entry).collect();
    let manifest = serde_json::to_vec_pretty(&Manifest { format: FORMAT, step, files })
        .map_err(|error| CheckpointError::Content { path: partial.into(), source: error.into() })?;
    let path = partial.join(MANIFEST);
    fs::write(&path, manifest).map_err(CheckpointError::io("write", &path))?;
    sync(&path)?;
    sync(partial)
}

/// Syncs all files below a folder, and the folder.
pub fn sync_all(folder: &Path) -> Result<(), CheckpointError> {
    collect(folder, &mut Vec::new())?;
    sync(folder)
}

/// All files below `folder`, synced.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(CheckpointError::io("list", folder))? {
        let path: PathBuf = entry.map_err(CheckpointError::io("list", folder))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path.clone());
        }
        sync(&path)?;
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

pub(super) fn sync(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(CheckpointError::io("sync", path))
}

fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CheckpointError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
