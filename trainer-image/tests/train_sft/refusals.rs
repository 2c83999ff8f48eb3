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
    for (name, value, pieces) in [
        ("REAL_CHECKPOINT_URI", "s3://bucket/runs", ["s3://bucket/runs", "persistentVolumeClaim"]),
        ("WORLD_SIZE", "2", ["WORLD_SIZE is '2'", "only one process is supported yet"]),
    ] {
        let job = Job::sft(1);
        let output = job.command(&[]).env(name, value).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(pieces.iter().all(|piece| stderr(&output).contains(piece)), "{}", stderr(&output));
        assert!(!job.run_dir().exists(), "nothing was written");
    }
    let job = Job::sft(1);
    let alone = job.command(&[]).envs([("WORLD_SIZE", "1"), ("REAL_CHECKPOINT_URI", "")]).status();
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
