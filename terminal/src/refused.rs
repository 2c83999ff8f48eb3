//! Errors about what was asked for, as against what this machine could not do: they have exit codes of their own.

use std::error::Error;
use std::fmt;
use std::io;
use std::io::ErrorKind::{
    ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
    NotConnected, OutOfMemory, QuotaExceeded, ResourceBusy, StorageFull, TimedOut, WouldBlock,
};

use crate::exit;

/// An error that trying again does not help: the arguments, or the files that they name, are wrong.
#[derive(Debug)]
pub struct Refused(anyhow::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Whether an error comes of the network, a full disk or what somebody else is using: then trying again may help, whatever was asked
/// for.
pub fn is_passing(error: &(dyn Error + 'static)) -> bool {
    let passing = |cause: &io::Error| {
        matches!(
            cause.kind(),
            ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | OutOfMemory
                | QuotaExceeded
                | ResourceBusy
                | StorageFull
                | TimedOut
                | WouldBlock
        )
    };
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref().is_some_and(passing) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Makes an error one about what was asked for.
pub trait OrRefused<T> {
    /// The value, or a [`Refused`]. What [`is_passing`] stays what it is.
    ///
    /// # Errors
    /// The same, as one about what was asked for.
    fn or_refused(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrRefused<T> for Result<T, E> {
    fn or_refused(self) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            if is_passing(error.as_ref()) { error } else { Refused(error).into() }
        })
    }
}

/// The exit code of a command that ended with an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Refused>() { exit::REFUSED } else { exit::FAILED }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn what_trying_again_may_help_is_no_fault_of_the_arguments() {
        let code = |kind: io::ErrorKind| {
            let failed: Result<(), io::Error> = Err(io::Error::new(kind, "why"));
            exit_code(&failed.context("cannot read x").or_refused().context("data set").unwrap_err())
        };
        for kind in [ConnectionRefused, TimedOut, StorageFull, ResourceBusy] {
            assert_eq!(code(kind), exit::FAILED, "{kind}");
        }
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::IsADirectory, io::ErrorKind::InvalidData] {
            assert_eq!(code(kind), exit::REFUSED, "{kind}");
        }
    }
}
