//! What can go wrong with a bucket of checkpoints.

use std::io;
use std::path::PathBuf;

use real_sources::SourceError;

/// What can go wrong with a bucket of checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store did not do what was asked of it.
    #[error("checkpoint store {uri}: {source}")]
    Source {
        /// The store.
        uri: String,
        /// Why not.
        source: SourceError,
    },
    /// It is somebody else's.
    #[error(
        "checkpoint store {uri}: it holds checkpoints of job {job}, and this is {own}: give each job a prefix of its own"
    )]
    AnotherJob {
        /// The store.
        uri: String,
        /// Whose it is.
        job: String,
        /// This job.
        own: String,
    },
    /// Another trainer of the same job has begun.
    #[error(
        "checkpoint store {uri}: another trainer of this job (attempt {attempt}) writes there now; this one ends, so that there are not two"
    )]
    Taken {
        /// The store.
        uri: String,
        /// Number of the other's attempt.
        attempt: u64,
    },
    /// A file of it is not ours.
    #[error("checkpoint store {uri}: {name} cannot be read: {reason}")]
    Content {
        /// The store.
        uri: String,
        /// The object.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something on this machine.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The run is over and its last checkpoint is on this machine alone.
    #[error(
        "the checkpoint of step {step} could not be stored in {uri} within {waited} s; it is in {}, and the newest there is {newest}; the last \
         reason: {last}", path.display()
    )]
    NotStored {
        /// Its step.
        step: u64,
        /// The store.
        uri: String,
        /// Seconds without success.
        waited: u64,
        /// Where it is.
        path: PathBuf,
        /// The newest that is stored, or `none`.
        newest: String,
        /// Why the last try failed.
        last: String,
    },
}

impl StoreError {
    /// Whether it will be no better at another time or on another machine.
    pub fn lasts(&self) -> bool {
        match self {
            Self::AnotherJob { .. } => true,
            Self::Source { source, .. } => !source.is_passing() && !matches!(source, SourceError::Wrong { .. }),
            _ => false,
        }
    }

    /// Whether a checkpoint is not what was written, so that an earlier one is of more use.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Content { .. } => true,
            Self::Source { source, .. } => {
                matches!(source, SourceError::Wrong { .. } | SourceError::Refused { status: 404, .. })
            }
            _ => false,
        }
    }

    /// A word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotStored { .. } => "CheckpointNotStored",
            Self::Taken { .. } => "CheckpointStoreTaken",
            _ => "CheckpointStoreUnusable",
        }
    }
}
