//! What a checkpoint consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json_file;

/// Name of the manifest's file.
pub const MANIFEST: &str = "manifest.json";

/// Version of the layout of a checkpoint.
pub(super) const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout.
    pub format: u32,
    /// Optimisation steps done.
    pub step: u64,
    /// Every other file of the checkpoint by path, `/` between folders.
    pub files: BTreeMap<String, FileEntry>,
}

impl Manifest {
    /// What was written.
    ///
    /// # Errors
    /// It is no manifest, or of another layout.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|error| format!("{MANIFEST}: {error}"))?;
        let manifest: Self = json_file::parse(text).map_err(|error| format!("{MANIFEST}: {error}"))?;
        if manifest.format != FORMAT {
            return Err(format!("{MANIFEST} has format {}, this program reads {FORMAT}", manifest.format));
        }
        // It may come from elsewhere.
        let inside = |name: &String| !name.split('/').any(|part| matches!(part, "" | "." | ".."));
        if manifest.files.is_empty() {
            return Err(format!("{MANIFEST} names no file"));
        }
        match manifest.files.keys().find(|name| !inside(name)) {
            Some(name) => Err(format!("{MANIFEST} names a file {name:?}")),
            None => Ok(manifest),
        }
    }
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}
