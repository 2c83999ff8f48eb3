//! The job as written in a file.

use std::path::Path;

use real_crds::v1alpha1::RealTrainingJob;

/// Reads and validates a job. The error is text ready to print.
pub(super) fn read(path: &Path, _set: &[String]) -> Result<RealTrainingJob, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("error: cannot read {}: {e}\n", path.display()))?;
    serde_saphyr::from_str(&text).map_err(|e| format!("error: {}: {e}\n", path.display()))
}
