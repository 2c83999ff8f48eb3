//! Going on from checkpoints.

use std::fs;

use crate::job::{Job, stderr};

#[test]
fn a_resumed_run_is_the_run_that_was_never_stopped() {
    let straight = Job::sft(6);
    straight.run_well(&[]);
    let mut stopped = Job::sft(6);
    // The learning rate depends on the number of steps, so the run is cut by removing what came later.
    stopped.config["checkpoint"]["everySteps"] = 3.into();
    stopped.run_well(&[]);
    fs::remove_dir_all(stopped.checkpoint(6, "")).expect("a checkpoint of step 6");
    stopped.run_well(&["--resume"]);
    let (straight_metrics, stopped_metrics) = (straight.metrics(), stopped.metrics());
    assert_eq!(straight_metrics.len(), 6);
    assert_eq!(straight_metrics, stopped_metrics);
    for file in ["model.safetensors", "optimizer/actor.safetensors", "state.json"] {
        let [a, b] = [&straight, &stopped].map(|job| fs::read(job.checkpoint(6, file)).expect("a checkpoint's file"));
        assert!(a == b, "{file} differs");
    }
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let job = Job::sft(3);
    job.run_well(&[]);
    let expected = job.metrics();
    let weights = job.checkpoint(3, "model.safetensors");
    let mut content = fs::read(&weights).expect("weights");
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(&weights, content).expect("writable");
    let output = job.run(&["--resume"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("step-3/model.safetensors is damaged: SHA-256"), "{}", stderr(&output));
    assert!(stderr(&output).contains("resuming after step 2"), "{}", stderr(&output));
    assert_eq!(job.metrics(), expected);
}

#[test]
fn a_run_goes_back_to_the_checkpoint_that_is_named_and_later_ones_play_no_part_any_more() {
    let job = Job::sft(4);
    job.run_well(&[]);
    let expected = job.metrics();
    let evaluation = |step: u64| {
        let line = r#"{"suite":"s","decoding":"greedy","n":1,"function":1.0,"quality":1.0,"joint":1.0,"step":"#;
        format!("{line}{step}}}\n")
    };
    let evaluations = job.run_dir().join("evaluations.jsonl");
    fs::write(&evaluations, [0, 2, 4].map(evaluation).concat()).expect("writable");

    let output = job.run(&["--resume-from", "step-2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("resuming after step 2"), "{}", stderr(&output));
    assert_eq!(job.metrics(), expected, "each step is there once");
    assert_eq!(fs::read_to_string(&evaluations).expect("readable"), [0, 2].map(evaluation).concat());
    for step in [3, 4] {
        let old = job.run_dir().join(format!("checkpoints/superseded-step-{step}/model.safetensors"));
        let [old, new] = [old, job.checkpoint(step, "model.safetensors")].map(|path| fs::read(path).expect("weights"));
        assert!(old == new, "step {step} done again is the same step");
        // As if the run had been killed before it wrote them.
        fs::remove_dir_all(job.checkpoint(step, "")).expect("a checkpoint of each step");
    }
    let output = job.run(&["--resume"]);
    assert!(stderr(&output).contains("resuming after step 2"), "{}", stderr(&output));
    assert_eq!(job.metrics(), expected);
}

#[test]
fn a_checkpoint_that_is_named_but_missing_or_damaged_exits_with_2_and_changes_nothing() {
    let job = Job::sft(3);
    job.run_well(&[]);
    fs::write(job.checkpoint(2, "state.json"), "{}").expect("writable");
    for (arguments, message) in [
        (["--resume-from", "step-9"].as_slice(), "there is no such checkpoint; the others in"),
        (&["--resume-from", "step-9"], "are step-1, step-2, step-3"),
        (&["--resume-from", "step-2"], "step-2/state.json is damaged"),
        (&["--resume-from", "latest"], "it has to be the name of a checkpoint, such as step-400"),
        (&["--resume", "--resume-from", "step-1"], "cannot be used with"),
    ] {
        let output = job.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    }
    assert!((1..=3).all(|step| job.checkpoint(step, "manifest.json").is_file()), "all are where they were");
    assert_eq!(job.metrics().len(), 3);
}
