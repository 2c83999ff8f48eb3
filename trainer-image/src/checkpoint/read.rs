//! Finding checkpoints and making sure that they are what was written.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::CheckpointError;
use super::manifest::{MANIFEST, Manifest};
use crate::digests::of_each;
use crate::json_file;

/// A checkpoint's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Optimisation steps done.
    pub step: u64,
    /// The folder.
    pub path: PathBuf,
}

/// All folders `step-N`, oldest first, unchecked; none where `folder` does not exist.
pub fn list(folder: &Path) -> Result<Vec<Checkpoint>, CheckpointError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CheckpointError::io("list", folder)(error)),
    };
    let mut checkpoints = Vec::new();
    for entry in entries {
        let entry = entry.map_err(CheckpointError::io("list", folder))?;
        let step = entry.file_name().to_str().and_then(step_of);
        if let Some(step) = step {
            checkpoints.push(Checkpoint { step, path: entry.path() });
        }
    }
    checkpoints.sort_by_key(|checkpoint| checkpoint.step);
    Ok(checkpoints)
}

/// The step of the checkpoint of that name; none where it is no checkpoint's.
pub fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    // Numbers can be spelt in several ways, names cannot.
    (name == format!("step-{step}")).then_some(step)
}

/// The newest checkpoint that is whole, and what is wrong with those after it. An error where there are checkpoints and
/// none is whole: starting afresh then is a decision for people.
pub fn newest(folder: &Path) -> Result<(Option<Checkpoint>, Vec<CheckpointError>), CheckpointError> {
    let checkpoints = list(folder)?;
    let count = checkpoints.len();
    let mut refused = Vec::new();
    for checkpoint in checkpoints.into_iter().rev() {
        match verify(&checkpoint.path) {
            Ok(_) => return Ok((Some(checkpoint), refused)),
            Err(error) => refused.push(error),
        }
    }
    if refused.is_empty() {
        return Ok((None, refused));
    }
    Err(CheckpointError::AllDamaged { path: folder.into(), count, newest: Box::new(refused.remove(0)) })
}

/// Reads every file of a checkpoint and compares it with the manifest.
pub fn verify(path: &Path) -> Result<Manifest, CheckpointError> {
    let (manifest, _) = manifest(path)?;
    let files: Vec<PathBuf> = manifest.files.keys().map(|name| path.join(name)).collect();
    let found = of_each(&files).map_err(|(file, error)| match error.kind() {
        io::ErrorKind::NotFound => CheckpointError::Damaged { path: file, reason: "it is missing".into() },
        _ => CheckpointError::io("read", file)(error),
    })?;
    for ((file, expected), (bytes, sha256)) in files.into_iter().zip(manifest.files.values()).zip(found) {
        let reason = if bytes != expected.bytes {
            format!("{bytes} bytes, the manifest says {}", expected.bytes)
        } else if sha256 != expected.sha256 {
            format!("SHA-256 {sha256}, the manifest says {}", expected.sha256)
        } else {
            continue;
        };
        return Err(CheckpointError::Damaged { path: file, reason });
    }
    Ok(manifest)
}

/// The manifest of a checkpoint, and its text.
pub(super) fn manifest(path: &Path) -> Result<(Manifest, Vec<u8>), CheckpointError> {
    let no_manifest = |reason: String| CheckpointError::NoManifest { path: path.into(), reason };
    let file = path.join(MANIFEST);
    let text = json_file::text(&file).map(String::into_bytes).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no_manifest(format!("it has no {MANIFEST}")),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => no_manifest(format!("{MANIFEST}: {error}")),
        _ => CheckpointError::io("read", file)(error),
    })?;
    let manifest = Manifest::parse(&text).map_err(no_manifest)?;
    // A folder that somebody copied or named anew would be gone on from at another step than its state is of.
    let named = path.file_name().and_then(|name| step_of(name.to_str()?)).filter(|step| *step != manifest.step);
    if named.is_some() {
        return Err(no_manifest(format!("its {MANIFEST} is of step {}", manifest.step)));
    }
    Ok((manifest, text))
}

#[cfg(test)]
mod tests {
    use super::super::{retain, write};
    use super::*;

    fn make(folder: &Path, step: u64) -> Checkpoint {
        write(folder, step, |inside| -> io::Result<()> {
            fs::write(inside.join("model.safetensors"), format!("weights of {step}"))?;
            fs::create_dir(inside.join("optimizer"))?;
            fs::write(inside.join("optimizer/actor.safetensors"), "moments")
        })
        .expect("a writable folder")
    }

    #[test]
    fn what_was_written_is_found_and_verified() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = make(folder.path(), 3);
        assert_eq!(newest(folder.path()).expect("readable").0, Some(made.clone()));
        let manifest = verify(&made.path).expect("whole");
        let names: Vec<_> = manifest.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["model.safetensors", "optimizer/actor.safetensors"]);
    }

    #[test]
    fn a_damaged_file_is_named_and_the_checkpoint_before_is_used() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (before, damaged) = (make(folder.path(), 2), make(folder.path(), 10));
        fs::write(damaged.path.join("model.safetensors"), "weights of 99").expect("writable");
        let (found, refused) = newest(folder.path()).expect("one is whole");
        assert_eq!(found, Some(before));
        assert!(refused[0].to_string().contains("step-10/model.safetensors is damaged: SHA-256"), "{}", refused[0]);
    }

    #[test]
    fn a_checkpoint_under_another_ones_name_is_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (before, moved) = (make(folder.path(), 2), make(folder.path(), 4));
        fs::rename(&moved.path, folder.path().join("step-9")).expect("renamed");
        let (found, refused) = newest(folder.path()).expect("one is whole");
        assert_eq!(found, Some(before));
        assert!(
            refused[0].to_string().contains("step-9") && refused[0].to_string().contains("is of step 4"),
            "{refused:?}"
        );
    }

    #[test]
    fn where_all_are_damaged_the_error_says_so_instead_of_starting_afresh() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let only = make(folder.path(), 1);
        fs::remove_file(only.path.join("optimizer/actor.safetensors")).expect("removable");
        let error = newest(folder.path()).expect_err("nothing is whole").to_string();
        assert!(error.contains("none of the 1 checkpoints") && error.contains("actor.safetensors"), "{error}");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = write(folder.path(), 4, |inside| {
            fs::write(inside.join("half"), "half").expect("writable");
            Err(anyhow::anyhow!("no space left on device"))
        })
        .expect_err("the content failed");
        let error = format!("{:#}", anyhow::Error::from(error));
        assert!(error.contains("step-4: no space left on device"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }

    #[test]
    fn only_the_newest_and_those_that_are_named_are_retained_and_leftovers_go() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in [1, 2, 3, 10, 9] {
            make(folder.path(), step);
        }
        fs::create_dir(folder.path().join(".step-11.partial")).expect("creatable");
        retain(folder.path(), 2, &[2, 9, 77]).expect("removable");
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        assert_eq!(names, ["step-10", "step-2", "step-9"]);
    }
}
