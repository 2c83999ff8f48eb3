//! Readers that leave early, disks that are full and terminals that are closed, for every program.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use real_tests::programs;
use real_tests::pty::Terminal;
use real_tests::tasks::shop;

/// More than a pipe and a program's buffers hold.
const MANY: usize = 3000;

/// A data set whose listing is longer than any pipe.
fn long_dataset(folder: &tempfile::TempDir) -> PathBuf {
    let mut task = shop();
    task.prompt[0].content = "word ".repeat(100_000);
    let path = folder.path().join("tasks.jsonl");
    fs::write(&path, serde_json::to_string(&task).unwrap() + "\n").unwrap();
    path
}

fn vulnerable(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("program.py");
    let function = |n| format!("import os\ndef run{n}(name):\n    os.system('ls ' + name)\n");
    fs::write(&path, (0..MANY / 10).map(function).collect::<String>()).unwrap();
    path
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = programs::command(program);
    command.args(args);
    command
}

/// Runs a command whose reader leaves after the first line.
fn first_line_only(mut command: Command) -> Output {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    child.wait_with_output().unwrap()
}

fn into_full_disk(mut command: Command) -> Output {
    let full = File::options().write(true).open("/dev/full").unwrap();
    command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let (tasks, program) = (long_dataset(&folder), vulnerable(&folder));
    let shown = first_line_only(command("real", &["datasets", "show", tasks.to_str().unwrap()]));
    assert_eq!((shown.status.code(), String::from_utf8_lossy(&shown.stderr).as_ref()), (Some(0), ""));
    let checked = first_line_only(command("real-detector", &["check", program.to_str().unwrap()]));
    assert_eq!((checked.status.code(), String::from_utf8_lossy(&checked.stderr).as_ref()), (Some(1), ""));
    let rules = first_line_only(command("real-detector", &["rules"]));
    assert_eq!((rules.status.code(), String::from_utf8_lossy(&rules.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn a_service_of_lines_ends_when_nobody_reads_its_answers() {
    let mut child = command("real-detector", &["check", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The program ends in the middle of this; then writing fails, and that is the point.
    let written =
        (0..1_000_000).take_while(|n| writeln!(stdin, "{{\"id\": {n}, \"code\": \"x = 1\"}}").is_ok()).count();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert!(written < 1_000_000);
}

#[test]
fn a_full_disk_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = long_dataset(&folder);
    for (program, args) in [
        ("real", &["version"][..]),
        ("real", &["datasets", "show", tasks.to_str().unwrap()]),
        ("real-detector", &["rules"]),
    ] {
        let output = into_full_disk(command(program, args));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{program} {args:?}: {said}");
        assert!(said.starts_with("error: cannot write to standard output: No space left on device"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn errors_that_nobody_can_read_change_no_exit_code() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let (closed, reader) = {
        let (reader, writer) = std::io::pipe().unwrap();
        (writer, reader)
    };
    drop(reader);
    for stderr in [Stdio::from(full()), Stdio::from(closed)] {
        let status = command("real", &["datasets", "show", "/nowhere.jsonl"]).stderr(stderr).status().unwrap();
        // An exit code, and no panic's 101.
        assert!(matches!(status.code(), Some(1 | 2)), "{status}");
    }
}

#[test]
fn a_closed_terminal_stops_the_services_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let args = ["serve", "--log-dir", logs.to_str().unwrap()];
    let mut terminal = Terminal::start(&programs::path("real"), &args, folder.path(), 80, "xterm");
    terminal.read_until(|text| text.contains("detector http://") && text.contains("sandbox http://"));
    let status = terminal.hang_up().wait();
    assert_eq!(status.code(), Some(0));
}

/// What a run of the quickstart says while it goes on, until its first step.
fn run_to_first_step(folder: &tempfile::TempDir, args: &[&str]) -> Option<Terminal> {
    if !programs::path("real").with_file_name("real-trainer").exists() {
        let mut why = std::io::stdout();
        let _ = writeln!(why, "skipped: real-trainer is not built (cargo build -p real-trainer)");
        return None;
    }
    let job = folder.path().join("job.yaml");
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml");
    fs::copy(quickstart, &job).unwrap();
    let small = [
        "run",
        "job.yaml",
        "--no-progress",
        "--set=spec.algorithm.ppo.batchSize=8",
        "--set=spec.algorithm.ppo.miniBatchSize=8",
        "--set=spec.algorithm.ppo.microBatchSize=8",
        "--set=spec.evaluation.beforeTraining=false",
        "--set=spec.algorithm.ppo.steps=10000",
        "--set=spec.checkpoint.everySteps=0",
    ];
    let args = [&small[..], args].concat();
    let mut terminal = Terminal::start(&programs::path("real"), &args, folder.path(), 100, "xterm");
    terminal.read_until(|text| text.contains("step 1/"));
    Some(terminal)
}

#[test]
fn a_run_whose_terminal_is_closed_writes_a_checkpoint_and_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(terminal) = run_to_first_step(&folder, &[]) else { return };
    let mut program = terminal.hang_up();
    // As a shell does it, besides the kernel.
    let _ = Command::new("kill").args(["-HUP", &program.id().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(program.wait().code(), Some(75));
    let summary = fs::read_to_string(folder.path().join("runs/quickstart/summary.json")).unwrap();
    assert!(summary.contains("Stopped"), "{summary}");
    let checkpoints = fs::read_dir(folder.path().join("runs/quickstart/checkpoints")).unwrap().count();
    assert_eq!(checkpoints, 1);
}

#[test]
fn a_run_whose_news_nobody_reads_goes_on_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = programs::path("real").with_file_name("real-trainer");
    if !trainer.exists() {
        return;
    }
    let job = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml");
    let mut child = command("real", &["run", job, "--no-progress"])
        .args([
            "--set=spec.algorithm.ppo.batchSize=8",
            "--set=spec.algorithm.ppo.miniBatchSize=8",
            "--set=spec.algorithm.ppo.microBatchSize=8",
            "--set=spec.algorithm.ppo.steps=2",
            "--set=spec.datasets.eval=[]",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut one = [0];
    stderr.read_exact(&mut one).unwrap();
    drop(stderr);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
