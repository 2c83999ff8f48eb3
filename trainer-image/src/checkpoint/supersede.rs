//! Setting checkpoints aside when a run goes back behind them.

use std::fs;
use std::path::{Path, PathBuf};

use super::write::sync;
use super::{CheckpointError, list};

/// Renames every checkpoint after `step` to `superseded-step-M`, so that no start goes on from it any more, and gives the
/// new places. Nothing is deleted: where the name is taken, a number follows it.
pub fn supersede(folder: &Path, step: u64) -> Result<Vec<PathBuf>, CheckpointError> {
    let mut places = Vec::new();
    for checkpoint in list(folder)?.into_iter().filter(|checkpoint| checkpoint.step > step) {
        let place = free_name(folder, &format!("superseded-step-{}", checkpoint.step));
        fs::rename(&checkpoint.path, &place).map_err(CheckpointError::io("rename", &checkpoint.path))?;
        places.push(place);
    }
    if !places.is_empty() {
        sync(folder)?;
    }
    Ok(places)
}

fn free_name(folder: &Path, name: &str) -> PathBuf {
    let numbered = (1_u64..).map(|number| format!("{name}.{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered).map(|name| folder.join(name));
    names.find(|path| !path.exists()).expect("there are more numbers than folders")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::{newest, write};
    use super::*;

    fn make(folder: &Path, step: u64, content: &str) {
        write(folder, step, |inside| -> io::Result<()> { fs::write(inside.join("model.safetensors"), content) })
            .expect("a writable folder");
    }

    #[test]
    fn later_checkpoints_are_kept_under_names_that_are_none_of_a_checkpoint() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in [2, 4, 10] {
            make(folder.path(), step, "first time");
        }
        let places = supersede(folder.path(), 2).expect("renamable");
        assert_eq!(places, [4, 10].map(|step| folder.path().join(format!("superseded-step-{step}"))));
        assert_eq!(newest(folder.path()).expect("readable").0.map(|found| found.step), Some(2));

        make(folder.path(), 4, "second time");
        let places = supersede(folder.path(), 2).expect("renamable");
        assert_eq!(places, [folder.path().join("superseded-step-4.1")]);
        let content = |name: &str| fs::read_to_string(folder.path().join(name).join("model.safetensors"));
        assert_eq!(content("superseded-step-4").expect("kept"), "first time");
        assert_eq!(content("superseded-step-4.1").expect("kept"), "second time");
        assert!(supersede(folder.path(), 2).expect("nothing to do").is_empty());
    }
}
