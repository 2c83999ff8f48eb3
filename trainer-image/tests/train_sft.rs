//! `real-trainer train` with SFT: it learns, resumes exactly, refuses damage and bad input, and stops when told.

mod job;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use job::{Job, read_json, stderr};

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
fn the_loss_falls_and_the_checkpoint_is_a_model_folder() {
    let mut job = Job::sft(40);
    job.config["algorithm"]["sft"]["learningRate"] = 0.01.into();
    job.config["checkpoint"] = serde_json::json!({"everySteps": 10, "retain": 2});
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

#[test]
fn a_signal_leads_to_a_checkpoint_and_exit_code_75_and_resuming_finishes() {
    let mut job = Job::sft(100_000);
    job.config["checkpoint"]["everySteps"] = 0.into();
    let mut child = job
        .command(&["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let address = first.trim().strip_prefix("listening on http://").expect("the address").to_owned();
    let step = loop {
        let progress = get(&address, "/v1/progress");
        if let Some(step) = progress["step"].as_u64().filter(|step| *step >= 2) {
            assert_eq!(progress["totalSteps"], 100_000);
            assert!(progress["loss"].as_f64().is_some_and(|loss| loss > 0.0), "{progress}");
            break step;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("the process is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(75));
    let lines = job.metrics();
    let last = lines.last().expect("a line a step")["step"].as_u64().expect("a step");
    assert!(last >= step);
    let manifest = read_json(&job.checkpoint(last, "manifest.json"));
    assert_eq!(manifest["step"], last);

    job.config["algorithm"]["sft"]["steps"] = (last + 2).into();
    job.run_well(&["--resume"]);
    let steps: Vec<u64> = job.metrics().iter().map(|line| line["step"].as_u64().expect("a step")).collect();
    assert_eq!(steps, (1..=last + 2).collect::<Vec<_>>());
}

fn get(address: &str, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}
