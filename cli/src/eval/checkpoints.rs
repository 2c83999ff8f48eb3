//! Checkpoints of run directories, as a sweep selects those of jobs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use real_crds::v1alpha1::{CheckpointChoice, RealTrainingJob};

use crate::record::Record;

/// Name and folder of each chosen checkpoint of the runs under `runs` whose job has all of these labels; runs by name,
/// checkpoints oldest first. Folders that are no runs are passed over.
pub(super) fn of_jobs(
    runs: &Path,
    labels: &BTreeMap<String, String>,
    choice: CheckpointChoice,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut folders: Vec<_> = match fs::read_dir(runs) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read the folder of runs {}", runs.display())),
    };
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let Ok(text) = fs::read_to_string(folder.join("spec.yaml")) else { continue };
        let job: RealTrainingJob = serde_saphyr::from_str(&text)
            .with_context(|| format!("{} is no job", folder.join("spec.yaml").display()))?;
        let own = job.metadata.labels.unwrap_or_default();
        if !labels.iter().all(|(name, value)| own.get(name) == Some(value)) {
            continue;
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for step in chosen(&folder, choice)? {
            let path = folder.join("checkpoints").join(format!("step-{step}"));
            found.push((format!("{name}-step-{step}"), path.display().to_string()));
        }
    }
    Ok(found)
}

/// Steps of the chosen checkpoints that are whole.
fn chosen(folder: &Path, choice: CheckpointChoice) -> anyhow::Result<Vec<u64>> {
    let Ok(entries) = fs::read_dir(folder.join("checkpoints")) else { return Ok(Vec::new()) };
    let step = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse::<u64>().ok()?;
        // It is written last.
        entry.path().join("manifest.json").is_file().then_some(step)
    };
    let mut steps: Vec<u64> = entries.flatten().filter_map(step).collect();
    steps.sort_unstable();
    Ok(match choice {
        CheckpointChoice::All => steps,
        CheckpointChoice::Latest => steps.last().copied().into_iter().collect(),
        CheckpointChoice::Best => best(folder, &steps)?.into_iter().collect(),
    })
}

/// The step with the highest mean joint rate of its evaluations, all of which have a result: means over other suites are not compared. The
/// newest of several; none where there is none.
fn best(folder: &Path, steps: &[u64]) -> anyhow::Result<Option<u64>> {
    let record = Record::read(folder)?;
    let joint = |step: &u64| {
        let of_step = record.evaluations.iter().filter(|evaluation| evaluation.step == *step);
        let rates: Option<Vec<f64>> = of_step.map(|evaluation| evaluation.joint).collect();
        real_evaluation::statistics::mean(&rates?)
    };
    let rated = steps.iter().filter_map(|step| Some((*step, joint(step)?)));
    Ok(rated.max_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))).map(|(step, _)| step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(runs: &Path, name: &str, label: &str, steps: &[(u64, f64)]) {
        let folder = runs.join(name);
        fs::create_dir_all(folder.join("checkpoints")).unwrap();
        let job = real_crds::validate::parse_job(
            &format!(
                "apiVersion: real-rl.dev/v1alpha1\nkind: RealTrainingJob\nmetadata: {{name: {name}, labels: {{team: \"{label}\"}}}}\n\
                 spec:\n  model: {{storageUri: a}}\n  datasets: {{train: [{{name: t, storageUri: b}}]}}\n  algorithm: {{sft: {{steps: 1}}}}\n"
            ),
            "job.yaml",
            &[],
        );
        fs::write(folder.join("spec.yaml"), serde_saphyr::to_string(&job.unwrap()).unwrap()).unwrap();
        let mut lines = String::new();
        for (step, joint) in steps {
            let path = folder.join("checkpoints").join(format!("step-{step}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("manifest.json"), "{}").unwrap();
            let line = serde_json::json!({"suite": "s", "decoding": "greedy", "step": step, "n": 4, "function": 1.0, "quality": 1.0, "joint": joint});
            lines += &line.to_string();
            lines.push('\n');
        }
        fs::create_dir(folder.join("checkpoints/step-99")).unwrap();
        fs::write(folder.join("evaluations.jsonl"), lines).unwrap();
    }

    #[test]
    fn a_step_of_which_a_suite_has_no_result_is_not_the_best() {
        let runs = tempfile::tempdir().unwrap();
        run(runs.path(), "a", "x", &[(2, 0.4), (4, 0.9)]);
        let path = runs.path().join("a/evaluations.jsonl");
        let of = |step: u64, joint: serde_json::Value| serde_json::json!({"suite": "t", "decoding": "greedy", "step": step, "n": 4, "joint": joint});
        let more = format!("{}\n{}\n", of(2, 0.5.into()), of(4, serde_json::Value::Null));
        fs::write(&path, fs::read_to_string(&path).unwrap() + &more).unwrap();
        let names = of_jobs(runs.path(), &BTreeMap::new(), CheckpointChoice::Best).unwrap();
        assert_eq!(names.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a-step-2"]);
    }

    #[test]
    fn checkpoints_of_the_jobs_that_match_are_chosen_and_torn_ones_are_not() {
        let runs = tempfile::tempdir().unwrap();
        run(runs.path(), "a", "x", &[(2, 0.1), (10, 0.9), (20, 0.5)]);
        run(runs.path(), "b", "y", &[(1, 0.2)]);
        fs::create_dir(runs.path().join("no-run")).unwrap();
        let names = |label: Option<&str>, choice| {
            let labels = label.map(|label| ("team".to_owned(), label.to_owned())).into_iter().collect();
            of_jobs(runs.path(), &labels, choice).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(None, CheckpointChoice::Latest), ["a-step-20", "b-step-1"]);
        assert_eq!(names(Some("x"), CheckpointChoice::Best), ["a-step-10"]);
        assert_eq!(names(Some("x"), CheckpointChoice::All), ["a-step-2", "a-step-10", "a-step-20"]);
        assert!(names(Some("z"), CheckpointChoice::All).is_empty());
    }
}
