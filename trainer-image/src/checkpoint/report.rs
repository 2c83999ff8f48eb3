//! What others are told about a checkpoint.

use std::fs;

use jiff::Timestamp;
use real_crds::progress;
use sha2::{Digest, Sha256};

use super::manifest::MANIFEST;
use super::read::manifest;
use super::{Checkpoint, CheckpointError};

/// Identity, size and time of a checkpoint, all from its manifest, which was written last: the other files are not read.
pub fn report(checkpoint: &Checkpoint) -> Result<progress::Checkpoint, CheckpointError> {
    let (manifest, text) = manifest(&checkpoint.path)?;
    let path = checkpoint.path.join(MANIFEST);
    let written = fs::metadata(&path).and_then(|metadata| metadata.modified());
    let written = written.map_err(CheckpointError::io("look at", path))?;
    Ok(progress::Checkpoint {
        step: checkpoint.step,
        sha256: real_sources::hex(&Sha256::digest(&text)),
        size_bytes: manifest.files.values().fold(0, |sum, file| sum.saturating_add(file.bytes)),
        // A clock so wrong that no calendar has its time is no reason to have no checkpoint.
        time: Timestamp::try_from(written).ok(),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::write;
    use super::*;

    #[test]
    fn a_checkpoint_is_known_by_its_manifest() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let before = Timestamp::now();
        let made = write(folder.path(), 3, |inside| -> io::Result<()> {
            fs::write(inside.join("model.safetensors"), "weights")?;
            fs::write(inside.join("state.json"), "{}")
        })
        .expect("a writable folder");
        let told = report(&made).expect("whole");
        let manifest = real_sources::hex(&Sha256::digest(fs::read(made.path.join(MANIFEST)).expect("readable")));
        assert_eq!((told.step, told.sha256, told.size_bytes), (3, manifest, 9));
        let age = told.time.expect("a time").duration_since(before).as_secs();
        assert!(age.abs() < 60, "{age} s");
    }

    #[test]
    fn a_folder_without_a_manifest_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = report(&Checkpoint { step: 1, path: folder.path().into() }).expect_err("nothing is there");
        assert!(error.to_string().contains("is not a checkpoint: it has no manifest.json"), "{error}");
    }
}
