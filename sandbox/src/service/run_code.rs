//! `POST /run_code`, as verl and other clients of `SandboxFusion` speak it.
//!
//! Every outcome of a program is HTTP 200; requests wait in the queue and are never refused, because clients take any other
//! status for a failed test. Only one that would wait for longer than its client is answered with 504, which clients retry. `run_timeout` is held against CPU time, and against wall-clock time in which the program had a CPU or
//! did not want one, so a busy machine does not turn a correct program into a slow one. Too much output is an error
//! with a message, never silently cut. `stdout` and `stderr` are always strings. Languages are Python and bash; others are 422.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use real_sandbox_api::{Limits, Status};
use serde::{Deserialize, Serialize};

use super::{Service, read, refuse};
use crate::batch::validate_limits;
use crate::bundle;
use crate::job::Work;
use crate::pool::{Done, Order};
use crate::record::Record;
use crate::verdict::{Ended, ended};

const DEFAULT_TIMEOUT: f64 = 10.0;
const BASH: &str = "/bin/bash";
/// Seconds that clients add to both time-outs, less one for the way.
const CLIENT_GRACE: f64 = 9.0;
/// `SandboxFusion` reads -1 as no limit.
const DEFAULT_MEMORY_MIB: u64 = 4096;
const RECORD_BYTES: u64 = 64 << 20;

#[derive(Debug, Deserialize)]
pub(super) struct RunCodeRequest {
    code: String,
    language: String,
    /// Python has no compile step; clients wait for its time too.
    #[serde(default)]
    compile_timeout: Option<f64>,
    #[serde(default)]
    run_timeout: Option<f64>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default, rename = "memory_limit_MB")]
    memory_limit_mb: Option<i64>,
    #[serde(default)]
    files: BTreeMap<String, Option<String>>,
    #[serde(default)]
    fetch_files: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RunCodeResponse {
    status: &'static str,
    message: String,
    compile_result: Option<RunResult>,
    run_result: Option<RunResult>,
    executor_pod_name: Option<String>,
    files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct RunResult {
    status: &'static str,
    execution_time: f64,
    return_code: Option<i32>,
    stdout: String,
    stderr: String,
}

pub(super) async fn run_code(
    State(service): State<Arc<Service>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let arrived = Instant::now();
    let request: RunCodeRequest = match read(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(why) = check_language(&request.language) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, &why);
    }
    let deadline = arrived + patience(&request);
    let order = match order(request) {
        Ok(order) => Order { client: Some(peer.ip()), limits: service.admission.ceiling.over(order.limits), ..order },
        Err(why) => return refuse(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let limits = order.limits;
    let answered = tokio::time::timeout_at(deadline.into(), service.pool.run(order)).await;
    let Ok(answered) = answered else {
        service.metrics.dropped("deadline");
        return refuse(StatusCode::GATEWAY_TIMEOUT, "the queue is longer than the client waits; try again");
    };
    let response = match answered {
        Ok(done) => {
            let response = answer(&done, &limits);
            service.metrics.test(metric(&response), done.ending.cpu.as_secs_f64());
            response
        }
        Err(why) => {
            service.metrics.test("sandbox_error", 0.0);
            failed(why)
        }
    };
    Json(response).into_response()
}

/// Whether programs of this language can be run here.
fn check_language(language: &str) -> Result<(), String> {
    match language {
        "python" => Ok(()),
        "bash" if Path::new(BASH).exists() => Ok(()),
        "bash" => Err(format!("language: \"bash\", but {BASH} is not installed here")),
        other => Err(format!("language: {other:?}, allowed are \"python\" and \"bash\"")),
    }
}

/// Runs a script of the shell's as a program would: its input and output, its exit status, its signal.
fn in_shell(script: &str) -> String {
    // A string as JSON writes it is one of Python's.
    let script = serde_json::Value::from(script);
    format!(
        "import os, subprocess, sys\n\
         path = os.environ['TMPDIR'] + '/main.sh'\n\
         with open(path, 'w') as file:\n    file.write({script})\n\
         code = subprocess.call(['{BASH}', path])\n\
         if code < 0:\n    os.kill(os.getpid(), -code)\n\
         sys.exit(code)\n"
    )
}

/// How long the client waits: verl's gives both time-outs and ten seconds, and retries after a 504 alone. Less a second, for
/// the way.
fn patience(request: &RunCodeRequest) -> Duration {
    let seconds = |timeout: Option<f64>| timeout.unwrap_or(DEFAULT_TIMEOUT).clamp(0.0, 3600.0);
    Duration::from_secs_f64(seconds(request.compile_timeout) + seconds(request.run_timeout) + CLIENT_GRACE)
}

fn order(request: RunCodeRequest) -> Result<Order, String> {
    let timeout = request.run_timeout.unwrap_or(DEFAULT_TIMEOUT);
    let memory_mib = match request.memory_limit_mb {
        Some(limit) if limit > 0 => limit as u64,
        _ => DEFAULT_MEMORY_MIB,
    };
    let limits = Limits { cpu_seconds: timeout, wall_seconds: timeout, memory_mib, ..Limits::default() };
    validate_limits(&limits)?;
    let mut files = Vec::new();
    bundle::conflict(request.files.keys()).map_or(Ok(()), |why| Err(format!("files: {why}")))?;
    for (path, content) in request.files {
        let Some(content) = content else { continue };
        let content = STANDARD.decode(content).map_err(|error| format!("files.{path}: not base64 ({error})"))?;
        bundle::append(&mut files, &path, &content).map_err(|why| format!("files.{path}: {why}"))?;
    }
    Ok(Order {
        work: Work::Script {
            program: if request.language == "bash" { in_shell(&request.code) } else { request.code },
            hide_prompts: false,
            watch: false,
            fetch: request.fetch_files,
        },
        prelude: None,
        stdin: request.stdin.unwrap_or_default().into_bytes(),
        files: (!files.is_empty()).then(|| Arc::new(files)),
        code: None,
        keep_code: false,
        limits,
        record_bytes: RECORD_BYTES,
        client: None,
    })
}

fn answer(done: &Done, limits: &Limits) -> RunCodeResponse {
    let ending = &done.ending;
    let how = ended(ending, &done.nonce, Duration::from_secs_f64(limits.cpu_seconds), limits.memory_mib << 10);
    let mut files = BTreeMap::new();
    let mut message = String::new();
    let (status, code) = match how {
        Ended::Early(Status::SandboxError, why) => return failed(why),
        Ended::Early(Status::TimeLimit, _) => ("TimeLimitExceeded", None),
        Ended::Early(status, why) => {
            if status != Status::SyntaxError {
                message = why;
            }
            // What came to its end before it could be killed for its output has failed all the same.
            let code = Some(exit_code(ending.exit.status)).filter(|code| *code != 0);
            ("Finished", code.or(Some(-libc::SIGKILL)))
        }
        Ended::Normally(Record::Exception(raised)) => ("Finished", Some(raised.exit_code)),
        Ended::Normally(Record::Files(content)) => {
            files =
                bundle::files(&content).into_iter().map(|(path, content)| (path, STANDARD.encode(content))).collect();
            ("Finished", Some(exit_code(ending.exit.status)))
        }
        Ended::Normally(_) => ("Finished", Some(exit_code(ending.exit.status))),
    };
    RunCodeResponse {
        status: if code == Some(0) { "Success" } else { "Failed" },
        message,
        compile_result: None,
        run_result: Some(RunResult {
            status,
            execution_time: ending.wall.as_secs_f64(),
            return_code: code,
            stdout: text(&ending.stdout, limits.output_bytes),
            stderr: text(&ending.stderr, limits.output_bytes),
        }),
        executor_pod_name: None,
        files,
    }
}

/// As `subprocess` says it: the program's own status, negative for signals.
fn exit_code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { -libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

fn text(bytes: &[u8], limit: u64) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(limit as usize)]).into_owned()
}

fn failed(why: String) -> RunCodeResponse {
    RunCodeResponse {
        status: "SandboxError",
        message: why,
        compile_result: None,
        run_result: None,
        executor_pod_name: None,
        files: BTreeMap::new(),
    }
}

fn metric(response: &RunCodeResponse) -> &'static str {
    match (response.status, response.run_result.as_ref().map(|result| result.status)) {
        ("Success", _) => "passed",
        (_, Some("TimeLimitExceeded")) => "time_limit",
        ("Failed", _) => "runtime_error",
        _ => "sandbox_error",
    }
}
