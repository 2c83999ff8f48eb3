//! What is refused or fails, with which exit code: 2 where trying again is of no use, 1 elsewhere.

use std::fs;
use std::path::Path;

use crate::job::{Job, stderr};

#[test]
fn a_run_directory_with_checkpoints_is_not_overwritten() {
    let job = Job::sft(1);
    job.run_well(&[]);
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has checkpoints (the newest of step 1): resume, or use another"));
}

#[test]
fn a_bad_configuration_exits_with_2_and_says_what_is_allowed() {
    for (pointer, value, message) in [
        ("/reward/alpha", serde_json::json!(1.5), "reward.alpha is 1.5; it has to lie in [0, 1]"),
        ("/train", serde_json::json!([]), "train is empty"),
        ("/algorithm/sft/batchSize", serde_json::json!(0), "batchSize is 0"),
        ("/algorithm/sft/batchSize", serde_json::json!("many"), "is not a trainer configuration"),
        ("/algorithm/sft/learningRate", serde_json::json!(-0.1), "learningRate is -0.1; it has to be a number above 0"),
        ("/algorithm/sft/maxGradNorm", serde_json::json!(0.0), "maxGradNorm is 0"),
        (
            "/algorithm/sft/betas",
            serde_json::json!([0.9, 1.0]),
            "betas are [0.9, 1.0]; each has to be from 0 and below 1",
        ),
        ("/algorithm/sft/weightDecay", serde_json::json!(-1.0), "weightDecay is -1"),
        ("/rollout/topP", serde_json::json!(0.0), "rollout.topP is 0"),
    ] {
        let mut job = Job::sft(1);
        *job.config.pointer_mut(pointer).expect("a field") = value;
        let output = job.run(&[]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
        assert!(!job.run_dir().exists(), "nothing is written for a configuration that cannot run");
    }
}

/// Damages a job, which then exits with 2 and a message.
fn no_use_in_trying_again(damage: impl FnOnce(&mut Job), pieces: &[&str]) {
    let mut job = Job::sft(1);
    damage(&mut job);
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    for piece in pieces {
        assert!(stderr(&output).contains(piece), "`{piece}` is not in {}", stderr(&output));
    }
}

/// Writes a file of the job's model folder.
fn write_model(job: &Job, file: &str, content: &str) {
    let folder = job.config["model"]["uri"].as_str().expect("a path");
    fs::write(Path::new(folder).join(file), content).expect("writable");
}

#[test]
fn a_model_that_is_not_there_or_cannot_be_computed_exits_with_2() {
    let uri = |job: &mut Job, uri: &str| job.config["model"]["uri"] = uri.into();
    no_use_in_trying_again(|job| uri(job, "/nowhere/model"), &["model /nowhere/model: no such folder"]);
    no_use_in_trying_again(|job| uri(job, "bundled://gpt-9"), &["no such bundled model; there are: quickstart-base"]);
    no_use_in_trying_again(
        |job| write_model(job, "config.json", r#"{"model_type": "gpt2"}"#),
        &["config.json", "gpt2"],
    );
    no_use_in_trying_again(|job| write_model(job, "tokenizer.json", "{}"), &["tokenizer.json"]);
    // Its weights are asked for, and there are none.
    no_use_in_trying_again(|job| job.config["model"]["initialize"] = "pretrained".into(), &["model.safetensors"]);
}

#[test]
fn a_data_set_that_is_not_there_exits_with_2() {
    let uri = |job: &mut Job, uri: &str| job.config["train"][0]["uri"] = uri.into();
    no_use_in_trying_again(|job| uri(job, "/nowhere/a.jsonl"), &["data set a", "/nowhere/a.jsonl"]);
    no_use_in_trying_again(|job| uri(job, "bundled://nothing"), &["bundled://nothing", "quickstart-demonstrations"]);
}

#[test]
fn what_an_operator_asks_for_and_one_process_cannot_do_exits_with_2() {
    let job = Job::sft(1);
    let output = job.command(&[]).env("WORLD_SIZE", "2").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let pieces = ["WORLD_SIZE is '2'", "only one process is supported yet"];
    assert!(pieces.iter().all(|piece| stderr(&output).contains(piece)), "{}", stderr(&output));
    assert!(!job.run_dir().exists(), "nothing was written");
    let alone = job.command(&[]).env("WORLD_SIZE", "1").status();
    assert!(alone.expect("the program starts").success());
}

#[test]
fn a_checkpoint_of_another_run_exits_with_2() {
    let mut job = Job::sft(1);
    job.run_well(&[]);
    job.config["seed"] = 6.into();
    let output = job.run(&["--resume"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("is of a run with seed 5, the configuration says 6"), "{}", stderr(&output));
}

#[test]
fn a_model_that_cannot_be_unpacked_into_the_run_directory_exits_with_1() {
    let mut job = Job::sft(1);
    job.config["model"] = serde_json::json!({"uri": "bundled://quickstart-base", "initialize": "pretrained"});
    fs::create_dir(job.run_dir()).expect("writable");
    fs::write(job.run_dir().join("model"), "a file where a folder should be").expect("writable");
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot write") && stderr(&output).contains("/run/model"), "{}", stderr(&output));
}

#[test]
fn a_run_directory_that_cannot_be_written_is_named() {
    let job = Job::sft(1);
    fs::write(job.run_dir(), "a file where the directory should be").expect("writable");
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("cannot write to the run directory") && text.contains("/run"), "{text}");
}

#[test]
fn a_checkpoint_that_does_not_fit_is_named_and_leaves_nothing_half_written() {
    let job = Job::sft(1);
    let command = job.command(&[]);
    // As on a full disk, writes beyond 16 KiB of a file fail with an error.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .expect("sh");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("cannot write checkpoint") && stderr(&output).contains("/step-1"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(job.run_dir().join("checkpoints")).expect("a folder").count(), 0);
}

/// A job that starts from the weights that another one has written.
fn pretrained() -> (Job, Job) {
    let first = Job::sft(1);
    first.run_well(&[]);
    let mut job = Job::sft(1);
    job.config["model"] = serde_json::json!({"uri": first.checkpoint(1, ""), "initialize": "pretrained"});
    (first, job)
}

/// Changes a JSON file of the job's model folder.
fn change_model(job: &Job, file: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let path = Path::new(job.config["model"]["uri"].as_str().expect("a path")).join(file);
    let mut content = crate::job::read_json(&path);
    change(&mut content);
    fs::write(path, content.to_string()).expect("writable");
}

/// Writes a number over the first value of a 32-bit tensor in a safetensors file.
fn overwrite(path: &Path, tensor: &str, value: f32) {
    let mut bytes = fs::read(path).expect("readable");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let entries: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).expect("a header");
    let start = 8 + header + entries[tensor]["data_offsets"][0].as_u64().expect("an offset") as usize;
    bytes[start..start + 4].copy_from_slice(&value.to_le_bytes());
    fs::write(path, bytes).expect("writable");
}

fn refused(job: &Job, pieces: &[&str]) {
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    for piece in pieces {
        assert!(stderr(&output).contains(piece), "`{piece}` is not in {}", stderr(&output));
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused_with_the_tensors_name() {
    let (first, job) = pretrained();
    let name = "model.layers.1.mlp.down_proj.weight";
    for value in [f32::NAN, f32::INFINITY] {
        overwrite(&first.checkpoint(1, "model.safetensors"), name, value);
        refused(&job, &["model.safetensors", name, "1 values that are not finite"]);
    }
}

#[test]
fn weights_of_another_model_than_the_configurations_are_refused_by_name() {
    let (_first, job) = pretrained();
    let restore =
        crate::job::read_json(&Path::new(job.config["model"]["uri"].as_str().expect("a path")).join("config.json"));
    let with = |key: &str, value: serde_json::Value, pieces: &[&str]| {
        change_model(&job, "config.json", |config| {
            *config = restore.clone();
            config[key] = value;
        });
        refused(&job, pieces);
    };
    with("num_hidden_layers", 1.into(), &["model.layers.1.", "num_hidden_layers is 1, the weights have 2 layers"]);
    with("num_hidden_layers", 3.into(), &["no tensor model.layers.2."]);
    with("model_type", "llama".into(), &["architectures is Qwen2ForCausalLM", "LlamaForCausalLM"]);
    with("architectures", serde_json::json!(["Qwen2MoeForCausalLM"]), &["architectures is Qwen2MoeForCausalLM"]);
    with(
        "quantization_config",
        serde_json::json!({"quant_method": "gptq", "bits": 4}),
        &["quantization_config", "gptq"],
    );
    for key in
        ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "head_dim"]
    {
        with(key, 1_000_000_000_000_i64.into(), &[key, "1000000000000", "and at most"]);
    }
    with("rms_norm_eps", 1e30.into(), &["rms_norm_eps is 1000000000000000", "above 0 and below 1"]);
    with("final_logit_softcapping", 30.0.into(), &["final_logit_softcapping is 30", "only null is implemented"]);
    // As a Llama the biases of its attention would be passed over.
    change_model(&job, "config.json", |config| {
        *config = restore.clone();
        config["model_type"] = "llama".into();
        config["architectures"] = serde_json::json!(["LlamaForCausalLM"]);
    });
    refused(&job, &["self_attn.k_proj.bias", "are left over; config.json describes a model without them"]);
}

#[test]
fn lengths_beyond_the_models_positions_are_refused_before_anything_is_loaded() {
    no_use_in_trying_again(
        |job| job.config["rollout"]["maxResponseTokens"] = 200.into(),
        &[
            "64 + 200 tokens are 264, more than the 256 positions",
            "max_position_embeddings",
            "rollout.maxResponseTokens",
        ],
    );
}

#[test]
fn a_tokenizer_that_knows_more_tokens_than_the_model_is_refused() {
    let vocabulary = |job: &mut Job| change_model(job, "config.json", |config| config["vocab_size"] = 6.into());
    no_use_in_trying_again(vocabulary, &["data set a", "the model knows 0 to 5 (vocab_size", "do not belong together"]);
}
