//! `real-detector check` as people, editors and CI run it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use real_tests::programs;
use serde_json::Value;

const INJECTABLE: &str = "import os\ndef run(name):\n    os.system('ls ' + name)\n";

fn check(folder: &Path, args: &[&str]) -> Output {
    programs::command("real-detector").current_dir(folder).arg("check").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A project with two findings, a clean file, one that is ignored, and one that cannot be read.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    write("app/a.py", INJECTABLE.as_bytes());
    write("app/clean.py", b"x = 1\n");
    write("app/notes.txt", b"not Python");
    write("build/generated.py", INJECTABLE.as_bytes());
    write("z.py", INJECTABLE.as_bytes());
    write(".gitignore", b"build/\n");
    folder
}

#[test]
fn a_folder_is_checked_but_for_what_git_ignores_and_the_last_line_counts() {
    let folder = project();
    let output = check(folder.path(), &["."]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("./app/a.py:3:") && lines[0].contains("CWE-78"), "{said}");
    assert_eq!(lines[1], "     3 |     os.system('ls ' + name)");
    assert!(lines[2].trim_start_matches(['|', ' ']) == "^", "{said}");
    assert_eq!(lines[lines.len() - 1], "3 files checked: 2 findings in 2 files");
    assert!(!said.contains("generated") && !said.contains('\u{1b}'), "{said}");
    // What is named is checked, whatever .gitignore says.
    assert_eq!(check(folder.path(), &["build/generated.py"]).status.code(), Some(1));
    assert_eq!(check(folder.path(), &["app/clean.py"]).status.code(), Some(0));
}

#[test]
fn one_file_that_cannot_be_checked_does_not_stop_the_rest() {
    let folder = project();
    fs::write(folder.path().join("app/b.py"), b"x = '\xff'\n").unwrap();
    let output = check(folder.path(), &[".", "nowhere.py"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("./app/b.py: not checked: is not UTF-8: line 1"), "{said}");
    assert!(said.contains("nowhere.py: not checked: cannot be read: No such file"), "{said}");
    assert!(said.ends_with("3 files checked: 2 findings in 2 files, 2 files not checked\n"), "{said}");
}

#[test]
fn standard_input_is_a_file_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = programs::command("real-detector")
        .args(["check", "-"])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(INJECTABLE.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("<stdin>:3:") && said.ends_with("1 file checked: 1 finding\n"), "{said}");
}

#[test]
fn sarif_names_rules_places_and_the_way_of_the_value() {
    let folder = project();
    fs::write(folder.path().join("broken.py"), "def f(:\n").unwrap();
    let output = check(folder.path(), &["--format", "sarif", "."]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["region"]["startLine"], 3);
        assert!(place["region"]["startColumn"].as_u64().unwrap() >= 1);
        let steps = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().unwrap();
        assert!(!steps.is_empty() && steps.iter().all(|step| step["location"]["message"]["text"].is_string()));
    }
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "app/a.py");
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert!(invocation["toolExecutionNotifications"][0]["message"]["text"].as_str().unwrap().contains("broken.py"));
}

#[test]
fn json_is_one_object_and_github_a_command_each() {
    let folder = project();
    let output = check(folder.path(), &["--format", "json", "."]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["filesChecked"], 3);
    assert_eq!(document["findings"][0]["file"], "./app/a.py");
    assert_eq!(document["findings"][1]["cwe"], 78);
    let output = check(folder.path(), &["--format", "github", "."]);
    let said = text(&output.stdout);
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.starts_with("::error file=./app/a.py,line=3,col="), "{said}");
}

#[test]
fn a_weakness_without_a_rule_is_refused_with_those_that_have_one() {
    let folder = project();
    let output = check(folder.path(), &["--cwe", "78,9999", "."]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--cwe 9999: no rule") && said.contains("78"), "{said}");
}

#[test]
fn a_bad_line_spoils_itself_and_no_other() {
    let mut child = programs::command("real-detector")
        .args(["check", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "{\"id\": 1, \"code\": \"x = 1\"}\nnonsense\n{\"id\": 2, \"code\": \"'\\ud800'\"}\n{\"id\": 3, \"code\": \"x = 1\"}\n";
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stdout);
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 4);
    assert!(answers[0].get("error").is_none() && answers[3].get("error").is_none(), "{answers:?}");
    assert_eq!((&answers[1]["line"], &answers[1]["id"]), (&2.into(), &Value::Null));
    assert_eq!(answers[2]["id"], 2);
    assert!(answers[2]["error"]["message"].as_str().unwrap().contains("surrogate"));
}
