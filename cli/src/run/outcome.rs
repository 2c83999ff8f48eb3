//! How a run ended.

use std::process::ExitCode;

use crate::summary::Phase;

/// How a run ended, and why where it did not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All steps are done.
    Complete,
    /// Stopped on request after a checkpoint.
    Stopped,
    /// The trainer could not run what the job says.
    BadSpec(String),
    /// Given up.
    Failed(String),
}

/// Exit code of a job that cannot be run as it is written.
pub(crate) const BAD_SPEC: u8 = 2;
/// Exit code of a run that stopped after a checkpoint (`EX_TEMPFAIL`: go on with `--resume`).
pub(crate) const STOPPED: u8 = 75;

impl Outcome {
    /// What the summary says.
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Complete => Phase::Complete,
            Self::Stopped => Phase::Stopped,
            Self::BadSpec(_) | Self::Failed(_) => Phase::Failed,
        }
    }

    /// Why the run is not complete.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Complete => None,
            Self::Stopped => Some("stopped on request; go on with --resume".to_owned()),
            Self::BadSpec(reason) | Self::Failed(reason) => Some(reason.clone()),
        }
    }

    /// What `real run` exits with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Complete => ExitCode::SUCCESS,
            Self::Stopped => ExitCode::from(STOPPED),
            Self::BadSpec(_) => ExitCode::from(BAD_SPEC),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}
