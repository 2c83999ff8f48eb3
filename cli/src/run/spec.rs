//! The job as written in a file.

use std::path::Path;

use real_crds::v1alpha1::RealTrainingJob;
use real_crds::validate::{Location, locate_field, parse_job};
use real_datasets::files::{read_text, text_of};

/// A valid job and where it comes from.
pub(super) struct Written {
    /// The job, defaults filled in.
    pub(super) job: RealTrainingJob,
    text: String,
    file: String,
    set: Vec<String>,
}

impl Written {
    /// Where a field was written: `job.yaml:7:17`, `--set …`.
    pub(super) fn location(&self, field: &str) -> Location {
        locate_field(&self.text, &self.file, &self.set, field)
    }
}

/// Far more than any job: `etcd` holds 1.5 MiB an object.
const LARGEST: u64 = 16 << 20;

/// Reads and validates a job; `-` is standard input.
///
/// # Errors
/// All that is wrong with it, a message each.
pub(super) fn read(path: &Path, set: &[String]) -> Result<Written, Vec<String>> {
    // As `kubectl apply -f -` has it.
    let (file, text) = if path == Path::new("-") {
        ("standard input".to_owned(), text_of(std::io::stdin(), LARGEST))
    } else {
        (path.display().to_string(), read_text(path, LARGEST))
    };
    let text = text.map_err(|error| vec![format!("cannot read the job {file}: {error}")])?;
    let messages =
        |errors: real_crds::validate::SpecErrors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>();
    let job = parse_job(&text, &file, set).map_err(messages)?;
    Ok(Written { job, text, file, set: set.to_vec() })
}
