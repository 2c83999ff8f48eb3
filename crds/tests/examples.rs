//! Every example is valid and renders.

use std::{fs, path::Path};

use real_crds::{
    Endpoints, config, render,
    validate::{Resource, parse_job, parse_manifest},
};

fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut examples: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    examples.sort();
    examples
}

fn example(name: &str) -> String {
    examples().into_iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

fn endpoints() -> Endpoints {
    Endpoints {
        detectors: vec!["http://127.0.0.1:7001".to_owned()],
        sandboxes: vec!["http://127.0.0.1:7002".to_owned()],
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
