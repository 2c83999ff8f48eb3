//! Why a run failed, told apart by whether trying again can help.

use std::error::Error;
use std::io::{self, ErrorKind};

use real_datasets::LoadError;

use crate::checkpoint::CheckpointError;
use crate::model::ModelError;

/// Why a run failed.
#[derive(Debug)]
pub enum Failure {
    /// It would fail again: somebody has to change the configuration or what it names.
    Config(anyhow::Error),
    /// Anything else: disks, services, this machine.
    Run(anyhow::Error),
}

impl Failure {
    /// The failure to take in what a configuration names: a model, a data set, a checkpoint. It is the configuration's,
    /// unless something could not be written or a file is there and the system could not read it (a network file system
    /// that is away for a moment).
    pub fn of_input(error: anyhow::Error) -> Self {
        if error.chain().any(may_pass) { Self::Run(error) } else { Self::Config(error) }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Run(error.into())
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        Self::Run(error.into())
    }
}

fn may_pass(cause: &(dyn Error + 'static)) -> bool {
    if matches!(cause.downcast_ref(), Some(ModelError::Write { .. })) {
        return true;
    }
    let from_data_set = || match cause.downcast_ref()? {
        LoadError::Io { reason, .. } => Some(reason),
        _ => None,
    };
    cause.downcast_ref::<io::Error>().or_else(from_data_set).is_some_and(|error| !lasts(error.kind()))
}

/// Whether reading the same path again would end the same way.
fn lasts(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::Context as _;

    use super::*;

    fn config(error: impl Into<anyhow::Error>) -> bool {
        matches!(Failure::of_input(error.into()), Failure::Config(_))
    }

    #[test]
    fn what_is_not_there_will_not_be_there_next_time() {
        let path = Path::new("/nowhere/config.json");
        assert!(config(ModelError::read(path, ErrorKind::NotFound.into())));
        assert!(config(LoadError::Io { path: path.into(), reason: ErrorKind::NotFound.into() }));
        assert!(config(ModelError::malformed(path, "not JSON")));
        assert!(config(anyhow::anyhow!("no prompt is short enough")));
    }

    #[test]
    fn what_the_system_could_not_do_may_work_next_time() {
        let path = Path::new("/network/config.json");
        let stale = || io::Error::from(ErrorKind::StaleNetworkFileHandle);
        assert!(!config(ModelError::read(path, stale())));
        assert!(!config(ModelError::write(path, ErrorKind::PermissionDenied.into())));
        let data_set: anyhow::Result<()> = Err(LoadError::Io { path: path.into(), reason: stale() }.into());
        assert!(!config(data_set.context("data set a").expect_err("it is one")));
    }
}
