//! Every example is valid and renders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use real_crds::{
    Endpoints,
    config::{self, Estimator, KlEstimator, KlPlacement, LossAggregation},
    render,
    validate::{Resource, parse_job, parse_manifest},
};

/// Files of some folders and of those in them, by what their names end with.
fn files(mut folders: Vec<PathBuf>, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files
}

/// What the folder of examples and those in it hold, by the files' names.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let example =
        |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap());
    let mut examples: Vec<_> = files(vec![folder], "yaml").into_iter().map(example).collect();
    examples.sort();
    examples
}

fn example(name: &str) -> String {
    examples().into_iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

/// Blocks of YAML of all pages, by the page.
fn blocks() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = files(vec![root.join("docs"), root.join("examples")], "md");
    pages.push(root.join("README.md"));
    let mut blocks = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for block in text.split("\n```yaml\n").skip(1) {
            blocks.push((page.display().to_string(), block.split("\n```").next().unwrap_or_default().to_owned()));
        }
    }
    blocks
}

fn endpoints() -> Endpoints {
    Endpoints {
        detectors: vec!["http://127.0.0.1:7001".to_owned()],
        sandboxes: vec!["http://127.0.0.1:7002".to_owned()],
    }
}

#[test]
fn every_object_of_ours_on_a_page_is_valid() {
    let ours: Vec<_> = blocks().into_iter().filter(|(_, block)| block.contains("apiVersion: real-rl.dev/")).collect();
    assert!(ours.iter().any(|(page, _)| page.ends_with("README.md")), "the first page shows a job");
    for (page, text) in ours {
        parse_manifest(&text, &page, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

#[test]
fn every_example_is_valid_and_every_job_renders() {
    let examples = examples();
    assert!(!examples.is_empty());
    for (file, text) in examples {
        let resources = parse_manifest(&text, &file, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(!resources.is_empty(), "{file} holds nothing");
        for resource in resources {
            match resource {
                Resource::TrainingJob(job) => {
                    let rendered = serde_json::to_value(render(&job, &endpoints())).unwrap();
                    serde_json::from_value::<config::TrainerConfig>(rendered).unwrap();
                }
                Resource::Foreign { kind, .. } => panic!("{file} holds a {kind}"),
                _ => {}
            }
        }
    }
}

#[test]
fn the_quickstart_renders_to_this_configuration() {
    let job = parse_job(&example("quickstart.yaml"), "quickstart.yaml", &[]).unwrap();
    insta::assert_json_snapshot!(render(&job, &endpoints()));
}

#[test]
fn a_job_with_only_what_is_required_is_the_papers() {
    let text = "\
apiVersion: real-rl.dev/v1alpha1
kind: RealTrainingJob
metadata: {name: small}
spec:
  model: {storageUri: models/base}
  datasets: {train: [{name: safesql, storageUri: safesql.parquet}]}
  algorithm: {ppo: {steps: 600}}
";
    let job = parse_job(text, "small.yaml", &[]).unwrap();
    insta::assert_json_snapshot!(render(&job, &endpoints()));
}

#[test]
fn the_ablations_differ_from_the_quickstart_only_in_name_and_alpha() {
    let quickstart = render(&parse_job(&example("quickstart.yaml"), "quickstart.yaml", &[]).unwrap(), &endpoints());
    for (file, alpha) in [("ablation-quality-only.yaml", 1.0), ("ablation-function-only.yaml", 0.0)] {
        let ablation = render(&parse_job(&example(file), file, &[]).unwrap(), &endpoints());
        let mut expected = quickstart.clone();
        expected.job.clone_from(&ablation.job);
        expected.reward.alpha = alpha;
        assert_eq!(ablation, expected, "{file}");
    }
}

#[test]
fn each_algorithm_without_a_critic_has_defaults_of_its_own() {
    let resolved = |set: &[&str]| {
        let text = example("quickstart.yaml");
        let set: Vec<String> = ["spec.algorithm.ppo=null"].iter().chain(set).map(|s| (*s).to_owned()).collect();
        let job = parse_job(&text, "quickstart.yaml", &set).unwrap();
        match render(&job, &endpoints()).algorithm {
            config::Algorithm::PolicyGradient(gradient) => gradient,
            other => panic!("{other:?}"),
        }
    };
    for (name, estimator, samples, aggregation, kl, placement, clip_high, buffer, resamples) in [
        ("grpo", Estimator::Grpo, 8, LossAggregation::SequenceMean, 1e-3, KlPlacement::Loss, 0.2, 0, 0),
        ("drGrpo", Estimator::DrGrpo, 8, LossAggregation::FixedLength, 0.0, KlPlacement::Loss, 0.2, 0, 0),
        ("dapo", Estimator::Dapo, 8, LossAggregation::TokenMean, 0.0, KlPlacement::Loss, 0.28, 19, 10),
        ("rloo", Estimator::Rloo, 4, LossAggregation::TokenMean, 1e-3, KlPlacement::Reward, 0.2, 0, 0),
        (
            "reinforcePlusPlus",
            Estimator::ReinforcePlusPlus,
            1,
            LossAggregation::TokenMean,
            1e-3,
            KlPlacement::Reward,
            0.2,
            0,
            0,
        ),
        ("remax", Estimator::Remax, 1, LossAggregation::TokenMean, 1e-3, KlPlacement::Reward, 0.2, 0, 0),
    ] {
        let gradient = resolved(&[&format!("spec.algorithm.{name}.steps=3")]);
        assert_eq!((gradient.estimator, gradient.samples_per_prompt), (estimator, samples), "{name}");
        assert_eq!(gradient.mini_batch_size, 256 * samples, "{name}: the whole rollout");
        assert_eq!((gradient.loss_aggregation, gradient.kl.placement), (aggregation, placement), "{name}");
        assert_eq!((gradient.kl.coefficient, gradient.clip_range_high), (kl, clip_high), "{name}");
        assert_eq!((gradient.overlong_buffer_tokens, gradient.max_resamples), (buffer, resamples), "{name}");
    }
    // An estimator that says nothing in the loss moves the pull into the reward.
    let gradient = resolved(&["spec.algorithm.grpo.steps=3", "spec.algorithm.grpo.klEstimator=k1"]);
    assert_eq!((gradient.kl.placement, gradient.kl.estimator), (KlPlacement::Reward, KlEstimator::K1));
    let gradient = resolved(&["spec.algorithm.dapo.steps=3", "spec.algorithm.dapo.clipRange=0.4"]);
    assert!(gradient.clip_range_high >= gradient.clip_range);
}

/// The paper's runs, by name without the ending.
fn paper() -> std::collections::BTreeMap<String, serde_json::Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/paper");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let rendered = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let job =
            parse_job(&fs::read_to_string(&path).unwrap(), &name, &[]).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(job.metadata.name, Some(format!("paper-{}", name.replace('.', ""))), "{name}");
        (name, serde_json::to_value(render(&job, &endpoints())).unwrap())
    };
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).map(rendered).collect()
}

/// Fields in which two configurations differ, as JSON pointers.
fn differences(a: &serde_json::Value, b: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    match (a, b) {
        (serde_json::Value::Object(a), serde_json::Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let (a, b) = (a.get(key).unwrap_or_default(), b.get(key).unwrap_or_default());
                differences(a, b, &format!("{at}/{key}"), found);
            }
        }
        (a, b) if a == b => {}
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn the_papers_runs_are_all_there_and_differ_only_in_what_their_names_say() {
    let runs = paper();
    let compare = |a: &str, b: &str, fields: &[&str]| {
        let mut found = Vec::new();
        differences(&runs[a], &runs[b], "", &mut found);
        found.sort();
        assert_eq!(found, fields, "{a} and {b}");
    };
    let mut count = 0;
    for set in ["safesql", "seccodeplt", "apps"] {
        let small = format!("{set}-0.5b");
        for size in ["0.5b", "3b", "7b"] {
            let (run, baseline) = (format!("{set}-{size}"), format!("{set}-{size}-sft"));
            count += 2;
            if size != "0.5b" {
                compare(&small, &run, &["/algorithm/ppo/microBatchSize", "/job", "/model/uri"]);
                let small = format!("{small}-sft");
                compare(&small, &baseline, &["/algorithm/sft/microBatchSize", "/job", "/model/uri"]);
            }
            assert!(runs[&baseline]["algorithm"]["sft"].is_object() && runs[&run]["compute"]["dtype"] == "bf16");
        }
        for (ablation, alpha) in [("quality-only", 1.0), ("function-only", 0.0)] {
            let name = format!("{small}-{ablation}");
            count += 1;
            compare(&small, &name, &["/job", "/reward/alpha"]);
            assert_eq!(runs[&name]["reward"]["alpha"], alpha);
        }
    }
    for small in ["safesql-0.5b", "seccodeplt-0.5b"] {
        compare(small, &format!("{small}-safety-tests"), &["/job", "/reward/quality"]);
    }
    assert_eq!(runs.len(), count + 2, "{:?}", runs.keys());
}
