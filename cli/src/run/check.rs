//! Everything that can be found wrong before anything is written.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use real_crds::config::{Algorithm, TrainerConfig};
use real_crds::v1alpha1::RealTrainingJob;
use real_crds::{Endpoints, render};
use real_terminal::{OrRefused as _, errln};

use super::outcome::BAD_SPEC;
use super::resume::Resume;
use super::run_dir::RunDirError;
use super::{RunArgs, continuity, preflight, run_dir, spec};
use crate::tips;

/// A job that was found fit to run.
pub(super) struct Checked {
    pub(super) job: RealTrainingJob,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) total_steps: u64,
    /// What the trainer goes on from.
    pub(super) resume: Resume,
}

/// Everything that can be said before anything is written. The inner error is an exit code; its reasons were printed.
pub(super) fn check(args: &RunArgs) -> anyhow::Result<Result<Checked, ExitCode>> {
    let written = match spec::read(&args.job, &args.set) {
        Ok(written) => written,
        Err(messages) => {
            for message in messages {
                errln!("error: {message}");
                tips::print(&message);
            }
            return Ok(Err(ExitCode::from(BAD_SPEC)));
        }
    };
    let job = &written.job;
    let name = job.metadata.name.clone().unwrap_or_default();
    let path = args.run_dir.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    match run_dir::inspect(&path, args.existing(job)) {
        // Waiting helps, or another disk: what was asked for is not wrong.
        Err(error @ (RunDirError::Busy { .. } | RunDirError::Unwritable { .. })) => return Err(error.into()),
        inspected => inspected.or_refused()?,
    }
    let config = render(job, &Endpoints::default());
    if args.existing.resume {
        refuse_another_run(&path, &config).or_refused()?;
    }
    let mut problems = [preflight::unsupported(&job.spec), preflight::check(&config, &path)].concat();
    let resume = Resume::first(&job.spec, args.existing.resume, &path).unwrap_or_else(|problem| {
        problems.push(problem);
        Resume::No
    });
    if !problems.is_empty() {
        let spec_is_wrong = problems.iter().any(|p| p.field.is_some());
        for problem in problems {
            match problem.field {
                Some(field) => errln!("error: {}: {field}: {}", written.location(&field), problem.message),
                None => errln!("error: {}", problem.message),
            }
        }
        return Ok(Err(if spec_is_wrong { ExitCode::from(BAD_SPEC) } else { ExitCode::FAILURE }));
    }
    let total_steps = match &config.algorithm {
        Algorithm::Ppo(ppo) => ppo.steps,
        Algorithm::PolicyGradient(gradient) => gradient.steps,
        Algorithm::Sft(sft) => sft.steps,
    };
    Ok(Ok(Checked { job: written.job, name, path, total_steps, resume }))
}

fn refuse_another_run(path: &Path, config: &TrainerConfig) -> anyhow::Result<()> {
    let Ok(text) = std::fs::read_to_string(path.join("trainer.json")) else { return Ok(()) };
    let earlier: TrainerConfig = serde_json::from_str(&text)
        .map_err(|e| anyhow::anyhow!("cannot resume: {} is damaged: {e}", path.join("trainer.json").display()))?;
    let changes = continuity::broken_by(&earlier, config);
    anyhow::ensure!(
        changes.is_empty(),
        "cannot resume {}: the job is another one than the one that ran there; start a new run with --fresh or --run-dir\n  {}",
        path.display(),
        changes.join("\n  ")
    );
    Ok(())
}
