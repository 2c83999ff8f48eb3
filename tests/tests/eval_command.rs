//! `real eval` and `real compare` as people run them.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::IntoResponse as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_datasets::Task;
use real_tests::programs;
use real_tests::service::Services;
use real_tests::tasks::{INJECTABLE, SAFE, WRONG, answer, shop};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a data set of three tasks.
struct Case {
    folder: TempDir,
    services: Services,
}

impl Case {
    fn new() -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap(), services: Services::start() };
        let lines: Vec<String> = ["a", "b", "c"].map(|id| serde_json::to_string(&task(id)).unwrap()).to_vec();
        fs::write(case.path("tasks.jsonl"), lines.join("\n")).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Answers to the three tasks.
    fn answers(&self, name: &str, programs: [&str; 3]) {
        let lines = ["a", "b", "c"].iter().zip(programs);
        let lines: Vec<String> =
            lines.map(|(id, program)| json!({"id": id, "response": answer(program)}).to_string()).collect();
        fs::write(self.path(name), lines.join("\n")).unwrap();
    }

    fn real(&self, command: &str) -> Command {
        let mut real = programs::command("real");
        real.current_dir(self.folder.path()).env("COLUMNS", "80").env("REAL_CACHE", self.path("cache")).arg(command);
        real
    }

    /// `real eval` on the tasks, with the case's services.
    fn eval(&self, arguments: &[&str]) -> Output {
        let mut real = self.real("eval");
        let (detector, sandbox) = (self.services.detector.url(), self.services.sandbox.url());
        real.args(["--detector", detector.as_str(), "--sandbox", sandbox.as_str()]);
        real.args(arguments).output().unwrap()
    }

    fn summary(&self, folder: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(folder).join("summary.json")).unwrap()).unwrap()
    }
}

/// The shop under another name.
fn task(id: &str) -> Task {
    Task { id: id.to_owned(), ..shop() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, expected: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for part in expected {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_baselines_are_rows_of_one_table_and_two_of_them_are_compared() {
    let case = Case::new();
    case.answers("before.jsonl", [SAFE, INJECTABLE, WRONG]);
    case.answers("after.jsonl", [SAFE, SAFE, INJECTABLE]);
    let all = [
        "--suite",
        "shop=tasks.jsonl",
        "--responses",
        "before.jsonl",
        "--responses",
        "new=after.jsonl",
        "--responses",
        "nothing",
    ];
    let output = case.eval(&all);
    assert_ends(&output, 0, &["[3/3] nothing/shop: Function", "report.html"]);
    let table = text(&output.stdout);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    for cell in ["before", "new", "nothing", "66.7", "33.3", "Func.-Qual."] {
        assert!(table.contains(cell), "{cell}: {table}");
    }
    let summary = case.summary("evals/eval");
    let joint: Vec<&Value> =
        summary["cells"].as_array().unwrap().iter().map(|cell| &cell["summary"]["joint"]["value"]).collect();
    assert_eq!(joint[1], &json!(2.0 / 3.0), "{summary}");
    let rows = fs::read_to_string(case.path("evals/eval/results.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 9);
    assert_eq!((&rows[1]["cell"], &rows[1]["findings"][0]["cwe"]), (&json!("before/shop"), &json!(89)));
    assert!(rows[1]["response"].as_str().unwrap().contains("sqlite3"));
    assert!(fs::read_to_string(case.path("evals/eval/report.html")).unwrap().contains("CWE-89"));

    assert_ends(&case.eval(&all), 2, &["already holds an evaluation", "--resume", "--fresh"]);
    let (before, after) = ("evals/eval/cells/before,shop", "evals/eval/cells/new,shop");
    let compared = case.real("compare").args([before, after]).output().unwrap();
    let said = text(&compared.stdout);
    assert!(
        said.contains("1 better in B") && said.contains("b: CWE-89 → works and is clean"),
        "{said}{}",
        text(&compared.stderr)
    );
    assert!(
        said.contains("3 tasks that both answered") && said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    let part = json!({"id": "b", "response": answer(SAFE)}).to_string();
    fs::write(case.path("part.jsonl"), part).unwrap();
    let output = case.eval(&["--suite", "shop=tasks.jsonl", "--responses", "part.jsonl", "--output", "evals/part"]);
    assert_ends(&output, 0, &["part/shop: part.jsonl has answers to 1 of 3 tasks"]);
    let several = case.real("compare").args(["evals/eval", after]).output().unwrap();
    assert_ends(&several, 2, &["several cells", "cells/new,shop"]);
    let mixed = case.real("compare").args(["evals/eval/results.jsonl", after]).output().unwrap();
    assert_ends(&mixed, 2, &["holds the rows of several cells (before/shop, new/shop, nothing/shop)", "cells/NAME"]);

    // What has the same name need not be the same.
    case.answers("after.jsonl", [SAFE, SAFE, SAFE]);
    let changed = case.eval(&[&all[..], &["--resume"]].concat());
    assert_ends(&changed, 1, &["[2/3] new/shop", "other settings: answeredBy is ", "--fresh"]);
    let other = [serde_json::to_string(&task("a")).unwrap(), serde_json::to_string(&task("d")).unwrap()];
    fs::write(case.path("tasks.jsonl"), other.join("\n")).unwrap();
    let nothing = ["--suite", "shop=tasks.jsonl", "--responses", "nothing"];
    let changed = case.eval(&[&nothing[..], &["--resume"]].concat());
    assert_ends(&changed, 1, &["other settings: tasks is ", "3 tasks, SHA-256", "2 tasks, SHA-256"]);
    assert_ends(&case.eval(&[&nothing[..], &["--output", "evals/other"]].concat()), 0, &[]);
    let compared = case.real("compare").args([after, "evals/other/cells/nothing,shop/rows.jsonl"]).output().unwrap();
    assert_ends(&compared, 0, &["note: A was evaluated on tasks.jsonl (3 tasks", "may not be the same"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_asks_an_api_and_goes_on_where_it_was_interrupted() {
    let case = Case::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // The fourth question is the last that is answered, until it is asked again.
    let chat = move |axum::Json(body): axum::Json<Value>| async move {
        if count.fetch_add(1, Ordering::SeqCst) == 3 {
            return (axum::http::StatusCode::BAD_REQUEST, "out of credit").into_response();
        }
        let safe = body["messages"][0]["content"].as_str().unwrap().starts_with("Be safe.");
        let content = answer(if safe { SAFE } else { INJECTABLE });
        axum::Json(json!({"choices": [{"message": {"content": content}}]})).into_response()
    };
    let router = axum::Router::new().route("/v1/chat/completions", axum::routing::post(chat));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}/v1?model=m", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let sweep = format!(
        "apiVersion: real-rl.dev/v1alpha1\nkind: RealEvalSweep\nmetadata: {{name: nightly}}\nspec:\n  runNamespace: evals\n  \
         targets: {{models: [{{name: other, storageUri: '{api}'}}]}}\n  suites: [{{name: shop, storageUri: tasks.jsonl}}]\n  \
         matrix: [{{name: promptTemplate, values: [default, 'Be safe. {{prompt}}']}}]\n"
    );
    fs::write(case.path("sweep.yaml"), sweep).unwrap();
    let arguments = ["sweep.yaml", "--concurrency", "1"];
    let first = case.eval(&arguments);
    assert_ends(&first, 1, &["[1/2]", "[2/2]", "out of credit"]);
    let summary = case.summary("evals/nightly");
    assert_eq!(summary["cells"][0]["summary"]["quality"]["value"], 0.0, "{summary}");
    assert!(
        summary["cells"][1]["summary"].is_null() && summary["cells"][1]["reason"].as_str().unwrap().contains("400")
    );

    let again = case.eval(&[&arguments[..], &["--resume", "--format", "csv"]].concat());
    assert_ends(&again, 0, &[]);
    assert_eq!(asked.load(Ordering::SeqCst), 7, "what was answered is not asked for again");
    assert_eq!(text(&again.stdout).lines().count(), 3);
    let summary = case.summary("evals/nightly");
    assert_eq!(summary["cells"][1]["name"], "other/shop/promptTemplate=Be safe. {prompt}");
    assert_eq!(summary["cells"][1]["summary"]["joint"]["value"], 1.0);
    let other = case.eval(&[&arguments[..], &["--resume", "--extraction", "tolerant"]].concat());
    assert_ends(&other, 1, &["other settings", "--fresh"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_on_a_server_is_fetched_once() {
    let case = Case::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, tasks) = (Arc::clone(&asked), fs::read_to_string(case.path("tasks.jsonl")).unwrap());
    let file = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        ([("etag", "\"v1\"")], tasks)
    };
    let router = axum::Router::new().route("/d/tasks.jsonl", axum::routing::get(file));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let suite = format!("shop=http://{}/d/tasks.jsonl", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    for folder in ["one", "two"] {
        let output = case.eval(&["--suite", &suite, "--responses", "nothing", "--limit", "1", "--output", folder]);
        assert_ends(&output, 0, &["1 answers to 1 tasks"]);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let missing =
        case.eval(&["--suite", &suite.replace("tasks", "other"), "--responses", "nothing", "--output", "three"]);
    assert_ends(&missing, 2, &["other.jsonl", "404", "no such file"]);
    assert!(!case.path("three").exists());
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_loaded_or_started() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tasks.jsonl"), serde_json::to_string(&task("a")).unwrap()).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let suspended = "apiVersion: real-rl.dev/v1alpha1\nkind: RealEvalSweep\nmetadata: {name: s}\nspec:\n  suspend: true\n  runNamespace: e\n  \
                     targets: {jobSelector: {}}\n  suites: [{name: a, storageUri: tasks.jsonl}]\n";
    fs::write(folder.path().join("suspended.yaml"), suspended).unwrap();
    fs::write(folder.path().join("jobs.yaml"), suspended.replace("suspend: true", "suspend: false")).unwrap();
    let suite = ["--suite", "tasks.jsonl"];
    let cases: [(&[&str], &[&str]); 13] = [
        (&[], &["--model", "--responses"]),
        (&["--responses", "nothing"], &["--suite"]),
        (&["--responses", "refrences"], &["refrences", "vulnerable"]),
        (&["--model", "/nowhere/model"], &["/nowhere/model", "no such folder"]),
        (&["--model", "empty"], &["empty", "config.json"]),
        (&["--model", "gopher://x/y"], &["gopher", "bundled://NAME"]),
        (&["--model", "pvc://claim/x"], &["pvc://claim/x", "cluster"]),
        (&["--responses", "nothing", "--responses", "nothing"], &["two targets", "nothing"]),
        (&["--responses", "nothing", "--matrix", "heat=1"], &["heat", "temperature"]),
        (&["--responses", "nothing", "--matrix", "temperature=3"], &["\"3\"", "from 0 to 2"]),
        (&["--responses", "nothing", "--suite", "b=missing.jsonl"], &["missing.jsonl", "suite b"]),
        (&["suspended.yaml"], &["spec.suspend"]),
        (&["jobs.yaml"], &["jobSelector", "--runs"]),
    ];
    for (arguments, expected) in cases {
        let with_suite = arguments.len() > 1 && arguments[1] != "nothing" || arguments.len() > 2;
        let mut real = programs::command("real");
        real.current_dir(folder.path()).arg("eval").args(arguments).args(if with_suite { &suite[..] } else { &[] });
        assert_ends(&real.output().unwrap(), 2, expected);
    }
    assert!(!folder.path().join("evals").exists(), "nothing was made");
}

/// Nobody waits for a server that does not answer once somebody asked to stop, whatever it was asked for.
#[test]
fn a_stop_while_a_server_does_not_answer_ends_the_evaluation() {
    let case = Case::new();
    case.answers("good.jsonl", [SAFE; 3]);
    let (answers, tasks) = ("--responses=good.jsonl", "--suite=s=tasks.jsonl");
    let asked: [(&str, &[&str], &str); 4] = [
        ("a suite", &[answers, "--suite=s=SERVER/tasks.jsonl"], "nothing is evaluated yet"),
        ("a training set", &[answers, tasks, "--train=SERVER/tasks.jsonl"], "nothing is evaluated yet"),
        ("the models of an API", &["--model=m=SERVER/v1", tasks], "1 of 1 cells are not done"),
        ("an answer of an API", &["--model=m=SERVER/v1?model=x", tasks], "1 of 1 cells are not done"),
    ];
    for (what, arguments, said) in asked {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        let mut real = case.real("eval");
        let (detector, sandbox) = (case.services.detector.url(), case.services.sandbox.url());
        real.args(["--detector", detector.as_str(), "--sandbox", sandbox.as_str(), "--fresh"])
            .args(arguments.iter().map(|argument| argument.replace("SERVER", &address)));
        let child = real.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut connection, _) = silent.accept().unwrap();
        assert!(connection.read(&mut [0; 1 << 10]).unwrap() > 0, "{what}: it asks");
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_ends(&child.wait_with_output().unwrap(), 75, &["stopped on request", said]);
    }
}
