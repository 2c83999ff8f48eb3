//! The files made from the types: a YAML file a definition, and the reference of the API. They are committed, and a test fails
//! when they are stale.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{definitions, reference};

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Path relative to the workspace's root.
    pub path: PathBuf,
    /// What it should hold.
    pub content: String,
}

/// First line of every generated YAML file.
const NOTICE: &str = "# Made from the types in crds/src by `cargo run -p real-crds`. Do not edit.\n";

/// All generated files.
///
/// # Panics
///
/// If a definition cannot be written as YAML, which is a bug.
pub fn files() -> Vec<GeneratedFile> {
    let definitions = definitions();
    let mut files: Vec<GeneratedFile> = definitions
        .iter()
        .map(|definition| {
            let name = format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
            let yaml = serde_saphyr::to_string(definition).expect("a definition is plain data");
            GeneratedFile { path: Path::new("crds").join(name), content: format!("{NOTICE}{yaml}") }
        })
        .collect();
    files.push(GeneratedFile { path: PathBuf::from("docs/api.md"), content: reference::markdown(&definitions) });
    files
}

/// Writes the files that differ from what is below `root` and returns their paths.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write(root: &Path) -> io::Result<Vec<PathBuf>> {
    let stale = stale(root);
    for file in &stale {
        let path = root.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &file.content)?;
    }
    Ok(stale.into_iter().map(|file| file.path).collect())
}

/// The files that are missing below `root` or differ.
pub fn stale(root: &Path) -> Vec<GeneratedFile> {
    files()
        .into_iter()
        .filter(|file| fs::read_to_string(root.join(&file.path)).ok().as_deref() != Some(&file.content))
        .collect()
}
