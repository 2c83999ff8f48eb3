//! `real-trainer train` with SFT: it learns, resumes exactly, refuses damage and bad input, and stops when told.

mod endings;
#[path = "../job/mod.rs"]
mod job;
mod refusals;
mod resuming;
#[path = "../job/running.rs"]
mod running;

use std::fs;

use job::Job;

#[test]
fn the_loss_falls_and_the_checkpoint_is_a_model_folder() {
    let mut job = Job::sft(40);
    job.config["algorithm"]["sft"]["learningRate"] = 0.01.into();
    job.config["checkpoint"]["everySteps"] = 10.into();
    job.config["checkpoint"]["retain"] = 2.into();
    job.run_well(&[]);
    let metrics = job.metrics();
    let loss = |line: usize| metrics[line]["train/loss"].as_f64().expect("a loss");
    assert!(loss(39) < 0.7 * loss(0), "{} → {}", loss(0), loss(39));
    let mut next = Job::sft(1);
    next.config["model"] = serde_json::json!({"uri": job.checkpoint(40, ""), "initialize": "pretrained"});
    next.run_well(&[]);
    let continued = next.metrics()[0]["train/loss"].as_f64().expect("a loss");
    assert!(continued < 0.7 * loss(0), "a model that was trained goes on from where it was: {continued}");
    assert!(job.checkpoint(40, "tokenizer.json").is_file());
    let kept = fs::read_dir(job.run_dir().join("checkpoints")).expect("a folder").count();
    assert_eq!(kept, 2, "no more checkpoints than retain says");
}
