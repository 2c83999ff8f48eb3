//! What can be known to go wrong before anything is written.

use std::fs;
use std::path::{Path, PathBuf};

use real_crds::config::{Algorithm, BUNDLED_MODELS, Dataset, Initialize, Model, Quality, TrainerConfig};
use real_crds::progress::Decoding;
use real_crds::v1alpha1::RealTrainingJobSpec;
use real_crds::validate::nearest;
use real_reward::QualitySource;
use real_terminal::{causes, is_passing};

use super::disk::{self, Tensors};
use crate::{catalogue, programs, python, tips};

/// Programs that a run starts.
const PROGRAMS: [&str; 3] = ["real-detector", "real-sandbox", "real-trainer"];

/// Something that a run would fail on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The field of the spec that is wrong; absent where it is the machine that lacks something.
    pub field: Option<String>,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Problem {
    pub(super) fn spec(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into() }
    }

    fn machine(message: String) -> Self {
        Self { field: None, message }
    }

    /// What could not be had. Where the network is the reason, the field is as good as it was.
    fn of(field: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let (field, message) = (field.into(), causes(error));
        if is_passing(error) { Self::machine(format!("{field}: {message}")) } else { Self::spec(field, message) }
    }

    /// With what was perhaps meant by the place that it is about.
    fn tipped(mut self, uri: &str, is_model: bool) -> Self {
        if let Some(tip) = tips::of_uri(uri, is_model) {
            self.message = format!("{}; {tip}", self.message);
        }
        self
    }
}

/// Fields of a valid job that ask for what `real run` does not do: refused rather than passed over in silence.
pub(crate) fn unsupported(spec: &RealTrainingJobSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if spec.suspend {
        problems
            .push(Problem::spec("spec.suspend", "is true, so there is nothing to run; add --set spec.suspend=false"));
    }
    let processes = [("nodes", spec.trainer.nodes), ("processesPerNode", spec.trainer.processes_per_node)];
    for (field, wanted) in processes.into_iter().filter(|(_, wanted)| *wanted != 1) {
        problems.push(Problem::spec(
            format!("spec.trainer.{field}"),
            format!(
                "is {wanted}, but `real run` trains with one process, and would leave {} of them out in silence; run the job \
                 on a cluster, or add --set spec.trainer.{field}=1",
                wanted.saturating_sub(1)
            ),
        ));
    }
    problems
}

/// Looks at everything the run needs; returns all that is missing. Writes nothing. Loads the data sets to see that they
/// can be loaded, so it takes as long as that.
pub(crate) fn check(config: &TrainerConfig, run_dir: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    let tensors = model(&config.model).unwrap_or_else(|problem| {
        problems.push(problem.tipped(&config.model.uri, true));
        Tensors::default()
    });
    problems.extend(datasets(config));
    problems.extend(cwes(&config.reward.cwes));
    problems.extend(best_by(config));
    problems
        .extend(PROGRAMS.iter().filter_map(|name| programs::find(name).err()).map(|e| Problem::machine(e.to_string())));
    problems.extend(python::check().err().map(|e| Problem::machine(e.to_string())));
    problems.extend(room(config, run_dir, &tensors));
    problems
}

/// Checks the model's folder; returns the tensors in it, none where they are not known.
fn model(model: &Model) -> Result<Tensors, Problem> {
    const FIELD: &str = "spec.model.storageUri";
    let uri = &model.uri;
    let problem = |message: String| Problem::spec(FIELD, message);
    let folder = if uri.split_once("://").is_some_and(|(scheme, _)| real_sources::has_folders(scheme)) {
        real_sources::folder(uri).map_err(|error| Problem::of(FIELD, &error))?
    } else if let Some(folder) = local_path(uri).map_err(problem)? {
        folder
    } else {
        return Ok(Tensors::default());
    };
    if !folder.is_dir() {
        return Err(problem(format!(
            "there is no folder {}; give a Hugging Face model folder (config.json, tokenizer.json, model.safetensors)",
            absolute(&folder).display()
        )));
    }
    // Of adapters it is the model below them that has the rest.
    let folder = below_adapters(&folder).unwrap_or(folder);
    let file = |name: &str| folder.join(name);
    let missing = |name: &str| {
        problem(format!(
            "the model folder {} has no {name}; a Hugging Face model folder holds config.json, tokenizer.json and, unless \
             `initialize: random`, model.safetensors",
            absolute(&folder).display()
        ))
    };
    let text = fs::read_to_string(file("config.json")).map_err(|_| missing("config.json"))?;
    serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|error| problem(format!("{} is not JSON: {error}", absolute(&file("config.json")).display())))?;
    if !file("tokenizer.json").is_file() {
        return Err(missing("tokenizer.json"));
    }
    let is_weights = |path: &Path| path.extension().is_some_and(|ending| ending == "safetensors");
    let there = fs::read_dir(&folder).into_iter().flatten().flatten().any(|entry| is_weights(&entry.path()));
    if model.initialize == Initialize::Pretrained && !there {
        return Err(missing("model.safetensors"));
    }
    Ok(Tensors::of(&folder))
}

/// The folder that the adapters of `folder` belong to, where it holds such, without a configuration of its own, and they are for a
/// folder.
fn below_adapters(folder: &Path) -> Option<PathBuf> {
    if folder.join("config.json").is_file() {
        return None;
    }
    let text = fs::read_to_string(folder.join("adapter_config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    let below = PathBuf::from(config.get("base_model_name_or_path")?.as_str()?);
    below.is_dir().then_some(below)
}

/// The path that a URI names; `None` for what is bundled with the trainer.
fn local_path(uri: &str) -> Result<Option<PathBuf>, String> {
    match uri.split_once("://") {
        None => Ok(Some(uri.into())),
        Some(("bundled", name)) if BUNDLED_MODELS.contains(&name) => Ok(None),
        Some(("bundled", _)) => {
            Err(format!("{uri}: no such bundled model; there is bundled://{}", BUNDLED_MODELS.join(", bundled://")))
        }
        Some(("file", path)) => Ok(Some(path.into())),
        Some((scheme, _)) => Err(format!(
            "`{uri}`: `real run` does not read {scheme}://; give a folder, file:///PATH, hf://ORG/NAME, s3://BUCKET/KEY (gs://, az://) or bundled://NAME"
        )),
    }
}

fn datasets(config: &TrainerConfig) -> Vec<Problem> {
    type Look<'a> = &'a dyn Fn(&str) -> anyhow::Result<()>;
    let look = |list: &'static str, sets: &[Dataset], load: Look<'_>| {
        let field = |at| format!("spec.datasets.{list}[{at}].storageUri");
        let tried = sets.iter().enumerate().map(|(at, set)| (field(at), &set.uri, load(&set.uri)));
        let problem = |(field, uri, loaded): (String, &String, anyhow::Result<()>)| {
            Some(Problem::of(field, loaded.err()?.as_ref()).tipped(uri, false))
        };
        tried.filter_map(problem).collect::<Vec<_>>()
    };
    let quality = match config.reward.quality {
        Quality::Analysis => QualitySource::Analysis,
        Quality::SafetyTests => QualitySource::SafetyTests,
    };
    let tasks = |uri: &str| scorable(uri, quality);
    let demonstrations = |uri: &str| Ok(real_datasets::check_demonstrations(uri)?);
    let mut problems = match config.algorithm {
        Algorithm::Ppo(_) | Algorithm::PolicyGradient(_) => look("train", &config.train, &tasks),
        Algorithm::Sft(_) => look("train", &config.train, &demonstrations),
    };
    problems.extend(look("eval", &config.evaluation.suites, &tasks));
    problems
}

/// Whether a data set can be loaded, and holds a task whose answers can be scored.
fn scorable(uri: &str, quality: QualitySource) -> anyhow::Result<()> {
    let (mut any, mut lacks) = (false, "");
    real_datasets::each(uri, |task| match real_reward::missing(&task, quality) {
        None => any = true,
        Some(missing) => lacks = missing,
    })?;
    anyhow::ensure!(any, "none of the tasks of {uri} has a {lacks}, of which rewards are made (spec.reward.quality)");
    Ok(())
}

/// What metrics of a step begin with; those of evaluations begin with `val`.
const STEP_METRICS: [&str; 9] =
    ["actor", "critic", "data", "perf", "response_length", "reward", "rollout", "timing_s", "train"];

/// A metric that this job does not have: no checkpoint would ever be the best.
fn best_by(config: &TrainerConfig) -> Option<Problem> {
    const FIELD: &str = "spec.checkpoint.keepBest.metric";
    let metric = config.checkpoint.keep_best.metric.as_str();
    let evaluation = &config.evaluation;
    if config.checkpoint.keep_best.count == 0 {
        return None;
    }
    let group = metric.split_once('/').map(|(group, _)| group);
    if group != Some("val") {
        let known = group.is_some_and(|group| STEP_METRICS.contains(&group));
        let message = format!(
            "{metric} is no metric: it has to begin with val/ (an evaluation's, such as val/joint), or with {}/ (a step's, such as \
             critic/score/mean)",
            STEP_METRICS.join("/, ")
        );
        return (!known).then(|| Problem::spec(FIELD, message));
    }
    // Without suites there are no evaluations, and the default is of no effect.
    if evaluation.suites.is_empty() {
        return None;
    }
    let rates = ["function", "quality", "joint", "no_code"];
    let decodings = [(Decoding::Greedy, evaluation.greedy), (Decoding::Sampled, evaluation.samples > 0)];
    let asked = decodings.into_iter().filter(|(_, asked)| *asked);
    let groups = asked.flat_map(|(decoding, _)| {
        evaluation.suites.iter().map(move |suite| format!("val/{}/{}", suite.name, decoding.name()))
    });
    let all: Vec<String> = std::iter::once("val".to_owned())
        .chain(groups)
        .flat_map(|group| rates.map(|rate| format!("{group}/{rate}")))
        .collect();
    if all.iter().any(|known| known == metric) {
        return None;
    }
    let hint = match nearest(metric, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", all.join(", ")),
    };
    Some(Problem::spec(FIELD, format!("{metric} is no metric of this job's evaluations; {hint}")))
}

/// CWE numbers without a rule: nothing would ever be found, and the reward's quality be a constant.
fn cwes(wanted: &[u32]) -> Vec<Problem> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let known = match catalogue::cwes() {
        Ok(known) => known,
        Err(error) => return vec![Problem::machine(causes(error.as_ref()))],
    };
    let list = known.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    let unknown = wanted.iter().enumerate().filter(|(_, cwe)| !known.contains(cwe));
    let problem = |(i, cwe): (usize, &u32)| {
        let message = format!("{cwe} is not allowed: the detector has no rule for it; it has rules for {list}");
        Problem::spec(format!("spec.reward.cwes[{i}]"), message)
    };
    unknown.map(problem).collect()
}

/// Whether the run directory can be made and there is room for it.
fn room(config: &TrainerConfig, run_dir: &Path, tensors: &Tensors) -> Option<Problem> {
    let shown = absolute(run_dir);
    let existing = shown.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = writable(existing) {
        return Some(Problem::machine(format!(
            "cannot write to {}, where the run directory {} would be: {error}; choose another with --run-dir",
            existing.display(),
            shown.display()
        )));
    }
    let (free, needed) = match disk::free(&shown) {
        Ok(Some(free)) => (free, disk::needed(config, tensors)),
        // A file system that does not say is no reason to refuse.
        Ok(None) | Err(_) => return None,
    };
    (free < needed).then(|| {
        Problem::machine(format!(
            "not enough disk space for the run directory {}: {} MiB are free, the run may need {} MiB ({} checkpoints \
             at once); free some, choose another with --run-dir, or lower spec.checkpoint.retain or keepBest.count",
            shown.display(),
            disk::mib(free),
            disk::mib(needed),
            disk::checkpoints(config)
        ))
    })
}

/// Asks the kernel whether a folder may be written to.
fn writable(folder: &Path) -> nix::Result<()> {
    if !folder.is_dir() {
        return Err(nix::Error::ENOTDIR);
    }
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretrained(uri: &Path) -> Model {
        Model { uri: uri.display().to_string(), initialize: Initialize::Pretrained, lora: None }
    }

    #[test]
    fn a_model_folder_is_asked_for_each_file_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        for (missing, content) in [("config.json", "{}"), ("tokenizer.json", "{}"), ("model.safetensors", "12345")] {
            let problem = model(&pretrained(dir.path())).unwrap_err();
            assert!(problem.message.contains(&format!("has no {missing}")), "{problem:?}");
            fs::write(dir.path().join(missing), content).unwrap();
        }
        assert_eq!(model(&pretrained(dir.path())), Ok(Tensors::default()));
    }

    #[test]
    fn a_data_set_without_what_rewards_are_made_of_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.jsonl");
        let task = |extra: &str| {
            format!(
                r#"{{"id":"a","dataset":"d","split":"train","prompt":[],"quality":["security"],{extra}
                "tests":[{{"kind":"stdin","stdin":"x","stdout":"y"}}]}}"#
            )
            .replace('\n', "")
        };
        let found = |extra: &str, quality| {
            fs::write(&path, task(extra)).unwrap();
            scorable(path.to_str().unwrap(), quality).map_err(|error| error.to_string())
        };
        assert_eq!(found("", QualitySource::Analysis), Ok(()));
        let without = found("", QualitySource::SafetyTests).unwrap_err();
        assert!(without.contains("safety test") && without.contains("spec.reward.quality"), "{without}");
        assert!(found(r#""attacks":["' OR 1=1 --"],"#, QualitySource::SafetyTests).is_err(), "no weakness is named");
        assert_eq!(found(r#""attacks":["' OR 1=1 --"],"cwes":[89],"#, QualitySource::SafetyTests), Ok(()));
    }

    #[test]
    fn adapters_without_a_model_beside_them_are_looked_up_below() {
        let (dir, below) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = serde_json::json!({"peft_type": "LORA", "base_model_name_or_path": below.path()});
        fs::write(dir.path().join("adapter_config.json"), config.to_string()).unwrap();
        let problem = model(&pretrained(dir.path())).unwrap_err().message;
        assert!(problem.contains(below.path().to_str().unwrap()) && problem.contains("config.json"), "{problem}");
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs::write(below.path().join(name), "{}").unwrap();
        }
        assert_eq!(model(&pretrained(dir.path())), Ok(Tensors::default()));
    }

    #[test]
    fn a_random_model_needs_no_weights() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        fs::write(dir.path().join("tokenizer.json"), "{}").unwrap();
        let random = Model { initialize: Initialize::Random, ..pretrained(dir.path()) };
        assert_eq!(model(&random), Ok(Tensors::default()));
    }

    #[test]
    fn a_metric_that_no_evaluation_has_is_named_with_the_nearest() {
        let problem = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|set| format!("spec.{set}")).collect();
            let job = real_crds::validate::parse_job(include_str!("../../../examples/quickstart.yaml"), "q.yaml", &set);
            best_by(&real_crds::render(&job.unwrap(), &real_crds::Endpoints::default())).map(|problem| problem.message)
        };
        for metric in
            ["val/joint", "val/quickstart/greedy/joint", "val/quickstart/sampled/function", "critic/score/mean"]
        {
            assert_eq!(problem(&[&format!("checkpoint.keepBest.metric={metric}")]), None, "{metric}");
        }
        let said = problem(&["checkpoint.keepBest.metric=val/quickstrat/greedy/joint"]).unwrap();
        assert!(said.ends_with("did you mean val/quickstart/greedy/joint?"), "{said}");
        for metric in ["rewrd", "reward", "citric/score/mean", "vall/joint"] {
            let said = problem(&[&format!("checkpoint.keepBest.metric={metric}")]).unwrap();
            assert!(said.starts_with(&format!("{metric} is no metric")) && said.contains("val/joint"), "{said}");
        }
        let sampled = ["checkpoint.keepBest.metric=val/quickstart/sampled/joint", "evaluation.samples=0"];
        assert!(problem(&sampled).is_some());
        assert_eq!(problem(&["checkpoint.keepBest.metric=val/x", "datasets.eval=[]"]), None);
    }

    #[test]
    fn a_bundled_model_that_is_not_there_is_named_with_those_that_are() {
        assert_eq!(model(&pretrained(Path::new("bundled://quickstart-base"))), Ok(Tensors::default()));
        let problem = model(&pretrained(Path::new("bundled://quickstart-bas"))).unwrap_err();
        assert!(problem.message.ends_with("there is bundled://quickstart-base"), "{problem:?}");
    }

    #[test]
    fn a_scheme_we_do_not_read_is_named_with_what_we_do() {
        let problem = model(&pretrained(Path::new("ftp://bucket/model"))).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("spec.model.storageUri"));
        assert!(
            problem.message.contains("ftp://bucket/model") && problem.message.contains("bundled://NAME"),
            "{problem:?}"
        );
    }
}
