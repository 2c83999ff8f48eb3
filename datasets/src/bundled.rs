//! Data sets that are part of this program.

use crate::{LoadError, Task};

/// Tasks of a bundled data set.
pub(crate) fn tasks(_uri: &str, name: &str, _parameters: &[(String, String)]) -> Result<Vec<Task>, LoadError> {
    Err(LoadError::UnknownBundled { name: name.to_owned(), what: "data set", known: vec![] })
}
