//! `real init`: a job to begin with.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use real_datasets::files::{check_writable, write_whole};
use real_terminal::{OrRefused as _, exit, outln, shell_word};

/// Arguments of `real init`.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// File to write; `-` is standard output
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
    if args.file.as_os_str() == "-" {
        outln!("{}", args.place.template().trim_end());
        return Ok(exit::DONE.into());
    }
    let shown = args.file.display();
    if args.file.symlink_metadata().is_ok() {
        let what =
            if args.file.is_dir() { "is a folder; name a file in it" } else { "is there already; name another file" };
        return Err(anyhow!("{shown} {what}")).or_refused();
    }
    check_writable(&args.file).with_context(|| format!("cannot write {shown}")).or_refused()?;
    write_whole(&args.file, args.place.template())?;
    outln!("wrote {shown}; next: {} {}", args.place.next(), shell_word(&args.file));
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
            let job = job.unwrap_or_else(|error| panic!("{place:?}: {error}"));
            // The tutorial applies the first to a cluster, beside this pool; without one it would be refused.
            let pool = job.spec.reward_pool_ref.map(|pool| pool.name);
            let examples = include_str!("../../examples/rewardpool.yaml").contains("\n  name: quickstart\n");
            assert!(place == Place::Gpu || (examples && pool.as_deref() == Some("quickstart")), "{place:?}: {pool:?}");
        }
    }

    #[test]
    fn a_dash_is_no_file() {
        run(&InitArgs { file: PathBuf::from("-"), place: Place::Laptop }).unwrap();
        assert!(!PathBuf::from("-").exists());
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
