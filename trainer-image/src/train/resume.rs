//! Which checkpoint a run goes on from.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use super::failure::Failure;
use super::run_dir::RunDir;
use crate::checkpoint::{self, Checkpoint, step_of};
use crate::store::Store;

/// Which checkpoint a run should go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// None: a run directory that has checkpoints is refused.
    Refused,
    /// The newest whole one; none where there is none.
    Newest,
    /// That of one step; those after it are set aside.
    From(CheckpointName),
}

/// The name of a checkpoint, `step-N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointName {
    /// Its step.
    pub step: u64,
}

impl FromStr for CheckpointName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let step = step_of(text).ok_or("it has to be the name of a checkpoint, such as step-400")?;
        Ok(Self { step })
    }
}

/// Where a run starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The checkpoint it goes on from, which is whole; none at step 0.
    pub checkpoint: Option<Checkpoint>,
    /// Whether checkpoints of later steps are set aside.
    pub back: bool,
    /// What is wrong with newer checkpoints that were passed over.
    pub passed_over: Vec<String>,
}

impl Start {
    fn afresh() -> Self {
        Self { checkpoint: None, back: false, passed_over: Vec::new() }
    }
}

impl Resume {
    /// Finds the checkpoint in the run directory, or in the bucket that there is and brings it from there, with the records of the run.
    /// Changes nothing else.
    ///
    /// # Errors
    /// Of the configuration: the run directory has checkpoints and nothing was said of them, or the checkpoint that was
    /// named is missing or damaged, or none of those that are there is whole. Of the run: the folder cannot be read.
    pub fn find(self, dir: &RunDir, store: Option<&Store>) -> Result<Start, Failure> {
        if let Some(store) = store {
            return self.find_in(store, dir);
        }
        let folder = dir.checkpoints();
        match self {
            Self::Refused => match checkpoint::list(&folder)?.last() {
                None => Ok(Start::afresh()),
                Some(last) => Err(Failure::Config(anyhow::anyhow!(
                    "{} has checkpoints (the newest of step {}): resume, or use another run directory",
                    dir.path().display(),
                    last.step
                ))),
            },
            Self::Newest => {
                let (checkpoint, refused) = checkpoint::newest(&folder)?;
                Ok(Start { checkpoint, back: false, passed_over: refused.iter().map(ToString::to_string).collect() })
            }
            Self::From(name) => {
                Ok(Start { checkpoint: Some(named(&folder, name.step)?), back: true, passed_over: Vec::new() })
            }
        }
    }
}

impl Resume {
    fn find_in(self, store: &Store, dir: &RunDir) -> Result<Start, Failure> {
        let folder = dir.checkpoints();
        let stored: BTreeSet<u64> = store.whole()?.into_iter().map(|stored| stored.step).collect();
        let local: BTreeSet<u64> = checkpoint::list(&folder)?.into_iter().map(|found| found.step).collect();
        match self {
            Self::Refused => match stored.last() {
                Some(last) => Err(Failure::Config(anyhow::anyhow!(
                    "{} has checkpoints (the newest of step {last}): resume, or use another prefix \
                     (spec.checkpoint.storage.objectStore.uri)",
                    store.uri()
                ))),
                None => self.find(dir, None),
            },
            Self::Newest => {
                let mut refused = Vec::new();
                let all: BTreeSet<u64> = local.union(&stored).copied().collect();
                for step in all.into_iter().rev() {
                    if let Some(checkpoint) = either(step, &local, &stored, store, dir, &mut refused)? {
                        return Ok(Start { checkpoint: Some(checkpoint), back: false, passed_over: refused });
                    }
                }
                // Starting afresh then is a decision for people.
                match refused.first() {
                    None => Ok(Start::afresh()),
                    Some(newest) => Err(Failure::Config(anyhow::anyhow!(
                        "none of the checkpoints in {} and {} can be used; the newest: {newest}",
                        folder.display(),
                        store.uri()
                    ))),
                }
            }
            Self::From(name) if stored.contains(&name.step) => {
                let mut refused = Vec::new();
                match either(name.step, &local, &stored, store, dir, &mut refused)? {
                    Some(checkpoint) => Ok(Start { checkpoint: Some(checkpoint), back: true, passed_over: Vec::new() }),
                    None => Err(Failure::Config(anyhow::anyhow!(
                        "cannot resume from step-{}: {}",
                        name.step,
                        refused.join("; ")
                    ))),
                }
            }
            Self::From(name) => {
                let names: Vec<String> = stored.iter().map(|step| format!("step-{step}")).collect();
                let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                named(&folder, name.step)
                    .map(|checkpoint| Start { checkpoint: Some(checkpoint), back: true, passed_over: Vec::new() })
                    .map_err(|failure| match failure {
                        Failure::Config(error) => {
                            Failure::Config(error.context(format!("{} has {there}", store.uri())))
                        }
                        run @ Failure::Run(_) => run,
                    })
            }
        }
    }
}

/// The checkpoint of a step from the disk, or else from the bucket; none where neither is whole, and why.
fn either(
    step: u64,
    local: &BTreeSet<u64>,
    stored: &BTreeSet<u64>,
    store: &Store,
    dir: &RunDir,
    refused: &mut Vec<String>,
) -> Result<Option<Checkpoint>, Failure> {
    let path = dir.checkpoints().join(format!("step-{step}"));
    if local.contains(&step) {
        match checkpoint::verify(&path) {
            Ok(_) => return Ok(Some(Checkpoint { step, path })),
            Err(error) => refused.push(error.to_string()),
        }
    }
    if !stored.contains(&step) {
        return Ok(None);
    }
    match store.fetch(step, &dir.checkpoints()) {
        Ok(checkpoint) => {
            store.fetch_records(dir.path())?;
            // Of a damaged one there is a whole copy now.
            Ok(Some(checkpoint))
        }
        Err(error) if error.is_damage() => {
            refused.push(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn named(folder: &Path, step: u64) -> Result<Checkpoint, Failure> {
    let (found, others): (Vec<_>, Vec<_>) =
        checkpoint::list(folder)?.into_iter().partition(|checkpoint| checkpoint.step == step);
    let others = match others.as_slice() {
        [] => format!("there are no others in {}", folder.display()),
        others => {
            let names: Vec<String> = others.iter().map(|other| format!("step-{}", other.step)).collect();
            format!("the others in {} are {}", folder.display(), names.join(", "))
        }
    };
    let Some(found) = found.into_iter().next() else {
        return Err(Failure::Config(anyhow::anyhow!(
            "cannot resume from step-{step}: there is no such checkpoint; {others}"
        )));
    };
    match checkpoint::verify(&found.path) {
        Ok(_) => Ok(found),
        Err(error) => Err(Failure::of_input(
            anyhow::Error::from(error).context(format!("cannot resume from step-{step} ({others})")),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use super::*;

    fn run_dir(steps: &[u64]) -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = RunDir::open(folder.path()).expect("writable");
        for step in steps {
            checkpoint::write(&dir.checkpoints(), *step, |inside| -> io::Result<()> {
                fs::write(inside.join("model.safetensors"), "weights")
            })
            .expect("writable");
        }
        (folder, dir)
    }

    fn from(step: u64) -> Resume {
        Resume::From(CheckpointName { step })
    }

    fn refusal(resume: Resume, dir: &RunDir) -> String {
        match resume.find(dir, None) {
            Err(Failure::Config(error)) => format!("{error:#}"),
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_name_is_step_and_a_number() {
        assert_eq!("step-400".parse(), Ok(CheckpointName { step: 400 }));
        for wrong in ["latest", "400", "step-", "step-007", "step-+7", "superseded-step-7"] {
            assert!(wrong.parse::<CheckpointName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_checkpoint_that_is_named_is_the_one_though_there_are_newer_ones() {
        let (_folder, dir) = run_dir(&[2, 4, 10]);
        let step = |resume: Resume| resume.find(&dir, None).expect("whole").checkpoint.map(|found| found.step);
        assert_eq!((step(from(4)), step(Resume::Newest)), (Some(4), Some(10)));
    }

    #[test]
    fn a_checkpoint_that_is_missing_is_named_with_those_that_are_there() {
        let (_folder, dir) = run_dir(&[2, 10]);
        let message = refusal(from(4), &dir);
        assert!(message.contains("step-4: there is no such checkpoint"), "{message}");
        assert!(message.ends_with("are step-2, step-10"), "{message}");
        let (_folder, empty) = run_dir(&[]);
        assert!(refusal(from(4), &empty).contains("there are no others in "));
    }

    #[test]
    fn a_checkpoint_that_is_damaged_is_not_replaced_by_another() {
        let (_folder, dir) = run_dir(&[2, 4]);
        fs::write(dir.checkpoints().join("step-4/model.safetensors"), "weighty").expect("writable");
        let message = refusal(from(4), &dir);
        assert!(message.contains("are step-2)") && message.contains("model.safetensors is damaged"), "{message}");
    }

    #[test]
    fn checkpoints_that_nothing_was_said_of_are_refused() {
        let (_folder, dir) = run_dir(&[2, 4]);
        assert!(refusal(Resume::Refused, &dir).contains("has checkpoints (the newest of step 4): resume, or"));
        let (_folder, empty) = run_dir(&[]);
        assert_eq!(Resume::Refused.find(&empty, None).expect("nothing is there").checkpoint, None);
    }
}
