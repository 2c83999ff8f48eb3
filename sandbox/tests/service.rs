//! The service as clients and operators see it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

mod server;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use server::Server;

fn start() -> Server {
    Server::start(&["--workers", "1"]).expect("some tier works here")
}

#[tokio::test]
async fn run_code_answers_as_its_clients_expect() {
    let server = start();
    let (code, answer) = server
        .post(
            "/run_code",
            &json!({
                "code": "import sys\nprint(input('who? '), open('in/file').read())\nprint('warning', file=sys.stderr)\nopen('out', 'w').write('made')",
                "language": "python", "stdin": "you", "run_timeout": 5, "compile_timeout": 5, "memory_limit_MB": 512,
                "files": {"in/file": "Y29udGVudA=="}, "fetch_files": ["out", "missing"],
            }),
        )
        .await;
    assert_eq!(code, 200);
    assert_eq!(answer["status"], "Success");
    assert_eq!(answer["run_result"]["status"], "Finished");
    assert_eq!(answer["run_result"]["return_code"], 0);
    assert_eq!(answer["run_result"]["stdout"], "who? you content\n");
    assert_eq!(answer["run_result"]["stderr"], "warning\n");
    assert_eq!(answer["files"], json!({"out": "bWFkZQ=="}));
    assert!(answer["compile_result"].is_null() && answer["executor_pod_name"].is_null());

    for (program, status, code, in_stderr) in [
        ("1 / 0", "Finished", json!(1), "ZeroDivisionError"),
        ("def f(:", "Finished", json!(1), "SyntaxError"),
        ("import sys; sys.exit(7)", "Finished", json!(7), ""),
        ("import sys; sys.exit('bye')", "Finished", json!(1), "bye"),
        ("import os; os._exit(9)", "Finished", json!(9), ""),
        ("while True: pass", "TimeLimitExceeded", json!(null), ""),
        ("import time; time.sleep(60)", "TimeLimitExceeded", json!(null), ""),
        ("bytearray(1 << 33)", "Finished", json!(1), "MemoryError"),
    ] {
        let request = json!({"code": program, "language": "python", "run_timeout": 1, "stdin": null});
        let (http, answer) = server.post("/run_code", &request).await;
        assert_eq!(http, 200, "{program}");
        assert_eq!(answer["status"], "Failed", "{program}: {answer}");
        assert_eq!(answer["run_result"]["status"], status, "{program}: {answer}");
        assert_eq!(answer["run_result"]["return_code"], code, "{program}: {answer}");
        assert!(
            answer["run_result"]["stderr"].as_str().is_some_and(|text| text.contains(in_stderr)),
            "{program}: {answer}"
        );
    }
    let hook = "import sys\nsys.excepthook = lambda kind, error, trace: print(kind.__name__, trace.tb_lineno)\n1 / 0";
    let (_, answer) = server.post("/run_code", &json!({"code": hook, "language": "python"})).await;
    let result = &answer["run_result"];
    assert_eq!((&result["stdout"], &result["return_code"]), (&json!("ZeroDivisionError 3\n"), &json!(1)), "{answer}");
    let (http, answer) = server.post("/run_code", &json!({"code": "", "language": "cobol"})).await;
    assert_eq!(http, 422);
    assert!(answer["error"].as_str().is_some_and(|text| text.contains("cobol") && text.contains("python")), "{answer}");
}

#[tokio::test]
async fn long_output_is_never_cut_silently() {
    let server = start();
    let run = async |bytes: usize| {
        let code = format!("print('x' * {})", bytes - 1);
        server.post("/run_code", &json!({"code": code, "language": "python"})).await.1
    };
    let whole = run(1 << 20).await;
    assert_eq!(whole["status"], "Success");
    assert_eq!(whole["run_result"]["stdout"].as_str().map(str::len), Some(1 << 20));
    let cut = run((1 << 20) + 1).await;
    assert_eq!(cut["status"], "Failed");
    assert!(cut["message"].as_str().is_some_and(|text| text.contains("more output than allowed")), "{cut}");
}

#[tokio::test]
async fn health_status_and_metrics_say_the_tier() {
    let server = start();
    assert_eq!(server.get("/v1/ping").await, (200, "pong".into()));
    let tests = json!([{"kind": "stdin", "stdin": "", "stdout": "1"}, {"kind": "stdin", "stdin": "", "stdout": "2"}]);
    server.post("/v1/batch", &json!({"program": "print(1)", "tests": tests})).await;
    let (_, status) = server.get("/v1/status").await;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    for field in ["tier", "queueDepth", "inFlight", "oldestSeconds", "workers", "answeredTotal", "refusedTotal"] {
        assert!(!status[field].is_null(), "{field}: {status}");
    }
    assert_eq!(status["answeredTotal"], 2);
    let (_, metrics) = server.get("/metrics").await;
    for line in [
        "real_sandbox_tests_total{status=\"passed\"} 1",
        "real_sandbox_tests_total{status=\"wrong_answer\"} 1",
        "real_sandbox_queue_depth 0",
        &format!("real_sandbox_isolation{{tier={}}} 1", status["tier"]),
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn bad_requests_name_what_is_wrong() {
    let server = start();
    let good = json!({"program": "", "tests": []});
    for (field, value, says) in [
        ("limits", json!({"cpuSeconds": -1}), "limits.cpuSeconds: -1, allowed is 0.01 to 600"),
        ("limits", json!({"cpu": 1}), "cpu"),
        ("tests", json!([{"kind": "telepathy"}]), "telepathy"),
        ("program", json!(5), "program"),
        ("comparison", json!({"policy": "numeric", "tolerance": -1}), "comparison.tolerance"),
    ] {
        let mut request = good.clone();
        request[field] = value;
        let (code, answer) = server.post("/v1/batch", &request).await;
        assert!((400..500).contains(&code), "{code}");
        assert!(answer["error"].as_str().is_some_and(|text| text.contains(says)), "{says}: {answer}");
    }
}

#[tokio::test]
async fn a_full_queue_is_said_and_a_lost_client_frees_its_worker() {
    let server = Server::start(&["--workers", "1", "--queue", "2"]).expect("some tier works here");
    let slow = json!({"program": "import time\ntime.sleep(30)", "limits": {"wallSeconds": 60},
        "tests": [{"kind": "stdin", "stdin": "", "stdout": ""}, {"kind": "stdin", "stdin": "", "stdout": ""}, {"kind": "stdin", "stdin": "", "stdout": ""}]});
    let client = reqwest::Client::new();
    let url = format!("{}/v1/batch", server.address);
    let first = tokio::spawn(client.post(&url).json(&slow).send());
    server.until_status(|status| status["queueDepth"] == 2).await;
    let refused = client.post(&url).json(&slow).send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    first.abort();
    // The abandoned tests are ended: by themselves they would take longer than is waited here.
    server.until_status(|status| status["queueDepth"] == 0 && status["inFlight"] == 0).await;
    let (_, answer) = server.post("/run_code", &json!({"code": "print(1)", "language": "python"})).await;
    assert_eq!(answer["status"], "Success");
}

#[tokio::test]
async fn a_queue_that_is_too_slow_is_said() {
    let server = Server::start(&["--workers", "1", "--queue-seconds", "1"]).expect("some tier works here");
    let test = json!({"kind": "stdin", "stdin": "", "stdout": ""});
    let slow = json!({"program": "import time\ntime.sleep(30)", "limits": {"wallSeconds": 60}, "tests": [test, test]});
    let client = reqwest::Client::new();
    let first = tokio::spawn(client.post(format!("{}/v1/batch", server.address)).json(&slow).send());
    server.until_status(|status| status["oldestSeconds"].as_f64().is_some_and(|seconds| seconds > 1.5)).await;
    let (code, refused) = server.post("/v1/batch", &slow).await;
    assert_eq!(code, 429, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("too long")), "{refused}");
    first.abort();
}

#[tokio::test]
async fn no_request_gets_more_than_the_service_allows() {
    let flags = ["--wall-seconds", "2", "--memory-mib", "256", "--output-bytes", "2000"];
    let server = Server::start(&[&["--workers", "1"][..], &flags].concat()).expect("some tier works here");
    let generous = json!({"cpuSeconds": 60, "wallSeconds": 60, "memoryMib": 4096, "outputBytes": 100_000});
    for (program, status) in [
        ("import time; time.sleep(30)", "time_limit"),
        ("while True: pass", "time_limit"),
        ("x = bytearray(1 << 30)", "memory_limit"),
        ("print('x' * 5000)", "output_limit"),
        ("print('fine')", "passed"),
    ] {
        let tests = json!([{"kind": "stdin", "stdin": "", "stdout": "fine"}]);
        let request = json!({"program": program, "tests": tests, "limits": generous});
        let (_, answer) = server.post("/v1/batch", &request).await;
        assert_eq!(answer["results"][0]["status"], status, "{program}: {answer}");
    }
    let request = json!({"code": "x = bytearray(1 << 30)", "language": "python", "memory_limit_MB": 4096});
    let (_, answer) = server.post("/run_code", &request).await;
    assert_eq!(answer["status"], "Failed", "{answer}");
}

#[tokio::test]
async fn a_lost_zygote_is_replaced() {
    let server = Server::start(&["--workers", "1"]).expect("some tier works here");
    let pid = server.process.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut killed = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).expect("tasks").flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or(children.clone());
        for child in text.split_whitespace() {
            let status = Command::new("kill").args(["-9", child]).status().expect("kill");
            killed += i32::from(status.success());
        }
    }
    assert!(killed > 0, "there is a zygote to kill");
    let (_, answer) = server.post("/run_code", &json!({"code": "print(1)", "language": "python"})).await;
    assert_eq!(answer["status"], "Success", "{answer}");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_so() {
    let server = start();
    let address = server.address.trim_start_matches("http://");
    let output =
        Command::new(env!("CARGO_BIN_EXE_real-sandbox")).args(["serve", "--listen", address]).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(address) && text.contains("in use"), "{text}");
}

#[tokio::test]
async fn a_missing_python_is_an_error_that_says_what_to_set() {
    let output = Command::new(env!("CARGO_BIN_EXE_real-sandbox"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("REAL_PYTHON", "/nowhere/python3")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("/nowhere/python3") && text.contains("REAL_PYTHON"), "{text}");
}

#[tokio::test]
async fn a_stop_signal_lets_running_tests_finish_and_nobody_else_in() {
    let mut server = start();
    // Connections without a request, kept or new, are no reason to stay.
    assert_eq!(server.get("/healthz").await.0, 200);
    let address = server.address.trim_start_matches("http://").to_owned();
    let _idle = std::net::TcpStream::connect(&address).expect("a connection");
    let request = json!({"program": "import time\ntime.sleep(3)\nprint('done')", "tests": [{"kind": "stdin", "stdin": "", "stdout": "done"}]});
    let url = format!("{}/v1/batch", server.address);
    let running = tokio::spawn(reqwest::Client::new().post(url).json(&request).send());
    server.until_status(|status| status["inFlight"] == 1).await;
    Command::new("kill").arg(server.process.id().to_string()).stdout(Stdio::null()).status().expect("kill");
    // The signal takes its time to arrive.
    while reqwest::Client::new().get(format!("{}/healthz", server.address)).send().await.is_ok() {
        assert!(!running.is_finished(), "a new connection is taken until the end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = running.await.expect("a task").expect("an answer");
    assert_eq!(answer.headers()["connection"], "close");
    let answer = answer.text().await.expect("a body");
    assert!(answer.contains("\"passed\""), "{answer}");
    let answered = Instant::now();
    let status = loop {
        if let Some(status) = server.process.try_wait().expect("a child of ours") {
            break status;
        }
        assert!(answered.elapsed() < server::PATIENCE, "an idle connection holds it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(status.code(), Some(0));
}
