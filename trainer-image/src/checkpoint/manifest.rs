//! What a checkpoint consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Length.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}
