//! Errors about what was asked for, as against what this machine could not do: they have exit codes of their own.

use std::error::Error;
use std::fmt;

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

/// Makes an error one about what was asked for.
pub trait OrRefused<T> {
    /// The value, or a [`Refused`].
    ///
    /// # Errors
    /// The same, as one about what was asked for.
    fn or_refused(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrRefused<T> for Result<T, E> {
    fn or_refused(self) -> anyhow::Result<T> {
        self.map_err(|error| Refused(error.into()).into())
    }
}

/// The exit code of a command that ended with an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Refused>() { exit::REFUSED } else { exit::FAILED }
}
