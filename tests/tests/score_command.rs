//! `real score` and `real reward serve` as people run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use real_datasets::Task;
use real_tests::service::{Service, Services};
use real_tests::tasks::{BROKEN, INJECTABLE, SAFE, answer, shop};
use real_tests::{paper_file, programs};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a data set of one task and answers to it.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new(responses: &[Value]) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(case.path("tasks.jsonl"), format!("{}\n", serde_json::to_string(&shop()).unwrap())).unwrap();
        let lines: Vec<String> = responses.iter().map(Value::to_string).collect();
        fs::write(case.path("answers.jsonl"), lines.join("\n")).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `real score` on the case's data, with services of its own.
    fn score(&self, arguments: &[&str]) -> Command {
        let mut command = programs::command("real");
        command.arg("score").arg("--data").arg(self.path("tasks.jsonl")).args(arguments);
        command
    }
}

fn responses() -> Vec<Value> {
    vec![
        json!({"id": "shop", "response": answer(SAFE)}),
        json!({"id": "shop", "response": answer(INJECTABLE)}),
        json!({"id": "shop", "response": answer(BROKEN)}),
        json!({"id": "shop", "response": "no"}),
    ]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_refused(output: &Output, expected: &[&str]) {
    assert_ends(output, 2, expected);
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, expected: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for part in expected {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

#[test]
fn answers_are_scored_with_services_of_its_own_and_written_a_line_each() {
    let case = Case::new(&responses());
    let (answers, out) = (case.path("answers.jsonl"), case.path("out.jsonl"));
    let output = case.score(&["--responses"]).arg(&answers).arg("--output").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for row in ["Function", "Quality", "Func.-Qual.", "no code", "dropped", "programs/s", "50.0 %", "25.0 %"] {
        assert!(table.contains(row), "{row}: {table}");
    }
    let lines: Vec<Value> =
        fs::read_to_string(&out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let field = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("reward"), [json!(1.0), json!(0.5), json!(-1.0), json!(-1.0)]);
    assert_eq!(field("quality"), [json!(1), json!(0), json!(0), json!(0)]);
    assert_eq!(field("function"), [json!(1.0), json!(1.0), json!(0.0), json!(0.0)]);
    assert_eq!(field("noCode"), [json!(false), json!(false), json!(false), json!(true)]);
    assert_eq!(lines[1]["findings"][0]["cwe"], 89);
    assert_eq!(lines[0]["verdicts"].as_array().unwrap().len(), 4);
}

#[test]
fn what_was_scored_before_ctrl_c_is_kept_and_gone_on_with() {
    // Slow enough that it cannot be through before a busy machine gets round to Ctrl-C.
    let slow = answer(&format!("import time\ntime.sleep(0.1)\n{SAFE}"));
    let many: Vec<Value> = (0..40).map(|_| json!({"id": "shop", "response": slow})).collect();
    let case = Case::new(&many);
    let (answers, out, partial) = (case.path("answers.jsonl"), case.path("out.jsonl"), case.path("out.jsonl.partial"));
    let score = |more: &[&str]| {
        let mut command = case.score(&["--concurrency", "1", "--responses"]);
        command.arg(&answers).arg("--output").arg(&out).args(more);
        command
    };
    let mut child = score(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let rows = || fs::read_to_string(&partial).map_or(0, |text| text.lines().count().saturating_sub(1));
    while rows() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was asked to");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let stopped = child.wait_with_output().unwrap();
    let said = text(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(75), "{said}");
    assert!(said.contains("of 40 answers are scored") && said.contains("--resume"), "{said}");
    let kept = rows();
    assert!((2..40).contains(&kept) && !out.exists(), "{kept}");

    assert_refused(&score(&[]).output().unwrap(), &["out.jsonl.partial", "--resume"]);
    let other = ["--resume", "--alpha", "0.8"];
    assert_refused(&score(&other).output().unwrap(), &["other settings", "0.8"]);
    let whole = score(&["--resume", "--json"]).output().unwrap();
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let summary: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!((&summary["n"], &summary["joint"]), (&json!(40), &json!(1.0)));
    assert_eq!(fs::read_to_string(&out).unwrap().lines().count(), 40);
    assert!(!partial.exists());
}

#[test]
fn running_services_can_be_used_and_the_summary_be_json() {
    let services = Services::start();
    let case = Case::new(&[]);
    let (detector, sandbox) = (services.detector.url(), services.sandbox.url());
    let output = case
        .score(&["--responses", "references", "--json", "--detector", &detector, "--sandbox", &sandbox])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["n"], &summary["joint"], &summary["dropped"]), (&json!(1), &json!(1.0), &json!(0)));
}

#[test]
fn answers_that_do_not_fit_are_named_and_nothing_is_written() {
    let case = Case::new(&[json!({"id": "shop", "response": ""}), json!({"id": 7, "response": ""})]);
    let (answers, out) = (case.path("answers.jsonl"), case.path("out.jsonl"));
    let output = case.score(&["--responses"]).arg(&answers).arg("--output").arg(&out).output().unwrap();
    assert_refused(&output, &["answers.jsonl:2", "'7'", "shop"]);
    assert!(!out.exists());
}

#[test]
fn wrong_numbers_and_missing_files_are_named() {
    let case = Case::new(&responses());
    let references = ["--responses", "references"];
    assert_refused(
        &case.score(&references).args(["--alpha", "1.5"]).output().unwrap(),
        &["'1.5' for '--alpha", "from 0 to 1"],
    );
    assert_refused(&case.score(&["--responses", "/nowhere.jsonl"]).output().unwrap(), &["/nowhere.jsonl"]);
    let output = case.score(&references).args(["--output", "/nowhere/out.jsonl"]).output().unwrap();
    assert_refused(&output, &["/nowhere/out.jsonl", "--output"]);
    for (option, name) in [("--data", "tasks.jsonl"), ("--responses", "answers.jsonl")] {
        let before = fs::read(case.path(name)).unwrap();
        let mut score = case.score(&["--responses"]);
        let output = score.arg(case.path("answers.jsonl")).arg("--output").arg(case.path(name)).output().unwrap();
        assert_refused(&output, &["--output", &format!("is the file that {option} reads")]);
        assert_eq!(fs::read(case.path(name)).unwrap(), before);
    }
    let missing =
        programs::command("real").args(["score", "--data", "/nowhere.parquet"]).args(references).output().unwrap();
    assert_refused(&missing, &["/nowhere.parquet"]);
}

#[test]
fn a_file_that_is_not_parquet_or_of_another_schema_is_named() {
    let case = Case::new(&[]);
    let not_parquet = case.path("x.parquet");
    fs::write(&not_parquet, "no").unwrap();
    let score = |dataset: &str, file: &Path| {
        programs::command("real")
            .args(["score", "--dataset", dataset, "--responses", "references", "--data"])
            .arg(file)
            .output()
            .unwrap()
    };
    assert_refused(&score("safesql", &not_parquet), &["x.parquet", "Parquet"]);
    if let Some(file) = paper_file("safesql-train.parquet") {
        assert_refused(&score("seccodeplt", &file), &["safesql-train.parquet", "SecCodePLT+", "CWE_ID"]);
    }
}

#[test]
fn a_port_in_use_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for program in ["real-detector", "real-sandbox"] {
        let output = programs::command(program).args(["serve", "--listen", &address]).output().unwrap();
        assert_ends(&output, 1, &[&address]);
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn the_remote_reward_route_answers_as_openrlhf_expects() {
    let mut services = Services::start();
    let case = Case::new(&[]);
    let (detector, sandbox) = (services.detector.url(), services.sandbox.url());
    let data = case.path("tasks.jsonl");
    let arguments = ["reward", "serve", "--timeout", "20", "--detector", &detector, "--sandbox", &sandbox, "--dataset"];
    let server = Service::spawn("real", &[&arguments[..], &[data.to_str().unwrap()]].concat());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |body: Value| {
        let answer = client.post(format!("{}/get_reward", server.url())).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    // The prompt's template block must not count as an answer.
    let prompt = "Write it:\n```python\nYOUR CODE\n```\n";
    let query = |response: &str| format!("<s>{prompt}{response}</s>");
    let body = json!({
        "query": [query(&answer(SAFE)), query(&answer(INJECTABLE)), query("no")],
        "prompts": [prompt, prompt, prompt],
        "labels": ["shop", "shop", "tests/shop"],
    });
    let (status, text) = post(body.clone()).await;
    assert_eq!(status, 200, "{text}");
    let rewards: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(rewards["rewards"], json!([1.0, 0.5, -1.0]));
    assert_eq!(rewards["scores"], json!([1.0, 0.5, 0.0]));
    assert_eq!(rewards["extra_logs"]["quality"], json!([1.0, 0.0, 0.0]));

    let (status, text) = post(json!({"query": ["a"], "prompts": ["a"], "labels": ["shelf"]})).await;
    assert_eq!((status, text.contains("'shelf'")), (400, true), "{text}");
    let (status, text) =
        post(json!({"query": ["a", query("no")], "prompts": ["a", prompt], "labels": ["shelf", "shop"]})).await;
    let rewards: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &rewards["mask_sample"], &rewards["rewards"][1]), (200, &json!([true, false]), &json!(-1.0)));
    assert!(rewards["reasons"][0].as_str().unwrap().contains("'shelf'"), "{text}");

    // Without labels and prompts, the task is the one whose prompt is in the query.
    let own = shop().prompt.last().unwrap().content.clone();
    let (status, text) = post(json!({"query": [format!("user: {own}\nassistant: {}", answer(SAFE))]})).await;
    assert_eq!((status, text.contains("\"rewards\":[1.0]")), (200, true), "{text}");

    let ready = async || {
        let answer = client.get(format!("{}/healthz", server.url())).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ready().await.0, 200);
    services.sandbox.kill();
    let (status, text) = ready().await;
    assert_eq!((status, text.contains("no sandbox is ready")), (503, true), "{text}");
    // What needs no sandbox has its reward; the others mask themselves.
    let (status, text) = post(body).await;
    let rewards: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &rewards["mask_sample"]), (200, &json!([true, true, false])), "{text}");
    assert_eq!(rewards["rewards"], json!([-1.0, -1.0, -1.0]), "the mean of those that are known");
    assert!(rewards["reasons"][0].as_str().unwrap().contains("sandbox"), "{text}");
    let (status, text) = post(json!({"query": [query(&answer(SAFE))], "prompts": [prompt], "labels": ["shop"]})).await;
    assert_eq!((status, text.contains("sandbox")), (503, true), "{text}");
}

#[test]
fn the_papers_references_get_their_due() {
    let Some(file) = paper_file("safesql-train.parquet") else { return };
    let case = Case::new(&[]);
    let output = programs::command("real")
        .args(["score", "--dataset", "safesql", "--responses", "references", "--limit", "25", "--json", "--data"])
        .arg(file)
        .current_dir(case.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["n"], &summary["function"], &summary["dropped"]), (&json!(25), &json!(1.0), &json!(0)));
}

#[test]
fn tasks_survive_their_canonical_form() {
    let line = serde_json::to_string(&shop()).unwrap();
    assert_eq!(serde_json::from_str::<Task>(&line).unwrap(), shop());
}

#[test]
fn the_example_of_own_data_is_right_and_can_be_trained_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let mut command = programs::command("real");
    command.current_dir(&root).args(["score", "--data", "examples/own-data/tasks.jsonl", "--responses", "references"]);
    let output = command.arg("--output").arg(&rows).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = fs::read_to_string(rows).unwrap();
    let bad: Vec<Value> = rows
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .filter(|row: &Value| row["functionAll"] != true || row["quality"] != 1)
        .collect();
    assert_eq!((rows.lines().count(), bad), (20, Vec::new()));

    let mut command = programs::command("real");
    let output = command.current_dir(&root).args(["run", "--dry-run", "examples/own-data/job.yaml"]).output().unwrap();
    let (said, job) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success() && said.contains("own-data: can be run: 2 steps"), "{said}");
    assert!(job.contains("kind: RealTrainingJob") && job.contains("klCoefficient"), "defaults are filled in: {job}");
    assert!(!root.join("runs/own-data").exists(), "nothing is started");
    let set =
        ["run", "--dry-run", "--set", "spec.datasets.train[0].storageUri=nowhere.jsonl", "examples/own-data/job.yaml"];
    assert_refused(&programs::command("real").current_dir(&root).args(set).output().unwrap(), &["nowhere.jsonl"]);
}
