//! Programs as models write them print under every tier what they print under a plain interpreter, and end as there.
//!
//! `programs/*.txt`: each begins with a line `#### NAME`; the one after it may be `#< "…"`, its standard input as JSON.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use futures::StreamExt;
use real_sandbox::interpreter::Interpreter;
use serde_json::{Value, json};
use server::{PUBLIC_PYTHON, Server};

const FILES: [&str; 3] = [
    include_str!("programs/input_and_output.txt"),
    include_str!("programs/values_and_files.txt"),
    include_str!("programs/language_and_system.txt"),
];

struct Program {
    name: &'static str,
    source: &'static str,
    stdin: String,
}

fn programs() -> Vec<Program> {
    let read = |part: &'static str| {
        let (name, rest) = part.split_once('\n').expect("a line with its name");
        let input = rest.strip_prefix("#< ").and_then(|rest| rest.split_once('\n'));
        let (stdin, source) = input.map_or_else(
            || (String::new(), rest),
            |(stdin, source)| (serde_json::from_str(stdin).expect("its input is JSON"), source),
        );
        Program { name: name.trim(), source, stdin }
    };
    FILES.into_iter().flat_map(|file| file.split("#### ").skip(1)).map(read).collect()
}

/// What a plain interpreter prints, and its exit status.
fn plain(interpreter: &Path, program: &Program) -> (String, i32) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("main.py");
    std::fs::write(&path, program.source).expect("a file");
    let mut stdin: File = tempfile::tempfile().expect("a file");
    stdin.write_all(program.stdin.as_bytes()).and_then(|()| stdin.rewind()).expect("its input");
    let home = tempfile::tempdir().expect("a directory");
    // Where the kernel promises any memory that is asked for, programs that ask for all there is would get it.
    let output = Command::new("prlimit")
        .arg(format!("--as={}", 8_u64 << 30))
        .arg(interpreter)
        .arg(&path)
        .current_dir(folder.path())
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "C.UTF-8"),
            ("PYTHONHASHSEED", "0"),
            ("USER", "sandbox"),
        ])
        .env("HOME", home.path())
        .stdin(Stdio::from(stdin))
        .output()
        .expect("it runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

async fn run(server: &Server, program: &Program) -> (String, i32) {
    let request = json!({"code": program.source, "language": "python", "stdin": program.stdin, "run_timeout": 60});
    let (http, answer) = server.post("/run_code", &request).await;
    assert_eq!(http, 200, "{}: {answer}", program.name);
    let text = |field: &str| answer["run_result"][field].as_str().unwrap_or_default().to_owned();
    let code = answer["run_result"]["return_code"].as_i64().and_then(|code| i32::try_from(code).ok());
    (text("stdout"), code.unwrap_or(i32::MIN))
}

/// Where a program does otherwise than under a plain interpreter.
async fn differences(interpreter: &Path, servers: &[(&str, Server)], program: &Program) -> Vec<Value> {
    let wanted = tokio::task::block_in_place(|| plain(interpreter, program));
    let mut wrong = Vec::new();
    for (tier, server) in servers {
        let found = run(server, program).await;
        if found != wanted {
            wrong.push(json!({"program": program.name, "tier": tier, "found": found, "wanted": wanted}));
        }
    }
    wrong
}

async fn assert_as_plain(interpreter: &Path, servers: &[(&str, Server)]) {
    let programs = programs();
    assert!(programs.len() > 200, "{} programs", programs.len());
    let wrong: Vec<Value> = futures::stream::iter(&programs)
        .map(|program| differences(interpreter, servers, program))
        .buffer_unordered(2)
        .collect::<Vec<_>>()
        .await
        .concat();
    assert!(wrong.is_empty(), "{}", serde_json::to_string_pretty(&wrong).expect("JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_programs_print_what_a_plain_interpreter_prints() {
    let interpreter = Interpreter::find().expect("an interpreter");
    let servers: Vec<(&str, Server)> =
        ["a", "b"].into_iter().filter_map(|tier| Server::under(tier).map(|server| (tier, server))).collect();
    assert!(!servers.is_empty(), "no tier works on this machine");
    assert_as_plain(&interpreter.executable, &servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_do_without_root_too() {
    let Some(server) = Server::under_one_user() else { return };
    assert_as_plain(Path::new(PUBLIC_PYTHON), &[("b, one user", server)]).await;
}
