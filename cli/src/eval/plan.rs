//! What is to be evaluated, from a sweep's YAML or from arguments, with everything refused that cannot be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use real_crds::config::BUNDLED_MODELS;
use real_crds::sweep::{Cell, cells};
use real_crds::v1alpha1::{CheckpointChoice, FailurePolicy, MatrixAxis, RealEvalSweep, SweepTargets};
use real_crds::validate::parse_sweep;
use real_evaluation::answers::Source;
use real_evaluation::baseline::BASELINES;
use real_evaluation::endpoint::is_endpoint;

use super::EvalArgs;
use super::checkpoints;
use crate::tips;

/// Far more than any sweep: `etcd` holds 1.5 MiB an object.
const LARGEST: u64 = 16 << 20;

/// Everything to be evaluated.
#[derive(Debug)]
pub(super) struct Plan {
    /// The sweep's name.
    pub(super) name: String,
    /// Where answers come from, by the target's name.
    pub(super) targets: BTreeMap<String, Target>,
    /// Where tasks are, by name, in order.
    pub(super) suites: Vec<(String, String)>,
    /// Every combination.
    pub(super) cells: Vec<Cell>,
    /// Failed cells after which no more are started.
    pub(super) max_failures: usize,
    /// What a person should know of.
    pub(super) notes: Vec<String>,
}

/// Where answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A model of ours: a Hugging Face folder or `bundled://NAME`.
    Model(String),
    /// A model behind an API.
    Endpoint(String),
    /// Answers that are there already.
    Answers(Source),
}

impl Target {
    fn of_uri(uri: &str) -> anyhow::Result<Self> {
        if is_endpoint(uri) {
            return Ok(Self::Endpoint(uri.to_owned()));
        }
        match uri.split_once("://") {
            Some(("bundled", name)) => ensure!(
                BUNDLED_MODELS.contains(&name),
                "{uri}: no such bundled model; there is bundled://{}",
                BUNDLED_MODELS.join(", bundled://")
            ),
            Some((scheme, _)) if real_sources::has_folders(scheme) => drop(real_sources::Place::parse(uri)?),
            Some(("file", _)) | None => match real_sources::Place::parse(uri)? {
                real_sources::Place::Path(path) => model_folder(uri, &path)?,
                _ => bail!("{uri} is no folder"),
            },
            Some(("pvc", _)) => bail!("{uri} is a claim of a cluster; give the folder itself"),
            Some((scheme, _)) => bail!(
                "{uri}: {scheme}:// is no place of a model here; give a folder, file://, hf://ORG/NAME, s3://BUCKET/KEY (gs://, az://), bundled://NAME, or \
                 an API's address such as http://HOST/v1"
            ),
        }
        Ok(Self::Model(uri.to_owned()))
    }

    /// As it was given.
    pub(super) fn uri(&self) -> String {
        match self {
            Self::Model(uri) | Self::Endpoint(uri) => uri.clone(),
            Self::Answers(source) => source.to_string(),
        }
    }
}

fn model_folder(uri: &str, path: &Path) -> anyhow::Result<()> {
    let tip = tips::of_uri(uri, true).map_or_else(String::new, |tip| format!("; {tip}"));
    ensure!(path.is_dir(), "{uri}: there is no such folder; a model is a Hugging Face folder{tip}");
    // Adapters that PEFT wrote have their base's.
    let described = ["config.json", "adapter_config.json"].iter().any(|name| path.join(name).is_file());
    ensure!(described, "{uri} holds no config.json; a model is a Hugging Face folder");
    Ok(())
}

/// The plan of what the arguments ask for.
pub(super) fn plan(args: &EvalArgs) -> anyhow::Result<Plan> {
    let mut wanted = match &args.sweep {
        Some(path) => of_sweep(path, &args.runs)?,
        None => Wanted {
            name: "eval".to_owned(),
            max_failures: FailurePolicy::default().max_failures as usize,
            ..Wanted::default()
        },
    };
    for text in &args.model {
        let (name, uri) = named(text);
        wanted.models.push((name.map_or_else(|| model_name(uri), str::to_owned), uri.to_owned()));
    }
    for text in &args.suite {
        let (name, uri) = named(text);
        wanted.suites.push((name.map_or_else(|| suite_name(uri), str::to_owned), uri.to_owned()));
    }
    for text in &args.matrix {
        wanted.matrix.push(MatrixAxis::parse(text)?);
    }
    let mut answers = Vec::new();
    for text in &args.responses {
        let (name, source) = named(text);
        answers.extend(responses(name, source)?);
    }
    ensure!(
        !(wanted.models.is_empty() && answers.is_empty()),
        "there is nothing to evaluate: give --model, --responses or a sweep's YAML"
    );
    ensure!(!wanted.suites.is_empty(), "there is nothing to evaluate on: give --suite NAME=FILE");
    for (name, uri) in &wanted.suites {
        ensure!(is_name(name), "\"{name}\" is no name of a suite: {NAMES}");
        suite_exists(uri).with_context(|| format!("suite {name}"))?;
    }
    let names = |targets: &[(String, Target)]| targets.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let models: Vec<(String, Target)> = wanted
        .models
        .into_iter()
        .map(|(name, uri)| Ok((name.clone(), Target::of_uri(&uri).with_context(|| format!("model {name}"))?)))
        .collect::<anyhow::Result<_>>()?;
    let suites: Vec<String> = wanted.suites.iter().map(|(name, _)| name.clone()).collect();
    let mut all = Vec::new();
    if !models.is_empty() {
        all.extend(cells(&names(&models), &suites, &wanted.matrix)?);
    }
    if !answers.is_empty() {
        // Answers that are there already have no temperature.
        all.extend(cells(&names(&answers), &suites, &[])?);
    }
    let mut targets = BTreeMap::new();
    for (name, target) in models.into_iter().chain(answers) {
        ensure!(is_name(&name), "\"{name}\" is no name of a target: {NAMES}");
        if targets.insert(name.clone(), target).is_some() {
            bail!("there are two targets of the name \"{name}\"; give them others with NAME=…");
        }
    }
    let (name, max_failures, notes) = (wanted.name, wanted.max_failures, wanted.notes);
    Ok(Plan { name, targets, suites: wanted.suites, cells: all, max_failures, notes })
}

const NAMES: &str = "it must be letters, digits, '.', '_' and '-', and begin and end with a letter or digit";

fn is_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    ends(name.chars().next()) && ends(name.chars().last()) && name.chars().all(inside) && name.len() <= 63
}

/// `NAME=REST`, where what stands before the first `=` can be a name.
fn named(text: &str) -> (Option<&str>, &str) {
    match text.split_once('=') {
        Some((name, rest)) if is_name(name) => (Some(name), rest),
        _ => (None, text),
    }
}

/// Sources of answers, each with a name.
fn responses(name: Option<&str>, text: &str) -> anyhow::Result<Vec<(String, Target)>> {
    let source: Source = text.parse().unwrap_or_else(|never| match never {});
    let usual = match &source {
        Source::Baselines => {
            let prefix = name.map(|name| format!("{name}-")).unwrap_or_default();
            let all = BASELINES.iter().map(|(baseline, _)| {
                (format!("{prefix}{}", baseline.replace(' ', "-")), Target::Answers(Source::Baseline(baseline)))
            });
            return Ok(all.collect());
        }
        Source::References => "references".to_owned(),
        Source::Vulnerable => "vulnerable".to_owned(),
        Source::Baseline(name) => (*name).to_owned(),
        Source::File(path) => {
            ensure!(
                path.is_file(),
                "there is no file of answers {}; answers are references, vulnerable, nothing, baselines or a file",
                path.display()
            );
            model_name(&path.to_string_lossy())
        }
    };
    Ok(vec![(name.map_or(usual, str::to_owned), Target::Answers(source))])
}

/// What a sweep's YAML asks for.
#[derive(Default)]
struct Wanted {
    name: String,
    models: Vec<(String, String)>,
    suites: Vec<(String, String)>,
    matrix: Vec<MatrixAxis>,
    max_failures: usize,
    notes: Vec<String>,
}

fn of_sweep(path: &Path, runs: &Path) -> anyhow::Result<Wanted> {
    let file = path.display().to_string();
    let text =
        real_datasets::files::read_text(path, LARGEST).with_context(|| format!("cannot read the sweep {file}"))?;
    let RealEvalSweep { metadata, spec, .. } = parse_sweep(&text, &file)?;
    ensure!(!spec.suspend, "{file}: spec.suspend is true, so there is nothing to evaluate");
    let mut notes = Vec::new();
    if spec.schedule.is_some() || spec.follow {
        notes.push(format!("{file}: spec.schedule and spec.follow are a cluster's matter; here it is evaluated once"));
    }
    let mut models = Vec::new();
    for model in &spec.targets.models {
        if let Some(secret) = &model.secret_ref {
            notes.push(format!(
                "{file}: the Secret {} of {} is not read here; a key goes into REAL_API_KEY",
                secret.name, model.storage_uri
            ));
        }
        models.push((model.name.clone().unwrap_or_else(|| model_name(&model.storage_uri)), model.storage_uri.clone()));
    }
    models.extend(of_jobs(&spec.targets, runs, &file)?);
    Ok(Wanted {
        name: metadata.name.ok_or_else(|| anyhow!("{file}: metadata.name is missing"))?,
        models,
        suites: spec.suites.into_iter().map(|suite| (suite.name, suite.storage_uri)).collect(),
        matrix: spec.matrix,
        max_failures: spec.failure_policy.max_failures as usize,
        notes,
    })
}

/// Checkpoints of the run directories whose jobs match.
fn of_jobs(targets: &SweepTargets, runs: &Path, file: &str) -> anyhow::Result<Vec<(String, String)>> {
    let Some(selector) = &targets.job_selector else { return Ok(Vec::new()) };
    let found = checkpoints::of_jobs(runs, &selector.match_labels, targets.checkpoints)?;
    let choice = match targets.checkpoints {
        CheckpointChoice::Latest => "latest",
        CheckpointChoice::Best => "best",
        CheckpointChoice::All => "all",
    };
    ensure!(
        !found.is_empty() || !targets.models.is_empty(),
        "{file}: spec.targets.jobSelector matches no run under {} with a checkpoint ({choice}); name another folder with --runs",
        runs.display()
    );
    Ok(found)
}

/// The last part of a URI as a name; that of a checkpoint has its run's name before it.
fn model_name(uri: &str) -> String {
    if let Some((_, model)) = uri.split_once("?model=") {
        return as_name(model);
    }
    let parts: Vec<&str> = uri.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [.., run, "checkpoints", step] => as_name(&format!("{run}-{step}")),
        [.., "v1"] if is_endpoint(uri) => as_name(parts[1]),
        [.., last] => as_name(last.strip_suffix(".jsonl").unwrap_or(last)),
        [] => as_name(uri),
    }
}

fn suite_name(uri: &str) -> String {
    let last = uri.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let stem = last.trim_end_matches(".gz").trim_end_matches(".jsonl").trim_end_matches(".parquet");
    as_name(stem).to_ascii_lowercase()
}

fn as_name(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
        .take(63)
        .collect();
    plain.trim_matches(['.', '_', '-']).to_owned()
}

/// Whether there is something to load; loading says whether it is a data set.
fn suite_exists(uri: &str) -> anyhow::Result<()> {
    let path = match uri.split_once("://") {
        None => PathBuf::from(uri),
        Some(("file", path)) => PathBuf::from(path),
        Some(("pvc", _)) => bail!("{uri} is a claim of a cluster; give the file itself"),
        Some(("bundled", _)) => return Ok(()),
        Some((scheme, _)) if real_sources::has_folders(scheme) || scheme == "https" || scheme == "http" => {
            return real_sources::Place::parse(uri).map(drop).map_err(Into::into);
        }
        Some((scheme, _)) => bail!(
            "{uri}: {scheme}:// is no place of a data set here; give a file, file://, https://, s3://, gs://, az://, hf://datasets/ORG/NAME/FILE or \
             bundled://NAME"
        ),
    };
    ensure!(path.is_file(), "there is no file {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_last_part_and_a_checkpoints_from_its_run() {
        for (uri, name) in [
            ("/models/qwen2.5-0.5b", "qwen2.5-0.5b"),
            ("runs/quick/checkpoints/step-20/", "quick-step-20"),
            ("bundled://quickstart-base", "quickstart-base"),
            ("http://localhost:8000/v1", "localhost-8000"),
            ("https://api.example.org/v1?model=org/big", "org-big"),
            ("out/answers of gpt.jsonl", "answers-of-gpt"),
        ] {
            assert_eq!(model_name(uri), name);
        }
        assert_eq!(suite_name("/d/SafeSQL-train.parquet"), "safesql-train");
        assert_eq!(suite_name("bundled://quickstart-eval?count=3"), "quickstart-eval");
    }

    #[test]
    fn a_name_stands_before_the_first_equals_sign_where_it_can_be_one() {
        assert_eq!(named("safesql=/a=b.jsonl"), (Some("safesql"), "/a=b.jsonl"));
        assert_eq!(named("http://h/v1?model=x"), (None, "http://h/v1?model=x"));
        assert_eq!(named("big=http://h/v1?model=x"), (Some("big"), "http://h/v1?model=x"));
        assert_eq!(named("/a/b=c"), (None, "/a/b=c"));
    }

    #[test]
    fn baselines_are_a_target_each() {
        let all = responses(None, "baselines").unwrap();
        assert_eq!((all.len(), all[0].0.as_str(), all[1].0.as_str()), (BASELINES.len(), "nothing", "raise-at-import"));
        assert_eq!(responses(Some("gold"), "references").unwrap()[0].0, "gold");
        let error = responses(None, "refrences").unwrap_err().to_string();
        assert!(error.contains("refrences") && error.contains("references, vulnerable"), "{error}");
    }
}
