//! Python clients, installed as their users do, against real services: our `real-rewards`, `SandboxFusion`'s own, and what other
//! trainers send.

#![allow(clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use real_tests::service::{Service, Services};
use real_tests::tasks::{INJECTABLE, SAFE, answer, shop};
use serde_json::json;

fn run(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A virtual environment with these.
fn venv(folder: &Path, packages: &[&str]) -> PathBuf {
    let venv = folder.join("venv");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    run(Command::new(python).args(["-m", "venv"]).arg(&venv));
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages));
    venv.join("bin/python")
}

/// Runs a script that ends with `all right`.
fn all_right(python: &Path, script: &Path, environment: &[(&str, &str)], input: &str) {
    let mut child = Command::new(python)
        .arg(script)
        .envs(environment.iter().copied())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    // One that does not read has ended before.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}: {}{}", script.display(), text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout), "all right\n");
}

/// TRL brings torch, 2 GB with what it needs: `REAL_TRL_PYTHON` names an interpreter that has it.
#[test]
fn trl_takes_two_steps_with_our_rewards() {
    let Some(python) = std::env::var_os("REAL_TRL_PYTHON").map(PathBuf::from) else {
        eprintln!("skipped: REAL_TRL_PYTHON names no interpreter with TRL (docs/integrations.md says how to make one)");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("tasks.jsonl");
    let task = shop();
    fs::write(&data, serde_json::to_string(&task).expect("a task is JSON") + "\n").expect("a file");
    let services = Services::start();
    let (detector, sandbox) = (services.detector.url(), services.sandbox.url());
    let server = Service::spawn(
        "real",
        &["reward", "serve", "--detector", &detector, "--sandbox", &sandbox, "--dataset", &data.to_string_lossy()],
    );
    let rewards = server.url();
    let package = root.join("clients/python/src").to_string_lossy().into_owned();
    let environment =
        [("REAL_REWARD_URL", rewards.as_str()), ("PYTHONPATH", package.as_str()), ("HF_HUB_OFFLINE", "1")];
    let case = json!({"task": task.id, "prompt": "Write a program."}).to_string();
    all_right(&python, &root.join("clients/python/tests/trl_steps.py"), &environment, &case);
}

#[test]
fn clients_of_other_trainers_and_sandboxes_get_what_they_expect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("tasks.jsonl");
    let task = shop();
    fs::write(&data, serde_json::to_string(&task).expect("a task is JSON") + "\n").expect("a file");
    // Our package's builder leaves nothing in the tree.
    let package = root.join("clients/python");
    let python = venv(folder.path(), &[&package.to_string_lossy(), "sandbox-fusion==0.3.7"]);

    let services = Services::start();
    let (detector, sandbox) = (services.detector.url(), services.sandbox.url());
    let server = Service::spawn(
        "real",
        &["reward", "serve", "--detector", &detector, "--sandbox", &sandbox, "--dataset", &data.to_string_lossy()],
    );
    let case = json!({
        "answers": [answer(SAFE), answer(INJECTABLE), "no"],
        "task": task.id,
        "prompt": "Write a program for a shop, a café and a kiosk:\n```python\nYOUR CODE\n```\nIt finds prices.\n",
    })
    .to_string();
    let rewards = server.url();
    let addresses = [("REAL_REWARD_URL", rewards.as_str()), ("SANDBOX_URL", sandbox.as_str())];
    let scripts = ["clients/python/tests/adapters.py", "examples/integrations/reward_service.py"];
    for script in scripts.into_iter().chain(["examples/integrations/sandbox_fusion_client.py"]) {
        all_right(&python, &root.join(script), &addresses, &case);
    }
    // Without what it brings for GPUs. There are wheels for one version of Python alone.
    let client =
        ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "openrlhf==0.11.2"];
    let installed = Command::new(python.with_file_name("pip")).args(client).output().expect("pip starts");
    if installed.status.success() {
        all_right(&python, &root.join("clients/python/tests/openrlhf_steps.py"), &addresses, &case);
    } else {
        eprintln!("skipped: OpenRLHF's client: {}", String::from_utf8_lossy(&installed.stderr));
    }
}
