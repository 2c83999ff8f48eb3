//! What jobs need on a device: the paper's runs, the table of docs/memory.md, and refusals with what would help.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use real_crds::config::TrainerConfig;
use real_crds::validate::parse_job;
use real_crds::{Endpoints, render};
use real_trainer::model::ModelConfig;
use real_trainer::plan::command::{PlanArgs, run};
use real_trainer::plan::room::{Verdict, judge};
use real_trainer::plan::{Plan, When, least, readable};
use serde_json::json;
use tch::Device;

const GPU: Device = Device::Cuda(0);
const ROOM: u64 = 80 << 30;

/// The shapes of Qwen2.5-Coder, as their `config.json` say.
fn qwen(size: &str) -> serde_json::Value {
    let (hidden, layers, heads, keys, wide, words, tied) = match size {
        "0.5b" => (896, 24, 14, 2, 4864, 151_936, true),
        "3b" => (2048, 36, 16, 2, 11_008, 151_936, true),
        _ => (3584, 28, 28, 4, 18_944, 152_064, false),
    };
    json!({
        "model_type": "qwen2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": keys, "intermediate_size": wide, "vocab_size": words, "tie_word_embeddings": tied,
    })
}

fn shape(size: &str) -> ModelConfig {
    serde_json::from_value(qwen(size)).expect("a configuration")
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/paper").join(format!("{name}.yaml"))
}

fn job(name: &str, set: &[&str]) -> TrainerConfig {
    let text = std::fs::read_to_string(place(name)).expect("an example");
    let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
    render(&parse_job(&text, name, &set).unwrap_or_else(|errors| panic!("{errors}")), &Endpoints::default())
}

#[test]
fn parameters_are_counted_as_the_models_have_them() {
    // Of the models' own cards: 0.49, 3.09 and 7.61 thousand million.
    assert_eq!(["0.5b", "3b", "7b"].map(|size| shape(size).parameters()), [494_032_768, 3_085_938_688, 7_615_616_512]);
    for family in ["qwen2", "qwen3", "llama"] {
        let config = json!({
            "model_type": family, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "vocab_size": 61,
            "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": family == "qwen3",
        });
        let config: ModelConfig = serde_json::from_value(config).expect("a configuration");
        let model = real_trainer::model::Decoder::random(config.clone(), 1, Device::Cpu);
        assert_eq!(config.parameters(), model.parameter_count() as i64, "{family}");
    }
}

#[test]
fn the_table_of_the_documentation_is_what_is_planned() {
    let mut table = String::from("| run, one 80 GiB GPU | models | rollout | update | |\n|---|---|---|---|---|\n");
    let without_critic =
        ["spec.algorithm.ppo=null", "spec.algorithm.grpo.steps=600", "spec.algorithm.grpo.microBatchSize=2"];
    let adapters = ["spec.model.lora.rank=32"];
    let both = [&without_critic[..], &adapters].concat();
    let alone = [&without_critic[..], &["spec.algorithm.grpo.klCoefficient=0"]].concat();
    for size in ["0.5b", "3b", "7b"] {
        let run = format!("safesql-{size}");
        for (name, what, set) in [
            (&run, "PPO", &[][..]),
            (&run, "GRPO", &without_critic[..]),
            (&run, "GRPO, no reference", &alone[..]),
            (&run, "PPO, adapters", &adapters[..]),
            (&run, "GRPO, adapters", &both[..]),
            (&format!("{run}-sft"), "SFT", &[][..]),
        ] {
            let (config, model) = (job(name, set), shape(size));
            let plan = Plan::new(&config, &model, GPU);
            let verdict = match judge(&config, &model, GPU, Some(ROOM)) {
                Verdict::Fits => "fits",
                Verdict::Tight(_) => "tight",
                Verdict::Impossible(_) => "no",
            };
            let parts = [When::Always, When::Rollout, When::Update].map(|when| readable(plan.sum(when)));
            let _ = writeln!(table, "| {size}, {what} | {} | {} | {} | {verdict} |", parts[0], parts[1], parts[2]);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/memory.md");
    let text = std::fs::read_to_string(&path).expect("docs/memory.md");
    if std::env::var_os("REAL_UPDATE").is_some() {
        let (before, rest) = text.split_once("| run, one").expect("a table");
        let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
        std::fs::write(&path, format!("{before}{table}\n{after}")).expect("writable");
        return;
    }
    assert!(text.contains(&table), "docs/memory.md is stale (REAL_UPDATE=1 writes it anew); it has to have\n{table}");
}

#[test]
fn a_job_that_cannot_fit_is_refused_with_what_would_help() {
    let (config, model) = (job("safesql-7b", &[]), shape("7b"));
    let Verdict::Impossible(sentence) = judge(&config, &model, GPU, Some(ROOM)) else { panic!("it cannot fit") };
    assert!(sentence.contains("the models and their optimisers alone need"), "{sentence}");
    assert!(sentence.contains("any of these would fit: model.lora.rank: 16"), "{sentence}");
    let with_adapters = job("safesql-7b", &["spec.model.lora.rank=16"]);
    assert_eq!(judge(&with_adapters, &model, GPU, Some(ROOM)), Verdict::Fits);
    let sentence = judge(&config, &model, GPU, Some(8 << 30));
    assert!(matches!(&sentence, Verdict::Impossible(why) if why.contains("a device with more memory")), "{sentence:?}");
    // What fits with room to spare is not talked about; what fits only with short answers is a warning.
    let (config, model) = (job("safesql-0.5b", &[]), shape("0.5b"));
    assert_eq!(judge(&config, &model, GPU, Some(ROOM)), Verdict::Fits);
    assert_eq!(judge(&config, &model, GPU, None), Verdict::Fits, "nobody knows");
    let room = least(&config, &model, GPU) + (1 << 29);
    let Verdict::Tight(sentence) = judge(&config, &model, GPU, Some(room)) else {
        panic!("there is no room for a step")
    };
    assert!(sentence.contains("of full length") && sentence.contains("grpo, rloo"), "{sentence}");
}

#[test]
fn each_way_to_need_less_needs_less() {
    let model = shape("0.5b");
    let update = |set: &[&str]| Plan::new(&job("safesql-0.5b", set), &model, GPU).sum(When::Update);
    let now = update(&["spec.trainer.gradientCheckpointing=never"]);
    assert!(update(&["spec.trainer.gradientCheckpointing=always"]) < now * 2 / 3);
    assert!(update(&["spec.algorithm.ppo.microBatchTokens=2048"]) < update(&[]));
    assert_eq!(
        update(&["spec.algorithm.ppo.microBatchTokens=16384"]),
        update(&["spec.algorithm.ppo.microBatchSize=8"]),
        "8 sequences of 2,048 tokens"
    );
}

fn plan(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_real-trainer")).arg("plan").args(args).output().expect("the program starts")
}

#[test]
fn every_run_of_the_paper_is_planned_from_its_file_and_too_large_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files: Vec<PathBuf> = std::fs::read_dir(place("x").with_file_name(""))
        .expect("examples")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 20);
    for size in ["0.5b", "3b", "7b"] {
        std::fs::write(folder.path().join(size), qwen(size).to_string()).expect("writable");
    }
    for file in files {
        let path = file.to_string_lossy().into_owned();
        let size = ["0.5b", "3b", "7b"].into_iter().find(|size| path.contains(&format!("-{size}"))).expect("a size");
        let config = folder.path().join(size);
        let (device, memory) = (Some("cuda".to_owned()), Some("80Gi".to_owned()));
        let planned = run(&PlanArgs { job: file, set: Vec::new(), model_config: Some(config), memory, device });
        let refused = size == "7b" || (size == "3b" && !path.contains("sft"));
        assert_eq!(planned.is_err(), refused, "{path}: {planned:?}");
    }
    let small = place("safesql-0.5b").to_string_lossy().into_owned();
    let config = folder.path().join("0.5b").to_string_lossy().into_owned();
    let output = plan(&[&small, "--model-config", &config, "--device", "cuda", "--memory", "80Gi"]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("fits: the device has 80.0 GiB"), "{output:?}");
    assert!(out.contains("actor: optimiser") && out.contains("while a model learns"), "{out}");
    let output = plan(&["nowhere.yaml"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read nowhere.yaml"));
    let output = plan(&[&small]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--model-config"), "{output:?}");
    let output = plan(&[&small, "--model-config", &config, "--memory", "eighty"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--memory is eighty"), "{output:?}");
}
