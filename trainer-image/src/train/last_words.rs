//! The termination message: what the kubelet shows of a container that ended.

use std::fs;

use real_crds::progress::{LastWords, Outcome, Progress};

/// Where the kubelet looks by default.
const PATH: &str = "/dev/termination-log";

/// Writes the last words to `/dev/termination-log` where `REAL_TERMINATION_LOG` is set.
///
/// Failing to write is logged only: the outcome itself is in the exit code.
pub fn say(outcome: Outcome, message: &str, progress: &Progress) {
    if std::env::var_os("REAL_TERMINATION_LOG").is_none() {
        return;
    }
    if let Err(error) = fs::write(PATH, LastWords::compose(outcome, message, progress)) {
        tracing::warn!("cannot write {PATH}: {error}");
    }
}
