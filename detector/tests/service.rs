//! The service as clients and operators see it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Response};
use serde_json::{Value, json};

const INJECTION: &str = "import sqlite3\ndb = sqlite3.connect('x')\ndb.execute('select ' + input())\n";

/// What has not happened by then does not happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(10);

/// A running `real-detector serve`; killed when dropped.
struct Server {
    process: Child,
    url: String,
    client: Client,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_real-detector"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let url = line.trim_end().strip_prefix("listening on ").expect("the address").to_owned();
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        Self { process, url, client }
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("text")
    }

    /// Asks for an analysis in the background.
    fn analyze(&self, body: &Value) -> tokio::task::JoinHandle<Response> {
        let request = self.client.post(format!("{}/v1/analyze", self.url)).json(body);
        tokio::spawn(async move { request.send().await.expect("an answer") })
    }

    /// Waits until a line of the metrics is there.
    async fn until(&self, line: &str) {
        let start = Instant::now();
        while !self.get("/metrics").await.lines().any(|found| found == line) {
            assert!(start.elapsed() < PATIENCE, "no {line}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.process.id()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a process of ours");
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.process.try_wait().expect("a child of ours") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the service does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request that takes seconds: it waits for a type checker to start.
fn slow() -> Value {
    json!({"programs": [{"id": "slow", "code": "x: int = ''\n"}], "checks": {"types": true}})
}

#[tokio::test]
async fn programs_are_answered_in_order_with_what_is_asked_for() {
    let server = Server::start(&[]);
    let programs: Vec<Value> = [("a", INJECTION), ("b", "x = 1\n"), ("c", "def f(:\n"), ("d", INJECTION)]
        .iter()
        .map(|(id, code)| json!({"id": id, "code": code}))
        .collect();
    let answer = server.analyze(&json!({"programs": programs})).await.expect("a task");
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.expect("JSON");
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.iter().map(|result| result["id"].as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"].map(Some));
    assert_eq!((&results[0]["findings"][0]["cwe"], &results[0]["findings"][0]["line"]), (&json!(89), &json!(3)));
    assert_eq!(results[1]["findings"], json!([]));
    assert!(results[1].get("error").is_none() && results[1].get("types").is_none(), "{}", results[1]);
    assert_eq!((&results[2]["error"]["kind"], &results[2]["error"]["line"]), (&json!("syntax"), &json!(1)));
    assert_eq!(results[3]["findings"], results[0]["findings"]);

    let checks = json!({"programs": programs, "checks": {"cwes": [78]}});
    let answer: Value = server.analyze(&checks).await.expect("a task").json().await.expect("JSON");
    assert_eq!(answer["results"][0]["findings"], json!([]));
    let types = json!({"programs": programs, "checks": {"security": false, "types": true}});
    let answer: Value = server.analyze(&types).await.expect("a task").json().await.expect("JSON");
    let clean: Vec<_> = (0..4).map(|i| answer["results"][i]["types"]["clean"].as_bool()).collect();
    assert_eq!(clean, [true, true, false, true].map(Some), "{answer}");
    assert_eq!(answer["results"][0]["findings"], json!([]));
}

#[tokio::test]
async fn an_operator_can_ping_it_and_read_its_metrics() {
    let server = Server::start(&["--workers", "1"]);
    assert_eq!(server.get("/v1/ping").await, "pong");
    assert_eq!(server.get("/healthz").await, "ok");
    server.analyze(&json!({"programs": [{"id": "a", "code": INJECTION}]})).await.expect("a task");
    let status: Value = serde_json::from_str(&server.get("/v1/status").await).expect("JSON");
    let idle = json!({"queueDepth": 0, "queueLimit": 4096, "inFlight": 0, "oldestSeconds": 0.0, "workers": 1, "answeredTotal": 1, "refusedTotal": 0});
    assert_eq!(status, idle);
    let metrics = server.get("/metrics").await;
    for line in ["real_detector_program_seconds_count 1", "real_detector_in_flight 0", "real_detector_queue_depth 0"] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_back() {
    let server = Server::start(&["--workers", "1", "--queue", "1"]);
    let first = server.analyze(&slow());
    server.until("real_detector_in_flight 1").await;
    let second = server.analyze(&slow());
    server.until("real_detector_queue_depth 1").await;
    let refused = server.analyze(&slow()).await.expect("a task");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.text().await.expect("text").contains("the queue is full"));
    for answer in [first, second] {
        assert_eq!(answer.await.expect("a task").status(), 200);
    }
    server.until("real_detector_refused_requests_total 1").await;
    assert_eq!(server.analyze(&slow()).await.expect("a task").status(), 200);

    let never = json!({"programs": vec![json!({"id": "a", "code": ""}); 3]});
    let answer = server.analyze(&never).await.expect("a task");
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.expect("text").contains("3 programs in one request; at most 2"));
}

#[tokio::test]
async fn a_queue_that_is_too_slow_refuses() {
    let server = Server::start(&["--workers", "1", "--queue-seconds", "1"]);
    // Each waits for the type checker, whose start alone takes about a second.
    let requests: Vec<_> = (0..20).map(|_| server.analyze(&slow())).collect();
    let start = Instant::now();
    let refused = loop {
        let status: Value = serde_json::from_str(&server.get("/v1/status").await).expect("JSON");
        if status["oldestSeconds"].as_f64().expect("a number") > 1.0 {
            let answer = server.analyze(&slow()).await.expect("a task");
            if answer.status() == 429 {
                break answer.text().await.expect("text");
            }
        }
        if requests.iter().all(tokio::task::JoinHandle::is_finished) || start.elapsed() > PATIENCE {
            eprintln!("skipped: nothing waited for a second");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(refused.contains("too long"), "{refused}");
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong() {
    let server = Server::start(&["--workers", "1"]);
    for (body, status, problem) in [
        (json!({"programs": [], "check": {}}).to_string(), 400, "unknown field `check`"),
        (json!({"programs": [], "checks": {"type": true}}).to_string(), 400, "unknown field `type`"),
        (json!({"programs": [{"id": "a"}]}).to_string(), 400, "missing field `code`"),
        (json!({"programs": [{"id": 1, "code": ""}]}).to_string(), 400, "programs[0].id"),
        ("{".to_owned(), 400, "EOF"),
        (" ".repeat((64 << 20) + 1), 413, "length limit"),
    ] {
        let request =
            server.client.post(format!("{}/v1/analyze", server.url)).header("content-type", "application/json");
        let answer = request.body(body).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{problem}");
        let text = answer.text().await.expect("text");
        assert!(text.contains(problem), "{text}");
    }
    let answer = server.client.post(format!("{}/v1/analyze", server.url)).body("{}").send().await.expect("an answer");
    assert_eq!(answer.status(), 415);
}

#[tokio::test]
async fn asked_to_stop_it_refuses_connections_and_finishes_what_is_in_flight() {
    let mut server = Server::start(&["--workers", "1"]);
    let answer = server.analyze(&slow());
    server.until("real_detector_in_flight 1").await;
    server.terminate();
    while let Ok(answer) = Client::new().get(format!("{}/healthz", server.url)).send().await {
        assert_eq!(answer.status(), 200, "it is refused a connection or answered");
    }
    let answer = answer.await.expect("a task");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["connection"], "close");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["results"][0]["types"]["clean"], json!(false), "{answer}");
    assert_eq!(server.exit_code().await, Some(0));
}

#[test]
fn a_port_in_use_is_said_and_ends_the_service() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut process = Command::new(env!("CARGO_BIN_EXE_real-detector"))
        .args(["serve", "--listen", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the service starts");
    let mut message = String::new();
    process.stderr.take().expect("a pipe").read_to_string(&mut message).expect("text");
    assert_eq!(process.wait().expect("ends").code(), Some(1));
    assert!(message.contains(&address) && message.contains("already in use"), "{message}");
}
