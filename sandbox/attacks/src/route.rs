//! The two ways of asking a sandbox, and what an answer says in either.

use std::collections::BTreeMap;
use std::fmt;

use real_sandbox_api::{BatchRequest, Check, Comparison, Group, Limits, Setup, Status, Test};
use serde::Serialize;

use crate::client::{Client, RequestError, RunCodeRequest, RunCodeResponse};
use crate::{Attack, driver};

/// Characters of output shown where a verdict is not allowed.
const SHOWN: usize = 200;

/// How a sandbox is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Route {
    /// `POST /v1/batch`: the sandbox compares and judges.
    Batch,
    /// `POST /run_code`, as `SandboxFusion` and those that speak like it have it: the client compares and judges.
    RunCode,
}

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The verdict.
    pub status: Status,
    /// What was seen.
    pub detail: String,
}

impl Route {
    /// Runs all tests of an attack.
    pub(crate) async fn run(self, client: &Client, attack: &Attack) -> Result<Vec<Verdict>, RequestError> {
        match self {
            Self::Batch => batch(client, &attack.request).await,
            Self::RunCode => run_code(client, &attack.request, &attack.run_code.fetch).await,
        }
    }

    /// Runs a program that must pass whatever ran before it, twice.
    pub(crate) async fn honest(self, client: &Client) -> Result<Vec<Verdict>, RequestError> {
        match self {
            Self::Batch => batch(client, &honest()).await,
            Self::RunCode => run_code(client, &honest(), &[]).await,
        }
    }

    /// Whether a verdict may be: where the client judges, all that is not passing is one and the same.
    pub(crate) fn allows(self, allowed: &[Status], status: Status) -> bool {
        let failing = |status: Status| status.is_verdict() && status != Status::Passed;
        allowed.contains(&status)
            || self == Self::RunCode && failing(status) && allowed.iter().any(|status| failing(*status))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Batch => "batch",
            Self::RunCode => "run_code",
        })
    }
}

fn honest() -> BatchRequest {
    let check = Check::Stdin { stdin: "honest\n".into(), stdout: "honest".into() };
    let test = Test { name: None, group: Group::default(), check };
    BatchRequest {
        id: Some("honest".into()),
        program: "print(input())".into(),
        setup: Setup::default(),
        tests: vec![test.clone(), test],
        comparison: Comparison::default(),
        limits: Limits::default(),
        stop_at_first_failure: false,
    }
}

async fn batch(client: &Client, request: &BatchRequest) -> Result<Vec<Verdict>, RequestError> {
    let results = client.batch(request).await?.results;
    Ok(results.into_iter().map(|result| Verdict { status: result.status, detail: result.detail }).collect())
}

/// The tests at the same time, as clients of this route send them.
async fn run_code(client: &Client, request: &BatchRequest, fetch: &[String]) -> Result<Vec<Verdict>, RequestError> {
    let mut files = BTreeMap::new();
    if let Some(script) = &request.setup.script {
        let answer = client.run_code(&words(&request.limits, script.clone(), "", &files, fetch)).await?;
        files = answer.files.unwrap_or_default();
    }
    let returned = returned(client, request).await?;
    let mut running = tokio::task::JoinSet::new();
    for (at, test) in request.tests.iter().enumerate() {
        let (code, stdin) = match &test.check {
            // What a program asks of a database is not to be seen by this route: no more than its ordinary answer.
            Check::SqlInjection { ordinary, .. } => (request.program.clone(), ordinary.stdin.as_str()),
            Check::Stdin { stdin, .. } => (request.program.clone(), stdin.as_str()),
            Check::Call { entry, args, kwargs, .. } => {
                (driver::call(&request.setup, &request.program, entry, args, kwargs), "")
            }
        };
        let words = words(&request.limits, code, stdin, &files, &[]);
        let (client, check, returned) = (client.clone(), test.check.clone(), returned.clone());
        running
            .spawn(async move { (at, client.run_code(&words).await.map(|answer| judge(&answer, &check, &returned))) });
    }
    let mut verdicts = BTreeMap::new();
    while let Some(done) = running.join_next().await {
        let Ok((at, verdict)) = done else { continue };
        verdicts.insert(at, verdict?);
    }
    Ok(verdicts.into_values().collect())
}

/// What calls print that return what is expected, by the expression for it.
async fn returned(client: &Client, request: &BatchRequest) -> Result<BTreeMap<String, String>, RequestError> {
    let mut lines = BTreeMap::new();
    let checks = request.tests.iter().map(|test| &test.check);
    let expected = checks.filter_map(|check| match check {
        Check::Call { expected, .. } => Some(expected),
        Check::Stdin { .. } | Check::SqlInjection { .. } => None,
    });
    for value in expected.flat_map(driver::values) {
        let words = words(&Limits::default(), driver::expected(value), "", &BTreeMap::new(), &[]);
        let answer = client.run_code(&words).await?;
        let printed = answer.run_result.and_then(|result| result.stdout).unwrap_or_default();
        // Without a line nothing is equal to it.
        if let Some(line) = printed.lines().next() {
            lines.insert(driver::source(value), line.to_owned());
        }
    }
    Ok(lines)
}

fn words(
    limits: &Limits,
    code: String,
    stdin: &str,
    files: &BTreeMap<String, String>,
    fetch: &[String],
) -> RunCodeRequest {
    RunCodeRequest {
        language: "python",
        code,
        stdin: stdin.to_owned(),
        compile_timeout: 10.0,
        run_timeout: limits.cpu_seconds.min(limits.wall_seconds),
        memory_limit_mb: limits.memory_mib,
        files: files.clone(),
        fetch_files: fetch.to_vec(),
    }
}

/// As a client that pays for a test: only an exit with 0 and the right output is worth anything.
fn judge(answer: &RunCodeResponse, check: &Check, returned: &BTreeMap<String, String>) -> Verdict {
    let verdict = |status, detail: String| Verdict { status, detail: detail.chars().take(SHOWN).collect() };
    let message = answer.message.clone().unwrap_or_default();
    let Some(result) = answer.run_result.as_ref().filter(|_| answer.status != "SandboxError") else {
        return verdict(Status::SandboxError, format!("{}: {message}", answer.status));
    };
    let printed = result.stdout.clone().unwrap_or_default();
    if result.status == "TimeLimitExceeded" {
        return verdict(Status::TimeLimit, String::new());
    }
    if answer.status != "Success" || result.return_code != Some(0) {
        let last = result.stderr.as_deref().unwrap_or_default().trim_end().lines().last().unwrap_or_default();
        let killed = result.return_code.is_some_and(|code| code < 0);
        let status = if killed { Status::Crashed } else { Status::RuntimeError };
        return verdict(status, format!("exit status {:?}, {message} {last}", result.return_code));
    }
    let right = match check {
        Check::Stdin { stdout, .. } => lines(&printed) == lines(stdout),
        Check::SqlInjection { ordinary, .. } => lines(&printed) == lines(&ordinary.stdout),
        Check::Call { expected, .. } => driver::is_as_expected(printed.trim_end(), expected, returned),
    };
    verdict(if right { Status::Passed } else { Status::WrongAnswer }, format!("printed {printed:?}"))
}

/// Lines without white space at their ends, and without empty ones at the end.
fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}
