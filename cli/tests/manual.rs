//! Completions, manual pages, and the page of the command line.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn real() -> Command {
    Command::cargo_bin("real").expect("the program is built")
}

#[test]
fn the_page_of_the_command_line_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let page = real_cli::manual::reference(real_cli::command_line::command());
    if fs::read_to_string(&path).is_ok_and(|old| old == page) {
        return;
    }
    assert!(std::env::var_os("REAL_UPDATE").is_some(), "docs/cli.md is stale; run `make generate`");
    fs::write(&path, page).expect("it can be written");
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = real().args(["completions", shell]).assert().success().get_output().stdout.clone();
        let script = String::from_utf8(output).expect("UTF-8");
        assert!(script.contains("doctor") && script.contains("datasets"), "{shell}");
    }
    real().args(["completions", "csh"]).assert().code(2);
}

#[test]
fn bash_takes_the_completions_and_completes_a_command() {
    let output = real().args(["completions", "bash"]).assert().success().get_output().stdout.clone();
    let script = String::from_utf8(output).expect("UTF-8");
    let ask = "COMP_WORDS=(real doc); COMP_CWORD=1; _real real doc real; echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash").args(["-c", &format!("{script}\n{ask}")]).assert().success();
    assert_eq!(String::from_utf8_lossy(&answer.get_output().stdout).trim(), "doctor");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    real().arg("man").arg("--out").arg(&out).assert().success();
    for page in ["real.1", "real-run.1", "real-datasets-build.1"] {
        let text = fs::read_to_string(out.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{page}");
    }
    fs::write(folder.path().join("file"), "").expect("it can be written");
    let refused = real().arg("man").arg("--out").arg(folder.path().join("file/man1")).assert().failure();
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("cannot make the folder"));
}
