//! The termination message: what the kubelet shows of a container that ended.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use real_crds::progress::{LastWords, Outcome, Progress};

/// Where the kubelet looks by default.
const DEFAULT: &str = "/dev/termination-log";

/// Writes the last words where `REAL_TERMINATION_LOG` says: a file by its absolute path, any other value for
/// `/dev/termination-log`, nothing for nowhere.
///
/// Failing to write is logged only: the outcome itself is in the exit code.
pub fn say(outcome: Outcome, reason: Option<&str>, message: &str, progress: &Progress) {
    write(&LastWords::compose(outcome, reason, message, progress));
}

/// Writes these words there.
pub fn write(words: &str) {
    let Some(path) = std::env::var_os("REAL_TERMINATION_LOG").and_then(|value| place(&value)) else { return };
    if let Err(error) = fs::write(&path, words) {
        tracing::warn!("cannot write {}: {error}", path.display());
    }
}

fn place(value: &OsStr) -> Option<PathBuf> {
    let path = Path::new(value);
    (!value.is_empty()).then(|| if path.is_absolute() { path } else { Path::new(DEFAULT) }.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_place_and_any_other_word_means_the_usual_one() {
        let of = |value: &str| place(OsStr::new(value));
        assert_eq!(of("/run/last-words"), Some("/run/last-words".into()));
        assert_eq!(of("1"), Some(DEFAULT.into()));
        assert_eq!(of("true"), Some(DEFAULT.into()));
        assert_eq!(of(""), None);
    }
}
