//! What `--resume` and `spec.checkpoint.resumeFrom` mean together.

use std::path::Path;

use real_crds::v1alpha1::RealTrainingJobSpec;

use super::preflight::Problem;
use super::run_dir::{self, Checkpoint};

/// Which checkpoint a start of the trainer goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// None: it starts afresh.
    No,
    /// The newest one; none where there is none.
    Newest,
    /// That of one step; the trainer sets later ones aside.
    Step {
        /// The step.
        step: u64,
        /// Checkpoints of later steps that were there before.
        later: Vec<Checkpoint>,
    },
}

impl Resume {
    /// What the first start of a run goes on from, where `flag` is whether `--resume` was given.
    pub(crate) fn first(spec: &RealTrainingJobSpec, flag: bool, run_dir: &Path) -> Result<Self, Problem> {
        let from = spec.checkpoint.resume_from.as_str();
        let problem = |message: String| Err(Problem::spec("spec.checkpoint.resumeFrom", message));
        let step = from.strip_prefix("step-").and_then(|step| step.parse().ok());
        match (flag, step) {
            (false, None) => Ok(Self::No),
            (false, Some(_)) => problem(format!(
                "is {from}, a checkpoint of a run that is there already; add --resume to go on from it, or use latest"
            )),
            (true, Some(step)) => Self::back_to(step, run_dir).or_else(|message| {
                // It may lie in the bucket, where the trainer looks.
                let in_bucket = spec.checkpoint.storage.as_ref().is_some_and(|storage| storage.object_store.is_some());
                if in_bucket { Ok(Self::Step { step, later: Vec::new() }) } else { problem(message) }
            }),
            (true, None) if from == "none" => problem(
                "is none, so nothing is gone on from, but --resume was given; leave --resume out (--fresh moves an earlier \
                 run aside), or add --set spec.checkpoint.resumeFrom=latest"
                    .to_owned(),
            ),
            (true, None) => Ok(Self::Newest),
        }
    }

    fn back_to(step: u64, run_dir: &Path) -> Result<Self, String> {
        let found = run_dir::checkpoints(run_dir);
        if found.iter().any(|checkpoint| checkpoint.step == step) {
            let later = found.into_iter().filter(|checkpoint| checkpoint.step > step).collect();
            return Ok(Self::Step { step, later });
        }
        let names: Vec<String> = found.iter().map(|checkpoint| format!("step-{}", checkpoint.step)).collect();
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("there are {}", names.join(", ")) };
        Err(format!("is step-{step}, which is no checkpoint of {}; {known}", run_dir.display()))
    }

    /// What to go on from after a start that crashed: the newest checkpoint, unless it crashed before it had set the
    /// later ones aside.
    pub(crate) fn again(self, run_dir: &Path) -> Self {
        let there = run_dir::checkpoints(run_dir);
        match self {
            Self::Step { ref later, .. } if later.iter().any(|checkpoint| there.contains(checkpoint)) => self,
            _ => Self::Newest,
        }
    }

    /// The step after which the trainer goes on; `None` where it starts afresh.
    pub(crate) fn after(&self, run_dir: &Path) -> Option<u64> {
        match self {
            Self::No => None,
            Self::Newest => Some(run_dir::checkpoints(run_dir).last().map_or(0, |checkpoint| checkpoint.step)),
            Self::Step { step, .. } => Some(*step),
        }
    }

    /// Arguments of the trainer.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self {
            Self::No => Vec::new(),
            Self::Newest => vec!["--resume".to_owned()],
            Self::Step { step, .. } => vec!["--resume-from".to_owned(), format!("step-{step}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use real_crds::validate::parse_job;

    use super::*;

    fn first(from: &str, flag: bool, run_dir: &Path) -> Result<Resume, String> {
        let set = [format!("spec.checkpoint.resumeFrom={from}")];
        let job = parse_job(include_str!("../../../examples/quickstart.yaml"), "quickstart.yaml", &set).unwrap();
        Resume::first(&job.spec, flag, run_dir).map_err(|problem| problem.message)
    }

    fn write_checkpoint(run_dir: &Path, step: u64) {
        let folder = run_dir.join(format!("checkpoints/step-{step}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("manifest.json"), "{}").unwrap();
    }

    fn run_dir(steps: &[u64]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for step in steps {
            write_checkpoint(dir.path(), *step);
        }
        dir
    }

    #[test]
    fn the_flag_decides_whether_and_the_job_from_where() {
        let dir = run_dir(&[5, 10]);
        assert_eq!(first("latest", false, dir.path()), Ok(Resume::No));
        assert_eq!(first("none", false, dir.path()), Ok(Resume::No));
        let newest = first("latest", true, dir.path()).unwrap();
        assert_eq!((newest.after(dir.path()), newest.arguments()), (Some(10), vec!["--resume".to_owned()]));
        let back = first("step-5", true, dir.path()).unwrap();
        assert_eq!(back.after(dir.path()), Some(5));
        assert_eq!(back.arguments(), ["--resume-from", "step-5"]);
    }

    #[test]
    fn contradictions_are_refused_with_both_sides() {
        let dir = run_dir(&[5, 10]);
        let none = first("none", true, dir.path()).unwrap_err();
        assert!(none.starts_with("is none") && none.contains("--resume was given"), "{none}");
        let step = first("step-5", false, dir.path()).unwrap_err();
        assert!(step.starts_with("is step-5") && step.contains("add --resume"), "{step}");
        let missing = first("step-7", true, dir.path()).unwrap_err();
        assert!(missing.contains("step-7") && missing.ends_with("there are step-5, step-10"), "{missing}");
    }

    #[test]
    fn a_start_that_crashed_before_it_went_back_goes_back_again() {
        let dir = run_dir(&[5, 10]);
        let back = first("step-5", true, dir.path()).unwrap();
        assert_eq!(back.clone().again(dir.path()), back);
        let folder = dir.path().join("checkpoints");
        fs::rename(folder.join("step-10"), folder.join("superseded-step-10")).unwrap();
        // Written since then: of the same step, but not the same checkpoint.
        write_checkpoint(dir.path(), 10);
        assert_eq!(back.again(dir.path()), Resume::Newest);
        assert_eq!(Resume::No.again(dir.path()), Resume::Newest);
    }
}
