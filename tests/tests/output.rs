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
fn help_and_versions_that_cannot_be_written_are_no_success() {
    for program in ["real", "real-detector", "real-sandbox", "real-operator"] {
        for asked in ["--help", "-h", "--version"] {
            let told = into_full_disk(command(program, &[asked]));
            assert_eq!(told.status.code(), Some(1), "{program} {asked}");
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            assert_eq!(said, "error: cannot write to standard output: No space left on device (os error 28)\n");
            let left = first_line_only(command(program, &[asked]));
            assert_eq!((left.status.code(), String::from_utf8_lossy(&left.stderr).as_ref()), (Some(0), ""));
        }
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
        // And no panic's 101.
        assert_eq!(status.code(), Some(2), "{status}");
    }
}

/// What a command and those below it say with `--help` where no terminal is, and of a given width.
fn helps(program: &str, words: &[String], columns: Option<&str>, tried: &mut usize) {
    let mut asked = command(program, &words.iter().map(String::as_str).collect::<Vec<_>>());
    asked.arg("--help").env_remove("COLUMNS").envs(columns.map(|columns| ("COLUMNS", columns)));
    let help = String::from_utf8(asked.output().unwrap().stdout).unwrap();
    let most = columns.map_or(80, |columns| columns.parse().unwrap());
    for line in help.lines() {
        // A word is never cut.
        let fits = line.chars().count() <= most || line.split_whitespace().count() == 1;
        assert!(fits && !line.contains('\x1b'), "{program} {words:?} --help: {line}");
    }
    assert!(help.contains("Usage: "), "{program} {words:?}: {help}");
    *tried += 1;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for line in commands {
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let name = name.split(' ').next().unwrap();
        if name != "help" {
            helps(program, &[words, &[name.to_owned()]].concat(), columns, tried);
        }
    }
}

#[test]
fn every_help_fits_the_columns_that_there_are_and_is_plain() {
    let mut tried = 0;
    for program in ["real", "real-detector", "real-sandbox", "real-operator", "real-trainer"] {
        // The trainer is built on its own, and not everywhere.
        if programs::path("real").with_file_name(program).exists() {
            for columns in [None, Some("72")] {
                helps(program, &[], columns, &mut tried);
            }
        }
    }
    assert!(tried > 40, "{tried}");
}

/// The rows of the table in docs/exit-codes.md, each shown by a command that ends so.
#[test]
fn exit_codes_are_those_of_the_table() {
    let table = include_str!("../../docs/exit-codes.md");
    let folder = tempfile::tempdir().unwrap();
    let (tasks, program) = (long_dataset(&folder), vulnerable(&folder));
    let clean = folder.path().join("clean.py");
    fs::write(&clean, "x = 1\n").unwrap();
    let broken = folder.path().join("broken.py");
    fs::write(&broken, "def f(:\n").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let name = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (tasks, program, clean, broken) = (name(&tasks), name(&program), name(&clean), name(&broken));
    let references = ["--responses", "references"];
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml").to_owned();
    let there = name(&folder.path().to_path_buf());
    let cases: Vec<(i32, &str, Vec<&str>)> = vec![
        (0, "real", vec!["datasets", "show", &tasks]),
        (0, "real-detector", vec!["check", &clean]),
        (1, "real-detector", vec!["serve", "--listen", &address]),
        (1, "real-sandbox", vec!["serve", "--listen", &address]),
        (1, "real-detector", vec!["check", &clean, &program]),
        (2, "real-detector", vec!["check", &program, &broken]),
        (2, "real-detector", vec!["check", "--cwe", "89,9999", &clean]),
        (2, "real-detector", vec!["check"]),
        (2, "real", vec!["datasets", "show", "/nowhere.jsonl"]),
        (2, "real", vec!["datasets", "build", "--out", "/nowhere/x.jsonl"]),
        (2, "real", vec!["plot", folder.path().to_str().unwrap()]),
        (2, "real", [&["score", "--data", "/nowhere.parquet"][..], &references].concat()),
        (2, "real", vec!["run", "/nowhere.yaml"]),
        (2, "real", vec!["run", "--dry-run", &program]),
        (2, "real", vec!["datasets", "build", "--out", "x.jsonl", "--count", "-1"]),
        (2, "real", vec!["datasets", "build", "--out", "x.jsonl", "--sandbox", "ftp://x"]),
        (1, "real", vec!["datasets", "build", "--out", "x.jsonl", "--sandbox", "http://127.0.0.1:1"]),
        (2, "real", vec!["datasets", "demonstrations", "--out", "/nowhere/x.jsonl", "--count", "1"]),
        (2, "real", vec!["datasets", "tokenizer", "--out", &clean]),
        (2, "real", vec!["man", "--out", &clean]),
        (2, "real", [&["score", "--data", &tasks, "--output", &there][..], &references].concat()),
        (2, "real", [&["score", "--data", &tasks, "--alpha", "-0.5"][..], &references].concat()),
        (2, "real", vec!["score", "--data", &tasks, "--responses", "refrences"]),
        (2, "real", vec!["samples", "/nowhere"]),
        (2, "real", vec!["eval", "--model", "bundled://nothing", "--suite", "bundled://quickstart-eval"]),
        (2, "real-detector", vec!["rules", "sql-injectoin"]),
        (2, "real-detector", vec!["serve", "--workers", "0"]),
        (2, "real-detector", vec!["check", "--jobs", "-1", &clean]),
        (2, "real-detector", vec!["rules", "--pages", &clean]),
        (2, "real-sandbox", vec!["serve", "--workers", "0"]),
        (2, "real", vec!["datasets", "show", &there]),
        (2, "real", vec!["datasets", "show", "/dev/stdin"]),
        (2, "real", vec!["datasets", "convert", &tasks, "--out", &tasks]),
        (2, "real", vec!["compare", &tasks, &tasks]),
        (2, "real", vec!["run", "--dry-run", &quickstart, "--run-dir", &clean]),
        (2, "real", vec!["run", "--dry-run", &quickstart, "--resume"]),
    ];
    for (code, program, args) in cases {
        let output = command(program, &args).current_dir(folder.path()).stdin(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{program} {args:?}: {said}");
        // One source is said once.
        let reasons = said.matches("(os error").count();
        assert!(reasons <= 1 && !said.contains("panicked"), "{program} {args:?}: {said}");
        assert!(table.contains(&format!("| {code} |")), "{code} is not in the table");
    }
}

/// A hub that is away may be there next time, whatever was asked of it.
#[test]
fn a_hub_that_is_away_is_no_fault_of_the_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml");
    let set = "hf://datasets/org/set/x.jsonl";
    let cases: [&[&str]; 5] = [
        &["run", "--dry-run", quickstart, "--set", "spec.model.storageUri=hf://org/model"],
        &["run", "--dry-run", quickstart, "--set", &format!("spec.datasets.train[0].storageUri={set}")],
        &["datasets", "show", set],
        &["score", "--data", set, "--responses", "references"],
        &["eval", "--responses", "references", "--suite", set],
    ];
    // All wait for the same time between their tries: side by side that is once.
    let started = cases.map(|args| {
        let mut command = command("real", args);
        command.env("HF_ENDPOINT", "http://127.0.0.1:1").env("REAL_CACHE", folder.path()).current_dir(folder.path());
        (args, command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    });
    for (args, child) in started {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("error: ") && said.contains("gave up after"), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    }
}

/// Every flag of every program that takes a number or an address says what is allowed in our words.
#[test]
fn every_flag_says_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for (program, commands) in [
        (
            "real",
            &[
                "run",
                "eval",
                "score",
                "compare",
                "samples",
                "datasets build",
                "datasets demonstrations",
                "reward serve",
            ][..],
        ),
        ("real-detector", &["check", "serve"]),
        ("real-sandbox", &["serve"]),
    ] {
        for words in commands {
            let words: Vec<&str> = words.split(' ').collect();
            let ask = |more: &[&str]| {
                let output =
                    command(program, &words).args(more).current_dir(folder.path()).stdin(Stdio::null()).output();
                let output = output.unwrap();
                (
                    output.status.code(),
                    String::from_utf8(output.stdout).unwrap(),
                    String::from_utf8(output.stderr).unwrap(),
                )
            };
            let help = ask(&["-h"]).1;
            let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split_once(" <"));
            for (flag, kind) in flags {
                let numeric = [
                    "N>",
                    "SECONDS",
                    "SHARE",
                    "NUMBER",
                    "ADDR",
                    "LISTEN",
                    "WORKERS",
                    "QUEUE",
                    "MEMORY",
                    "PROCESSES",
                    "OUTPUT_BYTES",
                    "WALL",
                ];
                if !numeric.iter().any(|start| kind.starts_with(start)) {
                    continue;
                }
                for value in ["x", "-1", "99999999999999999999999"] {
                    let (code, _, said) = ask(&[&format!("--{flag}"), value]);
                    let ours = said.contains(&format!("invalid value '{value}' for '--{flag} <"))
                        && (said.contains("it has to be ") || said.contains("it is too "));
                    assert!(code == Some(2) && ours, "{program} {words:?} --{flag} {value}: {code:?} {said}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 60, "{tried}");
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

/// The text of a terminal as lines, without escape sequences.
fn plain_lines(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut pieces = text.split('\x1b');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |end| end + 1);
        plain.push_str(&piece[end..]);
    }
    plain.split(['\r', '\n']).map(str::to_owned).collect()
}

fn score_on(columns: u16, kind: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let args = ["score", "--data", "bundled://quickstart-eval", "--responses", "baselines", "--limit", "20"];
    let (status, text) = Terminal::start(&programs::path("real"), &args, folder.path(), columns, kind).finish();
    assert_eq!(status.code(), Some(0), "{text}");
    plain_lines(&text)
}

#[test]
fn nothing_is_wider_than_the_terminal_and_no_number_is_cut() {
    for columns in [20, 40, 80] {
        let lines = score_on(columns, "xterm");
        let widest = lines.iter().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= usize::from(columns), "{columns}: {widest}");
        assert!(lines.iter().any(|line| line.contains("0.0 %")), "{columns}: {lines:?}");
    }
    assert!(score_on(20, "xterm").iter().any(|line| line.starts_with("all safety: ") && line.ends_with(" %")));
}

#[test]
fn a_dumb_terminal_gets_a_line_now_and_then() {
    let lines = score_on(80, "dumb");
    assert!(lines.contains(&"scoring: 10 of 20".to_owned()), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("scoring: ")).count(), 10, "{lines:?}");
}

#[test]
fn a_build_that_is_stopped_keeps_its_tasks_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let build = |count: &'static str, more: &[&'static str]| {
        [&["datasets", "build", "--out", "tasks.jsonl", "--count", count], more].concat()
    };
    let mut terminal = Terminal::start(&programs::path("real"), &build("5000", &[]), folder.path(), 100, "xterm");
    // A bar does not show each number.
    let shown = |text: &str| {
        text.match_indices("/5000").filter_map(|(at, _)| text[..at].rsplit(' ').next()?.parse().ok()).max()
    };
    terminal.read_until(|text| shown(text) >= Some(3));
    terminal.interrupt();
    let (status, text) = terminal.finish();
    assert_eq!(status.code(), Some(75), "{text}");
    let kept = fs::read_to_string(folder.path().join("tasks.jsonl.partial")).unwrap();
    assert!(kept.lines().count() > 3 && text.contains("--resume goes on"), "{text}");
    let again = command("real", &build("4", &[])).current_dir(folder.path()).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));
    let resumed = command("real", &build("4", &["--resume"])).current_dir(folder.path()).output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    // The same tasks as of a build at one go.
    let whole = build("4", &["--out=whole.jsonl"]);
    let whole = [&whole[..2], &whole[4..]].concat();
    assert!(command("real", &whole).current_dir(folder.path()).status().unwrap().success());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("tasks.jsonl"), read("whole.jsonl"));
    assert!(!folder.path().join("tasks.jsonl.partial").exists());
}

#[test]
fn an_output_that_is_a_pipe_is_written_to_and_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let args = ["datasets", "demonstrations", "--count", "3", "--out", pipe.to_str().unwrap()];
    assert!(command("real", &args).status().unwrap().success());
    assert_eq!(reader.join().unwrap().lines().count(), 3);
    assert!(!fs::metadata(&pipe).unwrap().is_file(), "the pipe was replaced by a file");
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
