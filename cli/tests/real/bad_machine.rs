//! Machines that lack something (exit code 1), and run directories that cannot be meant (2): nothing is written.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::job::{Job, program, said};

#[test]
fn a_missing_python_is_named_with_what_to_set() {
    let job = Job::new();
    let before = job.files();
    let mut command = job.command(&[]);
    command.env("REAL_PYTHON", "/nonexistent/python3");
    said(&mut command).expect(1, &["REAL_PYTHON /nonexistent/python3", "No such file", "make setup"]);
    assert_eq!(job.files(), before);
}

#[test]
fn a_python_that_is_none_is_named() {
    let job = Job::new();
    let mut command = job.command(&[]);
    command.env("REAL_PYTHON", "/bin/true");
    said(&mut command).expect(1, &["REAL_PYTHON /bin/true", "says no version"]);
}

#[test]
fn an_existing_run_directory_is_never_written_to() {
    let job = Job::new();
    fs::create_dir_all(job.path("runs/tiny")).expect("writable");
    fs::write(job.path("runs/tiny/spec.yaml"), "an earlier run").expect("writable");
    job.run(&[]).expect(2, &["runs/tiny already holds a run", "--resume", "--fresh", "--run-dir"]);
    assert_eq!(fs::read_dir(job.path("runs/tiny")).expect("readable").count(), 1);
}

#[test]
fn a_directory_of_something_else_is_no_run_directory() {
    let job = Job::new();
    let said = job.run(&["--fresh", "--run-dir", "model"]);
    said.expect(2, &["model is not empty and holds no run", "--run-dir"]);
}

#[test]
fn there_has_to_be_a_run_to_resume() {
    Job::new().run(&["--resume"]).expect(2, &["cannot resume", "runs/tiny"]);
}

#[test]
fn a_run_directory_below_a_file_is_refused() {
    Job::new().run(&["--run-dir", "job.yaml/run"]).expect(2, &["job.yaml", "--run-dir"]);
}

#[test]
fn a_full_disk_is_seen_before_anything_is_written() {
    in_a_mount("size=1m", &["not enough disk space", "MiB are free", "--run-dir"]);
}

#[test]
fn a_read_only_disk_is_seen_before_anything_is_written() {
    in_a_mount("size=1g,ro", &["cannot write to", "Read-only file system", "--run-dir"]);
}

/// Runs a job whose run directory is in a tmpfs with these options, mounted in a namespace of its own.
fn in_a_mount(options: &str, pieces: &[&str]) {
    let job = Job::new();
    let disk = job.path("disk");
    fs::create_dir(&disk).expect("writable");
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" || exit 99; shift 2; exec \"$@\"";
    let real = env!("CARGO_BIN_EXE_real");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options])
        .arg(&disk)
        .args([real, "run", "job.yaml", "--run-dir", "disk/run"])
        .current_dir(job.path(""))
        .output();
    let Ok(output) = output else { return println!("skipped: there is no `unshare` program") };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(99) || stderr.starts_with("unshare: ") {
        return println!("skipped: this machine does not let us mount a small disk: {stderr}");
    }
    crate::job::Said { code: output.status.code(), stderr }.expect(1, pieces);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for service in ["real-detector", "real-sandbox"] {
        let output = Command::new(program(service)).args(["serve", "--listen", &address]).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        crate::job::Said { code: output.status.code(), stderr }.expect(1, &[&address, "in use"]);
    }
}
