//! How a run ends, and what it says until then and at its end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use real_crds::progress::{LastWords, Outcome, Phase};

use crate::job::{Job, read_json, stderr};
use crate::running::Running;

/// Has a command leave its last words in a file.
fn with_last_words(mut command: Command, path: &Path) -> Command {
    command.env("REAL_TERMINATION_LOG", path);
    command
}

fn last_words(path: &Path) -> LastWords {
    serde_json::from_slice(&fs::read(path).expect("last words")).expect("last words of the API's type")
}

#[test]
fn a_finished_run_says_what_it_has_done() {
    let (job, place) = (Job::sft(2), tempfile::NamedTempFile::new().expect("a temporary file"));
    let mut command = with_last_words(job.command(&[]), place.path());
    assert!(command.env("REAL_ATTEMPT", "3").status().expect("the program starts").success());
    let LastWords { outcome, message, progress, .. } = last_words(place.path());
    assert_eq!((outcome, message.as_str()), (Outcome::Done, ""));
    assert_eq!((progress.attempt, progress.step, progress.total_steps), (3, 2, 2));
    assert_eq!(progress.phase, Phase::Done);
    assert!(progress.loss.is_some_and(|loss| loss > 0.0), "{progress:?}");
    assert_eq!(progress.checkpoints.iter().map(|checkpoint| checkpoint.step).collect::<Vec<_>>(), [1, 2]);
    let newest = &progress.checkpoints[1];
    let manifest = read_json(&job.checkpoint(2, "manifest.json"));
    let sizes = manifest["files"].as_object().expect("files").values().map(|file| file["bytes"].as_u64());
    assert_eq!(newest.size_bytes, sizes.map(|bytes| bytes.expect("a size")).sum::<u64>());
    assert!(newest.sha256.len() == 64 && newest.time.is_some(), "{newest:?}");
}

#[test]
fn a_bad_configuration_is_said_to_be_the_reason() {
    let (mut job, place) = (Job::sft(1), tempfile::NamedTempFile::new().expect("a temporary file"));
    job.config["reward"]["alpha"] = 1.5.into();
    let status = with_last_words(job.command(&[]), place.path()).status().expect("the program starts");
    assert_eq!(status.code(), Some(2));
    let LastWords { outcome, message, progress, .. } = last_words(place.path());
    assert_eq!((outcome, progress.phase), (Outcome::Failed, Phase::Starting));
    assert!(message.contains("reward.alpha is 1.5; it has to lie in [0, 1]"), "{message}");
}

#[test]
fn a_signal_leads_to_a_checkpoint_and_exit_code_75_and_resuming_finishes() {
    let mut job = Job::sft(100_000);
    job.config["checkpoint"]["everySteps"] = 0.into();
    let running = Running::start(&job);
    let seen = running.until(|progress| progress.step >= 2);
    assert!(seen.total_steps == 100_000 && seen.loss.is_some_and(|loss| loss > 0.0), "{seen:?}");
    let (code, stopped, said) = running.stop();
    assert_eq!(code, Some(75), "{said}");
    let lines = job.metrics();
    let last = lines.last().expect("a line a step")["step"].as_u64().expect("a step");
    assert!(last >= seen.step);
    let manifest = read_json(&job.checkpoint(last, "manifest.json"));
    assert_eq!(manifest["step"], last);
    assert_eq!((stopped.outcome, stopped.progress.step), (Outcome::Stopped, last));
    assert!(stopped.message.contains("a checkpoint was written"), "{}", stopped.message);
    let [checkpoint] = stopped.progress.checkpoints.as_slice() else { panic!("one checkpoint: {stopped:?}") };

    job.config["algorithm"]["sft"]["steps"] = (last + 2).into();
    let place = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = with_last_words(job.command(&["--resume"]), place.path());
    assert!(command.status().expect("the program starts").success());
    let steps: Vec<u64> = job.metrics().iter().map(|line| line["step"].as_u64().expect("a step")).collect();
    assert_eq!(steps, (1..=last + 2).collect::<Vec<_>>());
    let done = last_words(place.path());
    assert_eq!(done.progress.checkpoints.first(), Some(checkpoint), "a checkpoint that was found is told as it was");
    assert_eq!((done.outcome, done.progress.checkpoints.len()), (Outcome::Done, 2));
}

#[test]
fn a_run_whose_gradients_are_no_numbers_skips_counts_fails_and_saves_nothing_of_it() {
    let (mut job, place) = (Job::sft(20), tempfile::NamedTempFile::new().expect("a temporary file"));
    // One update with it, and sums of squares overflow.
    job.config["algorithm"]["sft"]["learningRate"] = 1e30.into();
    let output = with_last_words(job.command(&[]), place.path()).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let LastWords { outcome, reason, message, progress } = last_words(place.path());
    assert_eq!((outcome, reason.as_deref()), (Outcome::Failed, Some("Diverged")));
    assert!(message.starts_with("step 5: ") && message.contains("of the actor is "), "{message}");
    assert!(message.contains("4 updates in a row") && message.contains("maxSkippedUpdates allows 3"), "{message}");
    assert_eq!((progress.step, progress.skipped_updates), (4, 3));
    let warned: Vec<(u64, &str)> = progress.warnings.iter().map(|w| (w.step, w.reason.as_str())).collect();
    assert_eq!(warned, [(1, "UpdateSkipped"), (2, "UpdateSkipped"), (3, "UpdateSkipped")]);
    let lines = fs::read_to_string(job.run_dir().join("warnings.jsonl")).expect("warnings.jsonl");
    assert!(lines.lines().count() == 3 && lines.contains("step 2: "), "{lines}");
    let skipped: Vec<f64> = job.metrics().iter().map(|line| line["actor/skipped"].as_f64().expect("a count")).collect();
    assert_eq!(skipped, [0.0, 1.0, 1.0, 1.0]);
    let weights = |step| fs::read(job.checkpoint(step, "model.safetensors")).expect("a checkpoint");
    assert!(weights(1) == weights(4), "what was skipped changed nothing");
    assert!(!job.checkpoint(5, "").exists());
}

#[test]
fn the_best_checkpoint_stays_and_is_named_also_after_a_resume() {
    let (mut job, place) = (Job::sft(4), tempfile::NamedTempFile::new().expect("a temporary file"));
    job.config["checkpoint"] = serde_json::json!({
        "everySteps": 1, "retain": 1, "keepBest": {"metric": "train/loss", "goal": "max", "count": 1},
    });
    let best = |job: &Job| {
        let losses: Vec<f64> = job.metrics().iter().map(|line| line["train/loss"].as_f64().expect("a loss")).collect();
        (1..).zip(&losses).max_by(|a, b| a.1.total_cmp(b.1)).expect("a step").0
    };
    for (arguments, last) in [(&[] as &[&str], 4), (&["--resume"], 6)] {
        job.config["algorithm"]["sft"]["steps"] = last.into();
        assert!(with_last_words(job.command(arguments), place.path()).status().expect("the program starts").success());
        let words = last_words(place.path());
        let left: Vec<u64> = words.progress.checkpoints.iter().map(|checkpoint| checkpoint.step).collect();
        assert_eq!((left, words.progress.best_checkpoint), (vec![best(&job), last], Some(best(&job))));
        assert!(job.checkpoint(best(&job), "manifest.json").is_file());
    }
}

#[test]
fn a_metric_that_no_step_has_and_data_that_is_left_out_are_warned_of() {
    let (mut job, place) = (Job::sft(2), tempfile::NamedTempFile::new().expect("a temporary file"));
    job.config["checkpoint"]["keepBest"]["metric"] = "train/lost".into();
    let data = tempfile::NamedTempFile::with_suffix(".jsonl").expect("a temporary file");
    let line = |question: &str, answer: &str| {
        let line =
            serde_json::json!({"id": "x", "prompt": [{"role": "user", "content": question}], "response": answer});
        format!("{line}\n")
    };
    let long = "print(1)\n".repeat(200);
    fs::write(data.path(), line("a", "print(1)") + &line("b", &long) + &line(&long, "print(1)")).expect("writable");
    job.config["train"][1]["uri"] = data.path().to_str().expect("a path").into();
    assert!(with_last_words(job.command(&[]), place.path()).status().expect("the program starts").success());
    let warnings = last_words(place.path()).progress.warnings;
    let of = |reason: &str| -> Vec<&str> {
        warnings.iter().filter(|warning| warning.reason == reason).map(|warning| warning.message.as_str()).collect()
    };
    let [missing] = of("MetricMissing")[..] else { panic!("once: {warnings:?}") };
    assert!(missing.contains("train/lost"), "{missing}");
    let [left_out] = of("DataLeftOut")[..] else { panic!("one data set: {warnings:?}") };
    assert!(
        left_out.starts_with("data set b: 2 of 3 demonstrations are left out: 1 with prompts of more"),
        "{left_out}"
    );
    assert!(left_out.ends_with("1 with answers of more than 96 (maxResponseTokens)"), "{left_out}");
}

#[test]
fn a_damaged_checkpoint_that_is_passed_over_is_in_the_last_words() {
    let (mut job, place) = (Job::sft(2), tempfile::NamedTempFile::new().expect("a temporary file"));
    job.run_well(&[]);
    fs::write(job.checkpoint(2, "model.safetensors"), "weights").expect("writable");
    job.config["algorithm"]["sft"]["steps"] = 3.into();
    let mut command = with_last_words(job.command(&["--resume"]), place.path());
    assert!(command.status().expect("the program starts").success());
    let progress = last_words(place.path()).progress;
    let [warning] = progress.warnings.as_slice() else { panic!("one: {progress:?}") };
    assert_eq!(warning.reason, "CheckpointDamaged");
    assert!(warning.message.contains("step-2/model.safetensors is damaged"), "{}", warning.message);
    assert!(warning.message.ends_with("the checkpoint of step 1 is used"), "{}", warning.message);
}

/// Asks a job that waits for something that never comes to stop.
fn ends_on_a_signal(running: Running) {
    let (code, words, said) = running.stop();
    assert_eq!(code, Some(75), "{said}");
    assert_eq!((words.outcome, words.message.as_str()), (Outcome::Stopped, "asked to stop before training began"));
}

/// A file that nobody ever writes to.
fn endless(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).expect("a named pipe");
}

/// A small file of Zstandard that is 256 GiB of white space: blocks of one byte each and how often it comes.
fn endless_data(path: &Path) {
    const BLOCK: u32 = 128 << 10;
    let (frame, blank, of_one_byte) = ([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38], b' ', 1);
    let mut bytes = frame.to_vec();
    for _ in 0..(1_u64 << 38) / u64::from(BLOCK) {
        bytes.extend(&((BLOCK << 3) | (of_one_byte << 1)).to_le_bytes()[..3]);
        bytes.push(blank);
    }
    fs::write(path, bytes).expect("writable");
}

#[test]
fn a_signal_while_data_is_being_read_ends_the_run_though_the_data_does_not_end() {
    let (mut job, folder) = (Job::sft(2), tempfile::tempdir().expect("a temporary folder"));
    let data = folder.path().join("endless.jsonl.zst");
    endless_data(&data);
    job.config["train"][0]["uri"] = data.to_str().expect("a path").into();
    let running = Running::start(&job);
    running.until_it_reads(&data);
    ends_on_a_signal(running);
}

#[test]
fn a_signal_while_data_is_being_fetched_ends_the_run_though_the_server_says_no_more() {
    let mut job = Job::sft(2);
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("an address");
    job.config["train"][0]["uri"] = format!("http://{address}/data.jsonl").into();
    let running = Running::start(&job);
    let (mut asked, _) = server.accept().expect("a request");
    let mut some = [0; 1 << 10];
    assert!(asked.read(&mut some).expect("a request") > 0);
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{").expect("half an answer");
    ends_on_a_signal(running);
}

#[test]
fn a_signal_while_a_model_is_being_fetched_ends_the_run_though_the_hub_says_nothing() {
    let mut job = Job::sft(2);
    let hub = TcpListener::bind("127.0.0.1:0").expect("a port");
    job.config["model"]["uri"] = "hf://org/model".into();
    let cache = tempfile::tempdir().expect("a temporary folder");
    let environment = [
        ("HF_ENDPOINT", format!("http://{}", hub.local_addr().expect("an address"))),
        ("REAL_CACHE", cache.path().display().to_string()),
    ];
    let running = Running::start_with(&job, &[], &environment);
    let _asked = hub.accept().expect("a request");
    ends_on_a_signal(running);
}

#[test]
fn a_signal_while_a_model_is_being_read_ends_the_run_though_the_model_does_not_end() {
    let mut job = Job::sft(2);
    job.config["model"]["initialize"] = "pretrained".into();
    let model = PathBuf::from(job.config["model"]["uri"].as_str().expect("a path"));
    let _ = fs::remove_file(model.join("model.safetensors"));
    let part = "model-00001-of-00001.safetensors";
    let index = serde_json::json!({"weight_map": {"model.norm.weight": part}});
    fs::write(model.join("model.safetensors.index.json"), index.to_string()).expect("writable");
    endless(&model.join(part));
    let running = Running::start(&job);
    // Opened for writing as soon as somebody has it open for reading.
    let _writer = fs::File::options().write(true).open(model.join(part)).expect("a reader");
    ends_on_a_signal(running);
}

#[test]
fn a_data_set_that_is_a_pipe_is_refused_by_name() {
    let (mut job, folder) = (Job::sft(2), tempfile::tempdir().expect("a temporary folder"));
    let data = folder.path().join("pipe.jsonl");
    endless(&data);
    job.config["train"][0]["uri"] = data.to_str().expect("a path").into();
    let output = job.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("it is a pipe or a device"), "{}", stderr(&output));
}
