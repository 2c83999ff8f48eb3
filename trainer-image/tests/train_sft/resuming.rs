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
fn a_damaged_checkpoint_that_was_passed_over_never_takes_the_place_of_one_that_is_whole() {
    let mut job = Job::sft(4);
    job.config["checkpoint"]["everySteps"] = 2.into();
    job.run_well(&[]);
    let damaged = "not what was written";
    fs::write(job.checkpoint(4, "model.safetensors"), damaged).expect("writable");
    fs::create_dir(job.checkpoint(9, "")).expect("creatable");
    // Step 3 comes before those that are damaged: counted among the newest they would be the ones that stay.
    job.config["checkpoint"]["everySteps"] = 1.into();
    job.config["checkpoint"]["retain"] = 1.into();
    job.run_well(&["--resume"]);
    let mut left: Vec<String> = fs::read_dir(job.run_dir().join("checkpoints"))
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["step-4", "superseded-step-4", "superseded-step-9"]);
    let kept = job.run_dir().join("checkpoints/superseded-step-4/model.safetensors");
    assert_eq!(fs::read_to_string(kept).expect("nothing is deleted"), damaged);
    assert_eq!(job.metrics().len(), 4);
    job.run_well(&["--resume"]);
}

#[test]
fn what_is_not_to_be_kept_any_more_goes_before_the_next_checkpoint_is_written() {
    let mut job = Job::sft(4);
    job.run_well(&[]);
    job.config["algorithm"]["sft"]["steps"] = 5.into();
    job.config["checkpoint"]["retain"] = 2.into();
    // In the way of the write, as a full disk is.
    fs::write(job.run_dir().join("checkpoints/.step-5.partial"), "").expect("writable");
    let output = job.run(&["--resume"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let there: Vec<u64> = (1..=5).filter(|step| job.checkpoint(*step, "manifest.json").is_file()).collect();
    assert_eq!(there, [3, 4]);
}

#[test]
fn a_run_that_is_gone_on_with_on_other_data_of_the_same_size_says_so() {
    let warnings = |job: &Job| fs::read_to_string(job.run_dir().join("warnings.jsonl")).expect("warnings.jsonl");
    let mut job = Job::sft(2);
    job.run_well(&[]);
    job.config["algorithm"]["sft"]["steps"] = 3.into();
    job.run_well(&["--resume"]);
    assert_eq!(warnings(&job), "", "the same data are nothing to tell");
    job.config["algorithm"]["sft"]["steps"] = 4.into();
    job.config["train"][1]["uri"] = "bundled://quickstart-demonstrations?count=30&seed=3".into();
    job.run_well(&["--resume"]);
    let told = warnings(&job);
    assert!(told.lines().count() == 1 && told.contains("\"DataChanged\""), "{told}");
    assert!(told.contains("(counted from 1) 2 has as many usable entries"), "{told}");
}

#[test]
fn a_checkpoint_of_adapters_and_one_of_all_parameters_are_not_taken_for_each_other() {
    let mut job = Job::sft(1);
    job.run_well(&[]);
    let adapters = |rank: u64| serde_json::json!({"rank": rank, "alpha": 4.0, "targets": ["q_proj", "v_proj"]});
    let refused = |job: &Job, message: &str| {
        let output = job.run(&["--resume"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(message), "{}", stderr(&output));
    };
    let uri = job.checkpoint(1, "");
    job.config["model"]["initialize"] = "pretrained".into();
    job.config["model"]["lora"] = adapters(2);
    fs::copy(uri.join("model.safetensors"), job.run_dir().with_file_name("model").join("model.safetensors"))
        .expect("weights");
    job.config["algorithm"]["sft"]["steps"] = 2.into();
    refused(&job, "it is of a run that trains all parameters, and the job has adapters (spec.model.lora)");
    fs::remove_dir_all(job.run_dir()).expect("removable");
    job.run_well(&[]);
    job.config["algorithm"]["sft"]["steps"] = 3.into();
    job.config["model"]["lora"] = adapters(3);
    refused(
        &job,
        "have rank 2, alpha 4 and the targets q_proj, v_proj; those of the job (spec.model.lora) have rank 3,",
    );
    job.config["model"]["lora"] = serde_json::Value::Null;
    refused(&job, "it holds adapters (spec.model.lora), and the job trains all parameters");
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
