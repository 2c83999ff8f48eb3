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
