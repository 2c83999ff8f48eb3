//! Why a run failed, told apart by whether trying again can help.

use std::error::Error;
use std::io::{self, ErrorKind};

use real_datasets::LoadError;

use crate::checkpoint::CheckpointError;
use crate::model::ModelError;
use crate::optim::guard::Diverged;
use crate::sampling::GenerationError;
use crate::store::StoreError;
use crate::tokenizer::TokenizerError;

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

    /// A failure of a run under way: another attempt goes the same way where the numbers, the model or the tokens are the
    /// reason, and may go another way elsewhere.
    pub fn of_run(error: anyhow::Error) -> Self {
        if error.chain().any(comes_again) { Self::Config(error) } else { Self::Run(error) }
    }

    /// What kind of failure it is, a word in `CamelCase`, where programs have to know.
    pub fn reason(&self) -> Option<&'static str> {
        let (Self::Config(error) | Self::Run(error)) = self;
        let of_store = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>()).map(StoreError::reason);
        of_store.or_else(|| error.chain().any(diverged).then_some("Diverged"))
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
        // What is damaged stays damaged; what could not be read may be readable next time.
        match &error {
            CheckpointError::AllDamaged { .. } => Self::of_input(error.into()),
            _ => Self::Run(error.into()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.lasts() { Self::Config(error.into()) } else { Self::Run(error.into()) }
    }
}

/// Whether the numbers of a run have stopped being numbers.
fn diverged(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<Diverged>() || matches!(cause.downcast_ref(), Some(ModelError::NotFinite { .. }))
}

fn comes_again(cause: &(dyn Error + 'static)) -> bool {
    diverged(cause) || cause.is::<GenerationError>() || cause.is::<TokenizerError>()
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
        let away = || real_sources::SourceError::Unreachable {
            url: "https://hub.example/config.json".to_owned(),
            tries: 6,
            have: 0,
            last: io::Error::new(ErrorKind::HostUnreachable, "connection refused"),
        };
        assert!(!config(ModelError::Fetch { uri: "hf://org/model".to_owned(), source: away() }));
        assert!(!config(LoadError::Source(away())));
        let data_set: anyhow::Result<()> = Err(LoadError::Io { path: path.into(), reason: stale() }.into());
        assert!(!config(data_set.context("data set a").expect_err("it is one")));
    }

    #[test]
    fn a_run_that_diverged_is_not_tried_again_and_one_that_lost_its_disk_is() {
        let (step, model, term, value) = (3, "actor", "the loss", f64::NAN);
        let diverged = Failure::of_run(Diverged { step, model, term, value, updates: 4, most: 3 }.into());
        assert!(matches!(&diverged, Failure::Config(_)) && diverged.reason() == Some("Diverged"), "{diverged:?}");
        let name = "model.norm.weight".to_owned();
        let source = ModelError::NotFinite { path: "/run/model.safetensors".into(), name, count: 1 }.into();
        let unsaved = CheckpointError::Content { path: "/run/step-3".into(), source };
        let unsaved = Failure::of_run(unsaved.into());
        assert!(matches!(&unsaved, Failure::Config(_)) && unsaved.reason() == Some("Diverged"), "{unsaved:?}");
        let token = GenerationError::UnknownToken { index: 0, token: 99, vocabulary: 10 };
        assert!(matches!(Failure::of_run(token.into()), Failure::Config(_)));
        let full = Failure::of_run(io::Error::from(ErrorKind::StorageFull).into());
        assert!(matches!(&full, Failure::Run(_)) && full.reason().is_none(), "{full:?}");
    }

    #[test]
    fn checkpoints_that_are_all_damaged_stay_damaged() {
        let newest = |error| CheckpointError::AllDamaged { path: "/run".into(), count: 2, newest: Box::new(error) };
        let damaged = CheckpointError::Damaged { path: "/run/a".into(), reason: "it is missing".into() };
        assert!(matches!(Failure::from(newest(damaged)), Failure::Config(_)));
        let away = CheckpointError::io("read", "/run/a")(ErrorKind::StaleNetworkFileHandle.into());
        assert!(matches!(Failure::from(newest(away)), Failure::Run(_)));
    }
}
