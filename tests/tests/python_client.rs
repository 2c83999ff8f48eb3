//! The Python package `real-rewards`, installed as its users do, against real services.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use real_tests::service::{Service, Services};
use real_tests::tasks::{INJECTABLE, SAFE, answer, shop};
use serde_json::json;

fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_installed_package_speaks_the_words_of_verl_trl_and_openrlhf() {
    let folder = tempfile::tempdir().expect("a folder");
    let (venv, data) = (folder.path().join("venv"), folder.path().join("tasks.jsonl"));
    let task = shop();
    fs::write(&data, serde_json::to_string(&task).expect("a task is JSON") + "\n").expect("a file");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    run(Command::new(python).args(["-m", "venv"]).arg(&venv));
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python");
    // Its builder leaves nothing in the tree.
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).arg(&package));

    let services = Services::start();
    let (detector, sandbox) = (services.detector.url(), services.sandbox.url());
    let data = data.to_string_lossy();
    let server = Service::spawn(
        "real",
        &["reward", "serve", "--detector", &detector, "--sandbox", &sandbox, "--dataset", &data],
    );
    let case = json!({
        "answers": [answer(SAFE), answer(INJECTABLE), "no"],
        "task": task.id,
        "prompt": "Write a program for a shop, a café and a kiosk:\n```python\nYOUR CODE\n```\nIt finds prices.\n",
    });
    let mut script = Command::new(venv.join("bin/python"))
        .arg(package.join("tests/adapters.py"))
        .env("REAL_REWARD_URL", server.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    script.stdin.take().expect("a pipe").write_all(case.to_string().as_bytes()).expect("it reads");
    let output = script.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout), "all right\n");
}
