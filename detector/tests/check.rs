//! `real-detector check` in the hands of hooks, workflows, viewers and people who do odd things.

mod schema;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const INJECTABLE: &str = "import os\ndef run(name):\n    os.system('ls ' + name)\n";
const HOOKS: &str = include_str!("../../.pre-commit-hooks.yaml");
const DOCS: &str = include_str!("../../docs/check.md");

/// A folder of our own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("real-check-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        Self(folder)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.0);
        command
    }

    fn check(&self, args: &[&str]) -> Output {
        self.command(detector(), &[&["check"], args].concat()).output().expect("runs")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn detector() -> &'static str {
    env!("CARGO_BIN_EXE_real-detector")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `PATH` with the folder of our program before it.
fn path() -> String {
    let folder = Path::new(detector()).parent().expect("a folder").display().to_string();
    format!("{folder}:{}", std::env::var("PATH").unwrap_or_default())
}

#[test]
fn sarif_follows_the_schema_of_the_standard() {
    let folder = Folder::new("sarif");
    folder.write("a b/ü#?.py", INJECTABLE);
    folder.write("clean.py", "x = 1\n");
    folder.write("broken.py", "def f(:\n");
    folder.write("bytes.py", b"x = '\xff'\n");
    folder.write("query.py", "import sqlite3\ndb = sqlite3.connect('x')\ndb.execute('select ' + input())\n");
    let absolute = folder.0.join("clean.py").display().to_string();
    for args in [&["."][..], &[absolute.as_str(), "nowhere.py"], &["--types", "query.py"]] {
        let output = folder.check(&[&["--format", "sarif"], args].concat());
        let log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema::violations(&log), Vec::<String>::new(), "{args:?}");
        let run = &log["runs"][0];
        for result in run["results"].as_array().expect("results") {
            if result["ruleId"] == "mypy-strict" {
                continue;
            }
            let steps = result["codeFlows"][0]["threadFlows"][0]["locations"].as_array().expect("a flow");
            assert!(!steps.is_empty(), "{result}");
            let uri = steps[0]["location"]["physicalLocation"]["artifactLocation"]["uri"].as_str().expect("a place");
            assert!(["a%20b/%C3%BC%23%3F.py", "query.py"].contains(&uri), "{uri}");
        }
        let expected = if args == ["."] { 2 } else { usize::from(args.len() > 1) * usize::from(args[0] == "--types") };
        let security = run["results"].as_array().expect("results").iter().filter(|one| one["ruleId"] != "mypy-strict");
        assert_eq!(security.count(), expected, "{args:?}");
    }
}

#[test]
fn the_schema_refuses_what_is_no_sarif() {
    let good = json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [
        {"message": {"text": "m"}, "level": "error", "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": "a.py"}, "region": {"startLine": 1, "startColumn": 1}}}]}]}]});
    assert_eq!(schema::violations(&good), Vec::<String>::new());
    let place = "/runs/0/results/0/locations/0/physicalLocation";
    for (pointer, bad) in [
        ("/version", json!("2.0.0")),
        ("/runs", json!({})),
        ("/runs/0/tool/driver", json!({})),
        ("/runs/0/tool", json!({"driver": {"name": "x"}, "nope": 1})),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/message", json!({})),
        (&format!("{place}/region/startLine"), json!(0)),
        (&format!("{place}/region/startLine"), json!("1")),
        (&format!("{place}/artifactLocation/uri"), json!("a b.py")),
        ("/runs/0/results/0", json!({"message": {"text": "m"}, "ruleIndex": -2})),
    ] {
        let mut log = good.clone();
        *log.pointer_mut(pointer).expect("a place") = bad.clone();
        assert!(!schema::violations(&log).is_empty(), "{pointer} {bad}");
    }
}

#[test]
fn the_pre_commit_hook_stops_a_bad_commit_and_lets_a_good_one_pass() {
    let hooks: Vec<Value> = serde_saphyr::from_str(HOOKS).expect("YAML");
    let [hook] = hooks.as_slice() else { panic!("{hooks:?}") };
    assert_eq!((&hook["id"], &hook["language"]), (&json!("real-detector"), &json!("system")));
    assert!(DOCS.contains("- id: real-detector"));
    let folder = Folder::new("hook");
    folder.write("bad.py", INJECTABLE);
    folder.write("good one.py", "x = 1\n");
    // pre-commit gives the entry the names of what is staged.
    let entry = hook["entry"].as_str().expect("an entry");
    for (files, code) in [(&["good one.py"][..], 0), (&["good one.py", "bad.py"], 1)] {
        let script = format!("{entry} \"$@\"");
        let args = [&["-c", &script, "hook"], files].concat();
        let output = folder.command("bash", &args).env("PATH", path()).output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).contains("bad.py:3:"), code == 1);
    }
}

/// What the workflow of the docs runs, one a step.
fn workflow_steps() -> Vec<String> {
    let block = DOCS.split("```yaml\n").find(|block| block.starts_with("# .github/workflows")).expect("a workflow");
    let workflow: Value = serde_saphyr::from_str(block.split("```").next().expect("a block")).expect("YAML");
    let steps = workflow["jobs"]["detector"]["steps"].as_array().expect("steps").clone();
    steps.iter().filter_map(|step| step["run"].as_str()).map(str::to_owned).collect()
}

#[test]
fn the_workflow_of_the_docs_fails_on_a_finding_and_leaves_a_report() {
    let steps = workflow_steps();
    assert_eq!(steps.len(), 2, "{steps:?}");
    for (program, fails) in [(INJECTABLE, true), ("x = 1\n", false)] {
        let folder = Folder::new(if fails { "workflow" } else { "workflow-clean" });
        folder.write("src/app.py", program);
        let run = |step: &str| folder.command("bash", &["-e", "-c", step]).env("PATH", path()).output().expect("runs");
        // The report is uploaded in any case.
        let report = run(&steps[0]);
        assert_eq!(report.status.code(), Some(0), "{}", text(&report.stderr));
        let log: Value =
            serde_json::from_slice(&fs::read(folder.0.join("real-detector.sarif")).expect("a report")).expect("JSON");
        assert_eq!(schema::violations(&log), Vec::<String>::new());
        assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(usize::from(fails)));
        let annotations = run(&steps[1]);
        assert_eq!(annotations.status.code(), Some(i32::from(fails)));
        assert_eq!(text(&annotations.stdout).starts_with("::error file=./src/app.py,line=3"), fails);
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_ends_it() {
    let folder = Folder::new("pipe");
    for n in 0..300 {
        folder.write(&format!("{n}.py"), INJECTABLE);
    }
    for format in ["text", "github", "json", "sarif"] {
        let mut child = folder
            .command(detector(), &["check", "--format", format, "."])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut out = child.stdout.take().expect("a pipe");
        out.read_exact(&mut [0; 8]).expect("a beginning");
        drop(out);
        let output = child.wait_with_output().expect("ends");
        let said = text(&output.stderr);
        assert!(!said.contains("panic") && !said.contains("roken pipe"), "{format}: {said}");
        assert!(output.status.code().is_some(), "{format}: ended by a signal");
    }
}

#[test]
fn what_cannot_be_written_is_told() {
    let folder = Folder::new("full");
    folder.write("a.py", "x = 1\n");
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let output = folder.command(detector(), &["check", "a.py"]).stdout(full).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space"), "{}", text(&output.stderr));
}

#[test]
fn several_at_once_say_the_same_in_the_same_order() {
    let folder = Folder::new("order");
    for n in 0..60 {
        let program = if n % 3 == 0 { INJECTABLE.to_owned() } else { "x = 1\n".repeat(1 + n * 7) };
        folder.write(&format!("{}/{n}.py", n % 7), program);
    }
    folder.write("3/broken.py", "x = (\n");
    let one = folder.check(&["--jobs", "1", "."]);
    assert_eq!(one.status.code(), Some(2));
    assert!(text(&one.stdout).ends_with("60 files checked: 20 findings in 20 files, 1 file not checked\n"));
    for jobs in ["2", "8", "500"] {
        assert_eq!(text(&folder.check(&["--jobs", jobs, "."]).stdout), text(&one.stdout), "{jobs}");
    }
}

#[test]
fn a_file_is_checked_once_however_often_it_is_named() {
    let folder = Folder::new("twice");
    folder.write("app/a.py", INJECTABLE);
    symlink("a.py", folder.0.join("app/link.py")).expect("a link");
    let output = folder.check(&[".", "app", "app/a.py", "./app/../app/a.py"]);
    assert!(text(&output.stdout).ends_with("\n1 file checked: 1 finding\n"), "{}", text(&output.stdout));
    // A link that is named is followed.
    let output = folder.check(&["app/link.py"]);
    assert!(text(&output.stdout).starts_with("app/link.py:3:"), "{}", text(&output.stdout));
}

#[test]
fn odd_files_are_told_apart_and_end() {
    let folder = Folder::new("odd");
    folder.write("mark.py", "\u{feff}import os\r\ndef run(name):\r\n    os.system('ls ' + name)\r\n");
    folder.write("empty.py", "");
    folder.write("folder.py/inner.py", "x = 1\n");
    folder.write("large.py", "x = 1\n".repeat(200_000));
    folder.write("line\nbreak.py", "x = 1\n");
    symlink("nowhere", folder.0.join("dangling.py")).expect("a link");
    symlink(".", folder.0.join("loop")).expect("a link");
    let output = folder.check(&["."]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("./large.py: not checked: ") || said.contains("\n./large.py: not checked: "), "{said}");
    assert!(said.contains("./mark.py:3:") && !said.contains("dangling"), "{said}");
    assert!(said.ends_with("4 files checked: 1 finding, 1 file not checked\n"), "{said}");
    // More than any file: what has no end is not read to it.
    let output = folder.check(&["/dev/zero", "dangling.py", "folder.py/none.py"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("/dev/zero: not checked: ") && said.contains("dangling.py: not checked: cannot be read"),
        "{said}"
    );
    assert!(said.ends_with("0 files checked: nothing found, 3 files not checked\n"), "{said}");
    let mut child = folder
        .command(detector(), &["check", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("a pipe").write_all(INJECTABLE.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(text(&output.stdout).ends_with("\n1 file checked: 1 finding\n"), "{}", text(&output.stdout));
}

#[test]
fn what_there_is_no_rule_for_is_refused_with_what_there_is() {
    let folder = Folder::new("unknown");
    folder.write("a.py", "x = 1\n");
    for (args, words) in [
        (&["check", "--cwe", "0", "a.py"][..], &["--cwe 0", "89"][..]),
        (&["check", "--cwe", "sql", "a.py"], &["sql"]),
        (&["check", "--origins", "nobody", "a.py"], &["nobody", "attacker"]),
        (&["check", "--format", "xml", "a.py"], &["xml", "sarif"]),
        (&["check", "--jobs", "0", "a.py"], &["--jobs"]),
        (&["check", "--nope", "a.py"], &["--nope"]),
        (&["check"], &["nothing to check"]),
        (&["rules", "nope"], &["nope", "sql-injection (CWE-89)"]),
        (&["rules", "CWE-1"], &["CWE-1"]),
    ] {
        let output = folder.command(detector(), args).output().expect("runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?} {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{args:?} {said}");
    }
}
