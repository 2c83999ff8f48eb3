//! `real init`: a job to begin with.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use real_terminal::{exit, outln};

use crate::refused::OrRefused as _;

/// Arguments of `real init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// File to write
    #[arg(value_name = "JOB.yaml", default_value = "job.yaml")]
    file: PathBuf,
    /// Where the job is to run
    #[arg(long = "for", value_enum, default_value_t = Place::Laptop, value_name = "PLACE")]
    place: Place,
}

/// Where a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// This machine, on its CPUs: the bundled toy policy and tasks
    Laptop,
    /// This machine, on a GPU: your own model and tasks
    Gpu,
    /// A cluster with the operator
    Cluster,
}

impl Place {
    fn template(self) -> &'static str {
        match self {
            Self::Laptop => include_str!("../templates/laptop.yaml"),
            Self::Gpu => include_str!("../templates/gpu.yaml"),
            Self::Cluster => include_str!("../templates/cluster.yaml"),
        }
    }

    fn next(self) -> &'static str {
        match self {
            Self::Laptop | Self::Gpu => "real run",
            Self::Cluster => "kubectl apply -f",
        }
    }
}

/// Writes the job; a file that is there is left as it is.
///
/// # Errors
/// The file is there, or cannot be written.
pub fn run(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let shown = args.file.display();
    let mut file = match File::create_new(&args.file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(anyhow!("{shown} is there already; name another file")).or_refused();
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")).or_refused(),
    };
    file.write_all(args.place.template().as_bytes()).with_context(|| format!("cannot write {shown}"))?;
    outln!("wrote {shown}; next: {} {shown}", args.place.next());
    Ok(exit::DONE.into())
}

#[cfg(test)]
mod tests {
    use real_crds::validate::parse_job;

    use super::*;

    #[test]
    fn every_template_is_a_valid_job() {
        for place in [Place::Laptop, Place::Gpu, Place::Cluster] {
            let job = parse_job(place.template(), "job.yaml", &[]);
            assert!(job.is_ok(), "{place:?}: {}", job.unwrap_err());
        }
    }

    #[test]
    fn a_file_that_is_there_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let args = InitArgs { file: folder.path().join("job.yaml"), place: Place::Laptop };
        run(&args).unwrap();
        std::fs::write(&args.file, "mine").unwrap();
        assert!(run(&args).unwrap_err().to_string().contains("is there already"));
        assert_eq!(std::fs::read_to_string(&args.file).unwrap(), "mine");
    }
}
