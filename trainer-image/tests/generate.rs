//! `real-trainer generate` as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use real_trainer::model::{Decoder, ModelConfig};
use serde_json::{Value, json};
use tch::Device;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A folder with a random model of the golden tokenizer's ten words.
fn model_folder(dir: &Path) -> PathBuf {
    let folder = dir.join("model");
    let text = std::fs::read_to_string(golden("qwen2/config.json")).expect("a configuration");
    let mut config: ModelConfig = serde_json::from_str(&text).expect("a configuration");
    config.vocab_size = 10;
    Decoder::random(config, 1, Device::Cpu).save(&folder).expect("saved");
    for entry in std::fs::read_dir(golden("tokenizer")).expect("a folder").flatten() {
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("copied");
    }
    folder
}

fn run(dir: &Path, model: &str, prompts: &str, more: &[&str]) -> Output {
    let file = dir.join("prompts.jsonl");
    std::fs::write(&file, prompts).expect("written");
    Command::new(env!("CARGO_BIN_EXE_real-trainer"))
        .args(["generate", "--model", model, "--max-new-tokens", "6", "--threads", "1", "--prompts"])
        .arg(&file)
        .arg("--output")
        .arg(dir.join("out.jsonl"))
        .args(more)
        .output()
        .expect("the program starts")
}

fn lines(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("out.jsonl")).expect("an output");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const PROMPTS: &str = r#"{"id": "a", "prompt": [{"role": "user", "content": "add one"}], "tests": []}
{"id": 7, "prompt": "<s> be brief"}
"#;

#[test]
fn answers_come_in_the_order_of_the_prompts_with_their_ids() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = model_folder(dir.path());
    let output = run(dir.path(), &model.to_string_lossy(), PROMPTS, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let greedy = lines(dir.path());
    assert_eq!(greedy.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), [json!("a"), json!(7)]);
    assert!(greedy.iter().all(|line| line["response"].is_string() && line["finished"].is_boolean()));

    let sampling = ["--temperature", "1", "--samples", "3", "--seed", "9", "--batch-size", "2"];
    assert!(run(dir.path(), &format!("file://{}", model.display()), PROMPTS, &sampling).status.success());
    let first = lines(dir.path());
    assert_eq!(first.iter().map(|line| line["sample"].clone()).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    assert!(run(dir.path(), &model.to_string_lossy(), PROMPTS, &sampling).status.success());
    assert_eq!(lines(dir.path()), first, "the same seed gives the same answers");
}

#[test]
fn what_cannot_be_used_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().expect("a folder");
    let model = model_folder(dir.path());
    let uri = model.to_string_lossy().into_owned();
    let refused = |model: &str, prompts: &str, more: &[&str], wanted: &[&str]| {
        let output = run(dir.path(), model, prompts, more);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{message}");
        for part in wanted {
            assert!(message.contains(part), "{message:?} lacks {part:?}");
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 2, "the model and the prompts: {left:?}");
    };
    refused("/no/such/folder", PROMPTS, &[], &["/no/such/folder", "no such folder"]);
    refused("bundled://nothing", PROMPTS, &[], &["bundled://nothing", "there are"]);
    refused("ftp://bucket/model", PROMPTS, &[], &["ftp://", "not supported"]);
    refused(&uri, "", &[], &["no prompts"]);
    refused(&uri, "{\"id\": 1, \"prompt\": \"add\"}\n{\"id\": 2}\n", &[], &["prompts.jsonl:2", "prompt"]);
    refused(&uri, "{\"id\": 1, \"prompt\": \"\"}", &[], &["no tokens"]);
    refused(&uri, PROMPTS, &["--temperature=-1"], &["--temperature is -1"]);
    refused(&uri, PROMPTS, &["--top-p=0"], &["--top-p is 0"]);
    refused(&uri, "{\"id\": 1, \"prompt\": [{\"role\": \"tool\", \"content\": \"\"}]}", &[], &["unknown role tool"]);
    std::fs::remove_file(model.join("tokenizer.json")).expect("removed");
    refused(&uri, PROMPTS, &[], &["tokenizer.json", "cannot read"]);
    std::fs::copy(golden("tokenizer/tokenizer.json"), model.join("tokenizer.json")).expect("copied");
    std::fs::remove_file(model.join("config.json")).expect("removed");
    refused(&uri, PROMPTS, &[], &["config.json", "cannot read"]);
}
