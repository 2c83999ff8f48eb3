//! Checkpoints: a folder `step-N` is either whole or not there.
//!
//! Files are written to a hidden folder beside it, synced, listed with their SHA-256 in `manifest.json` (last), and the
//! folder is renamed. What is read back is checked against the manifest; a damaged checkpoint is named and passed over.
//! Checkpoints that a run went back behind are kept as `superseded-step-N`.

mod background;
pub mod lease;
mod manifest;
mod read;
mod report;
mod supersede;
mod write;

use std::path::PathBuf;

pub use background::Writing;
pub use manifest::{FileEntry, MANIFEST, Manifest};
pub use read::{Checkpoint, list, newest, step_of, verify};
pub use report::report;
pub use supersede::supersede;
pub use write::{retain, sync_all, write};

/// That a checkpoint is there longer than the job says, for people.
pub fn kept_for(step: u64, lease: &lease::Lease) -> String {
    format!(
        "the checkpoint of step {step} is kept longer: {} reads it, until {} at the latest",
        lease.holder, lease.expires
    )
}

/// What can go wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The manifest is missing or not ours.
    #[error("{} is not a checkpoint: {reason}", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file is not what was written, or is not there.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Missing, of another length, or of another SHA-256.
        reason: String,
    },
    /// What belongs into the checkpoint could not be produced.
    #[error("cannot write checkpoint {}", path.display())]
    Content {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: anyhow::Error,
    },
    /// There are checkpoints, and none of them is whole.
    #[error("none of the {count} checkpoints in {} can be used; the newest: {newest}", path.display())]
    AllDamaged {
        /// The folder.
        path: PathBuf,
        /// How many there are.
        count: usize,
        /// What is wrong with the newest.
        #[source]
        newest: Box<CheckpointError>,
    },
}

impl CheckpointError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
