//! What a cell's verdicts depend on, by content: a file or a folder may be another one under the same name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use real_datasets::Task;
use real_evaluation::answers::Source;
use sha2::{Digest as _, Sha256};

use super::plan::Target;

/// Of files that are longer only so many bytes at either end are looked at: weights that were learnt on differ in all of them.
const END: u64 = 1 << 20;

/// How many tasks there are, and a digest of them.
pub(super) fn of_tasks(tasks: &BTreeMap<String, Task>) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    for task in tasks.values() {
        hasher.update(serde_json::to_vec(task)?);
        hasher.update(b"\n");
    }
    Ok(format!("{} tasks, {}", tasks.len(), short(hasher)))
}

/// What a target is, as far as that is on this machine; what is elsewhere has a name, and what it was is not known.
pub(super) fn of_target(target: &Target) -> anyhow::Result<Option<String>> {
    let mut hasher = Sha256::new();
    match target {
        Target::Answers(Source::File(path)) => add(&mut hasher, path, u64::MAX)?,
        Target::Model(uri) => {
            let Ok(real_sources::Place::Path(folder)) = real_sources::Place::parse(uri) else { return Ok(None) };
            if !folder.is_dir() {
                return Ok(None);
            }
            for path in files(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
                hasher.update(path.file_name().unwrap_or_default().as_encoded_bytes());
                add(&mut hasher, &path, END)?;
            }
        }
        Target::Answers(_) | Target::Endpoint(_) => return Ok(None),
    }
    Ok(Some(short(hasher)))
}

/// The files of a folder itself, by name, that make up a model.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let counts = path
            .extension()
            .is_some_and(|ending| ["json", "safetensors", "jinja", "txt"].iter().any(|known| ending == *known));
        if counts && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Adds the length of a file and its content, or its ends.
fn add(hasher: &mut Sha256, path: &Path, end: u64) -> anyhow::Result<()> {
    let mut read = || -> io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        hasher.update(length.to_le_bytes());
        if length / 2 <= end {
            return update(hasher, &mut file);
        }
        update(hasher, &mut (&mut file).take(end))?;
        file.seek(SeekFrom::Start(length - end))?;
        update(hasher, &mut file)
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn update(hasher: &mut Sha256, reader: &mut impl io::Read) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn short(hasher: Sha256) -> String {
    format!("SHA-256 {}", real_sources::hex(&hasher.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_the_ends_of_its_files_and_by_their_lengths() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        let target = Target::Model(folder.path().display().to_string());
        let of = || of_target(&target).unwrap().unwrap();
        let mut content = vec![7_u8; 3 << 20];
        fs::write(&weights, &content).unwrap();
        let before = of();
        fs::write(folder.path().join("README.md"), "of no account").unwrap();
        assert_eq!(of(), before);
        for change in [0, content.len() - 1] {
            content[change] ^= 1;
            fs::write(&weights, &content).unwrap();
            assert_ne!(of(), before, "byte {change}");
            content[change] ^= 1;
        }
        content.push(7);
        fs::write(&weights, &content).unwrap();
        assert_ne!(of(), before);
        assert_eq!(of_target(&Target::Model("hf://org/name".into())).unwrap(), None);
    }
}
