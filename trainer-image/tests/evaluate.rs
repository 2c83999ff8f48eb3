//! `real-trainer evaluate`, with answers judged by the real detector and the real sandbox.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

#[path = "job/service.rs"]
mod service;
#[path = "../../sources/tests/store/mod.rs"]
mod store;

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_crds::cell::{ShardWords, Tally};
use real_crds::progress::Outcome;
use serde_json::{Value, json};
use service::Service;
use store::{Fault, Kind, Store};

fn cell(detectors: &[&str], sandboxes: &[&str], settings: Value) -> Value {
    let mut all = json!({"temperature": 0.0, "topP": 1.0, "samples": 1, "seed": 1, "maxResponseTokens": 96, "promptTemplate": null});
    let Value::Object(settings) = settings else { panic!("settings are an object") };
    for (key, value) in settings {
        all[key] = value;
    }
    json!({
        "cell": "sweep-abc", "model": "bundled://quickstart-base",
        "suite": {"name": "quickstart", "uri": "bundled://quickstart-eval", "weight": 1.0},
        "limit": 6, "shards": 1, "settings": all,
        "reward": {
            "alpha": 0.5, "profile": "paper", "penalty": -1.0, "normalization": "none", "quality": "analysis",
            "extraction": "paper", "emptyOutputs": "ignore", "cwes": [], "maxTests": 0,
            "detectors": detectors, "sandboxes": sandboxes, "timeoutSeconds": 60,
        },
        "compute": {"device": "cpu", "dtype": "f32", "threads": 1},
    })
}

/// Runs a shard of a cell. Gives how it ended, and its last words.
fn evaluate(cell: &Value, shard: u64) -> (Output, ShardWords) {
    evaluate_with(cell, shard, &[])
}

/// The same with variables.
fn evaluate_with(cell: &Value, shard: u64, variables: &[(&str, &str)]) -> (Output, ShardWords) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = command(folder.path(), cell, shard, variables).output().expect("the program starts");
    (output, last_words(folder.path()))
}

/// The same, asked to stop once something comes by `held`.
fn evaluate_until<T>(cell: &Value, variables: &[(&str, &str)], held: &Receiver<T>) -> (Output, ShardWords) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = command(folder.path(), cell, 0, variables);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let _what = held.recv().expect("it comes so far");
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), Signal::SIGTERM).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    (output, last_words(folder.path()))
}

fn command(folder: &Path, cell: &Value, shard: u64, variables: &[(&str, &str)]) -> Command {
    let config = folder.join("cell.json");
    fs::write(&config, cell.to_string()).expect("a writable folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_real-trainer"));
    command.arg("evaluate").arg("--config").arg(&config);
    command.env("JOB_COMPLETION_INDEX", shard.to_string()).env("REAL_TERMINATION_LOG", folder.join("words"));
    command.envs(variables.iter().copied());
    command
}

fn last_words(folder: &Path) -> ShardWords {
    let said = fs::read_to_string(folder.join("words")).expect("last words");
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn shards_of_a_cell_count_what_the_whole_counts() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let mut cell = cell(&[&detector.address], &[&sandbox.address], json!({}));
    let (output, words) = evaluate(&cell, 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = words.tally.expect("counts");
    assert_eq!((words.outcome, whole.tasks, whole.n, whole.dropped), (Outcome::Done, 6, 6, 0));
    assert!(whole.function > 0, "the quickstart's policy solves some tasks: {whole:?}");
    let printed: ShardWords = serde_json::from_slice(&output.stdout).expect("a line of JSON");
    assert_eq!(printed.tally, Some(whole));
    cell["shards"] = 4.into();
    let shards: Vec<Tally> = (0..4).map(|shard| evaluate(&cell, shard).1.tally.expect("counts")).collect();
    assert_eq!(shards.iter().map(|shard| shard.tasks).collect::<Vec<_>>(), [2, 2, 1, 1]);
    assert_eq!(shards.into_iter().reduce(Tally::plus), Some(whole), "greedy answers do not depend on who gives them");
}

#[test]
fn sampled_answers_are_counted_each() {
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let settings = json!({"temperature": 0.8, "samples": 3, "promptTemplate": "{prompt}"});
    let (output, words) = evaluate(&cell(&[&detector.address], &[&sandbox.address], settings), 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(words.tally.map(|tally| (tally.tasks, tally.n)), Some((6, 18)));
}

/// What no other try can mend ends with 2, what may pass with 1; nothing of it is a count.
#[test]
fn what_cannot_be_evaluated_says_why_and_counts_nothing() {
    let nobody = "http://127.0.0.1:9";
    let good = || cell(&[nobody], &[nobody], json!({}));
    let edited = |pointer: &str, value: Value| {
        let mut cell = good();
        *cell.pointer_mut(pointer).expect("a field") = value;
        cell
    };
    for (cell, code, said) in [
        (edited("/model", json!("/no/such/model")), 2, "/no/such/model"),
        (edited("/suite/uri", json!("bundled://no-such-suite")), 2, "no-such-suite"),
        (edited("/shards", json!(0)), 2, "shards is 0"),
        (edited("/settings/maxResponseTokens", json!(1_000_000)), 2, "settings.maxResponseTokens is 1000000"),
        (edited("/settings/topP", json!(0.0)), 2, "settings.topP is 0"),
        (edited("/settings/promptTemplate", json!("be safe")), 2, "be safe"),
        (edited("/reward/detectors", json!([])), 2, "reward.detectors is empty"),
        (edited("/reward/timeoutSeconds", json!(1)), 1, "of 6 answers could not be judged"),
    ] {
        let (output, words) = evaluate(&cell, 0);
        assert_eq!(output.status.code(), Some(code), "{said}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(words.message.contains(said), "{said}: {}", words.message);
        assert_eq!((words.outcome, words.tally), (Outcome::Failed, None), "{said}");
        assert!(output.stdout.is_empty(), "{said}");
    }
    let (output, words) = evaluate(&good(), 1);
    assert_eq!(output.status.code(), Some(2));
    assert!(words.message.contains("shard 1 is asked for, and there are 1"), "{}", words.message);
}

/// A model behind an API like OpenAI's, which gives every task this answer to whoever has the key.
fn api(runtime: &tokio::runtime::Runtime, answer: &'static str) -> String {
    use axum::http::{HeaderMap, StatusCode};
    let chat = move |headers: HeaderMap, axum::Json(asked): axum::Json<Value>| async move {
        let key = headers.get("authorization").and_then(|key| key.to_str().ok());
        if key != Some("Bearer hush") || asked["messages"].as_array().is_none_or(Vec::is_empty) {
            return (StatusCode::UNAUTHORIZED, axum::Json(json!({"error": "no"})));
        }
        (StatusCode::OK, axum::Json(json!({"choices": [{"message": {"role": "assistant", "content": answer}}]})))
    };
    let router = axum::Router::new().route("/v1/chat/completions", axum::routing::post(chat));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let uri = format!("http://{}/v1?model=m", listener.local_addr().expect("an address"));
    runtime.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    uri
}

#[test]
fn a_model_behind_an_api_is_asked_with_the_key_that_is_mounted_for_it_and_judged_as_any_other() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let uri = api(&runtime, "```python\nprint(1)\n```");
    let nobody = "http://127.0.0.1:9";
    let mut refused = cell(&[nobody], &[nobody], json!({}));
    refused["model"] = uri.as_str().into();
    let (output, words) = evaluate(&refused, 0);
    assert_eq!((output.status.code(), words.tally), (Some(2), None), "without the key another try is of no use");
    assert!(words.message.contains("HTTP 401"), "{}", words.message);
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let secret = tempfile::tempdir().expect("a temporary folder");
    fs::write(secret.path().join("REAL_API_KEY"), "hush\n").expect("writable");
    let mut good = cell(&[&detector.address], &[&sandbox.address], json!({"temperature": 0.5, "samples": 2}));
    good["model"] = uri.as_str().into();
    good["shards"] = 2.into();
    let credentials = format!("{}={uri}", secret.path().display());
    let (output, words) = evaluate_with(&good, 1, &[("REAL_CREDENTIALS", credentials.as_str())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tally = words.tally.expect("counts");
    assert_eq!((tally.tasks, tally.n, tally.dropped, tally.no_code), (3, 6, 0, 0));
}

#[test]
fn rows_of_a_cell_go_to_a_bucket_the_lines_last_and_what_a_store_refuses_makes_no_count() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Some(store) = runtime.block_on(Store::start()) else { return };
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let uri = api(&runtime, "```python\nprint(1)\n```");
    let mut cell = cell(&[&detector.address], &[&sandbox.address], json!({}));
    cell["model"] = uri.as_str().into();
    cell["results"] = "s3://data/sweeps/a b".into();
    cell["shards"] = 2.into();
    // A Secret of the store's own; the key of the API is in the environment.
    let secret = tempfile::tempdir().expect("a temporary folder");
    for (name, value) in [
        ("AWS_ENDPOINT_URL", store.proxy.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_SESSION_TOKEN", "session"),
    ] {
        fs::write(secret.path().join(name), value).expect("writable");
    }
    let credentials = format!("{}=s3://data/sweeps/a b", secret.path().display());
    let variables = [("REAL_CREDENTIALS", credentials.as_str()), ("REAL_API_KEY", "hush"), ("REAL_PART_BYTES", "2000")];
    let keys = || runtime.block_on(store.keys("sweeps"));
    let lines = |shard: u64| {
        let key = format!("sweeps/a%20b/sweep-abc/shard-{shard}.jsonl");
        let text = runtime.block_on(store.content(&key)).expect("the lines of a shard");
        String::from_utf8(text).expect("text")
    };

    // What passes is survived, and every request is signed.
    store.faults(Kind::Part, &[Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>"), Fault::Lost]);
    let (output, words) = evaluate_with(&cell, 1, &variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(words.tally.map(|tally| (tally.tasks, tally.n)), Some((3, 3)));
    assert_eq!(
        keys(),
        ["sweeps/a b/sweep-abc/shard-1.jsonl", "sweeps/a b/sweep-abc/shard-1.parquet"],
        "one folder a cell, two files a shard"
    );
    assert!(store.log().iter().all(|asked| asked.signed) && store.count(Kind::Part) > 2);
    let first = lines(1);
    let answers = |lines: &str| -> Vec<(Value, Value)> {
        let row = |line| serde_json::from_str::<Value>(line).expect("JSON");
        lines.lines().map(row).map(|row| (row["id"].clone(), row["response"].clone())).collect()
    };
    assert_eq!(answers(&first).len(), 3, "{first}");
    assert!(answers(&first).iter().all(|(_, response)| response == "```python\nprint(1)\n```"), "{first}");
    let table = runtime.block_on(store.content("sweeps/a%20b/sweep-abc/shard-1.parquet")).expect("a table");
    assert!(table.starts_with(b"PAR1") && table.ends_with(b"PAR1"));

    // Another try of the same shard leaves the same lines and nothing besides.
    store.rule(|_| None);
    assert!(evaluate_with(&cell, 1, &variables).0.status.success());
    assert_eq!((answers(&lines(1)), keys().len()), (answers(&first), 2));
    assert_eq!(runtime.block_on(store.unfinished()), 0);

    // The lines are not taken: whoever looks for them finds nothing of the shard, and no count is told.
    for (status, body, code, said) in [
        (403, "<Error><Code>ExpiredToken</Code></Error>", 1, "the session token has expired"),
        (403, "<Error><Code>AccessDenied</Code></Error>", 1, "may not read or write it"),
        (503, "<Error><Code>SlowDown</Code></Error>", 1, "gave up after"),
    ] {
        store.rule(move |asked| {
            let lines = asked.kind != Kind::Get && asked.key.ends_with("shard-0.jsonl");
            lines.then_some(Fault::Answer(status, body))
        });
        let (output, words) = evaluate_with(&cell, 0, &variables);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        for part in [said, "cannot keep results in s3://data/sweeps/a b", "shard-0.jsonl"] {
            assert!(words.message.contains(part), "{part}: {}", words.message);
        }
        assert_eq!((words.outcome, words.tally), (Outcome::Failed, None));
        assert!(output.stdout.is_empty() && keys().iter().all(|key| !key.ends_with("shard-0.jsonl")), "{:?}", keys());
        assert!(!words.message.contains("hush") && !words.message.contains("Signature"), "{}", words.message);
    }
    store.rule(|_| None);
    assert!(evaluate_with(&cell, 0, &variables).0.status.success());
    assert_eq!((lines(0).lines().count(), keys().len()), (3, 4));
}

/// A server that takes requests and never answers: its address, and what comes by for each that has come.
fn silent() -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (tells, told) = channel();
    std::thread::spawn(move || {
        for asked in listener.incoming() {
            let mut asked = asked.expect("a connection");
            let _ = asked.read(&mut [0; 1 << 10]).expect("a request");
            if tells.send(asked).is_err() {
                return;
            }
        }
    });
    (address, told)
}

/// How it ends that was asked to stop while it waited for somebody who never answers.
fn assert_stopped((output, words): &(Output, ShardWords), what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), words.outcome, words.tally),
        (Some(75), Outcome::Stopped, None),
        "{what}: {said}"
    );
    assert!(output.stdout.is_empty(), "{what}: no count is told");
}

#[test]
fn a_stop_while_somebody_does_not_answer_ends_an_evaluation_before_it_has_begun() {
    let nobody = "http://127.0.0.1:9";
    let edited = |edit: &dyn Fn(&mut Value, &str)| {
        let (address, held) = silent();
        let mut cell = cell(&[nobody], &[nobody], json!({}));
        edit(&mut cell, &address);
        let variables = [
            ("HF_ENDPOINT", address.as_str()),
            ("AWS_ENDPOINT_URL", address.as_str()),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
            ("REAL_CACHE", "/nonexistent/cache"),
        ];
        evaluate_until(&cell, &variables, &held)
    };
    let of_model = |model: &'static str| move |cell: &mut Value, _: &str| cell["model"] = model.into();
    let of_suite = |cell: &mut Value, address: &str| cell["suite"]["uri"] = format!("{address}/suite.jsonl").into();
    assert_stopped(&edited(&of_model("s3://data/run/checkpoints/step-2")), "a lease");
    assert_stopped(&edited(&of_suite), "the tasks");
    assert_stopped(&edited(&|cell, address| cell["model"] = format!("{address}/v1").into()), "which models there are");
    let api = |cell: &mut Value, address: &str| cell["model"] = format!("{address}/v1?model=m").into();
    assert_stopped(&edited(&api), "a question");
    let api_and_suite = |cell: &mut Value, address: &str| {
        cell["model"] = "http://127.0.0.1:9/v1?model=m".into();
        of_suite(cell, address);
    };
    assert_stopped(&edited(&api_and_suite), "the tasks for an API");
    let judge = |cell: &mut Value, address: &str| cell["reward"]["detectors"] = json!([address]);
    assert_stopped(&edited(&judge), "a verdict");
}

/// Whether a request of a kind and of a name is the one that is waited for.
type IsIt = fn(Kind, &str) -> bool;

#[test]
fn a_stop_while_a_bucket_does_not_answer_ends_an_evaluation_at_its_end_and_no_lines_are_there() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let Some(store) = runtime.block_on(Store::start()) else { return };
    let (Some(detector), Some(sandbox)) = (Service::start("real-detector"), Service::start("real-sandbox")) else {
        return;
    };
    let variables = [
        ("AWS_ENDPOINT_URL", store.proxy.as_str()),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("REAL_PART_BYTES", "2000"),
        ("REAL_CACHE", "/nonexistent/cache"),
    ];
    let hold_back = |is_it: IsIt| {
        let (tells, told) = channel();
        store.rule(move |asked| {
            is_it(asked.kind, &asked.key).then(|| {
                let _ = tells.send(());
                Fault::Never
            })
        });
        told
    };
    let mut to_bucket = cell(&[&detector.address], &[&sandbox.address], json!({}));
    to_bucket["results"] = "s3://data/sweeps/a".into();
    let moments: [(&str, IsIt); 4] = [
        ("a file is announced", |kind, key| kind == Kind::Begin && key.ends_with("parquet")),
        ("a part", |kind, _| kind == Kind::Part),
        ("the parts are put together", |kind, _| kind == Kind::Complete),
        ("the lines", |kind, key| kind != Kind::Part && key.ends_with("jsonl")),
    ];
    for (moment, is_it) in moments {
        let held = hold_back(is_it);
        assert_stopped(&evaluate_until(&to_bucket, &variables, &held), moment);
        let keys = runtime.block_on(store.keys("sweeps"));
        assert!(keys.iter().all(|key| !key.ends_with("jsonl")), "{moment}: {keys:?}");
    }

    // The lease is not taken back: what was counted is told, and the lease ends by itself.
    store.rule(|_| None);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/quickstart-base")).expect("a model") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let content = fs::read(&path).expect("readable");
        runtime.block_on(store.put(&format!("run/checkpoints/step-2/{name}"), &content));
    }
    let mut leased = cell(&[&detector.address], &[&sandbox.address], json!({}));
    leased["model"] = "s3://data/run/checkpoints/step-2".into();
    let held = hold_back(|kind, key| kind == Kind::Delete && key.contains("/leases/"));
    let (output, words) = evaluate_until(&leased, &variables, &held);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((words.outcome, words.tally.map(|tally| tally.n)), (Outcome::Done, Some(6)));
}
