//! What is refused or fails, with which exit code: 2 where trying again is of no use, 1 elsewhere.

use std::fs;

use crate::job::{Job, stderr};

#[test]
fn a_run_directory_with_checkpoints_is_not_overwritten() {
    let job = Job::sft(1);
    job.run_well(&[]);
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(1));
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
