//! How a run ends, and what it says until then and at its end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_crds::progress::{LastWords, Outcome, Phase, Progress};

use crate::job::{Job, read_json};

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
    let LastWords { outcome, message, progress } = last_words(place.path());
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
    let LastWords { outcome, message, progress } = last_words(place.path());
    assert_eq!((outcome, progress.phase), (Outcome::Failed, Phase::Starting));
    assert!(message.contains("reward.alpha is 1.5; it has to lie in [0, 1]"), "{message}");
}

#[test]
fn a_signal_leads_to_a_checkpoint_and_exit_code_75_and_resuming_finishes() {
    let (mut job, place) = (Job::sft(100_000), tempfile::NamedTempFile::new().expect("a temporary file"));
    job.config["checkpoint"]["everySteps"] = 0.into();
    let mut child = with_last_words(job.command(&["--listen", "127.0.0.1:0"]), place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let address = first.trim().strip_prefix("listening on http://").expect("the address").to_owned();
    let step = loop {
        let progress = progress_at(&address);
        if progress.step >= 2 {
            assert_eq!(progress.total_steps, 100_000);
            assert!(progress.loss.is_some_and(|loss| loss > 0.0), "{progress:?}");
            break progress.step;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("the process is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(75));
    let lines = job.metrics();
    let last = lines.last().expect("a line a step")["step"].as_u64().expect("a step");
    assert!(last >= step);
    let manifest = read_json(&job.checkpoint(last, "manifest.json"));
    assert_eq!(manifest["step"], last);
    let stopped = last_words(place.path());
    assert_eq!((stopped.outcome, stopped.progress.step), (Outcome::Stopped, last));
    assert!(stopped.message.contains("a checkpoint was written"), "{}", stopped.message);
    let [checkpoint] = stopped.progress.checkpoints.as_slice() else { panic!("one checkpoint: {stopped:?}") };

    job.config["algorithm"]["sft"]["steps"] = (last + 2).into();
    let mut command = with_last_words(job.command(&["--resume"]), place.path());
    assert!(command.status().expect("the program starts").success());
    let steps: Vec<u64> = job.metrics().iter().map(|line| line["step"].as_u64().expect("a step")).collect();
    assert_eq!(steps, (1..=last + 2).collect::<Vec<_>>());
    let done = last_words(place.path());
    assert_eq!(done.progress.checkpoints.first(), Some(checkpoint), "a checkpoint that was found is told as it was");
    assert_eq!((done.outcome, done.progress.checkpoints.len()), (Outcome::Done, 2));
}

fn progress_at(address: &str) -> Progress {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    write!(stream, "GET /v1/progress HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("progress of the API's type")
}
