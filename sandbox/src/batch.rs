//! A batch: one program, many tests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use real_sandbox_api::{BatchRequest, BatchResponse, Check, Limits, Status, Test, TestResult, Value};

use crate::classes::ClassOrder;
use crate::job::Work;
use crate::pool::{Done, Order, Pool};
use crate::task_cache::TaskCache;
use crate::verdict::{Ended, Wanted, ended, expected_sources, judge, names_exceptions};

/// Largest record of a returned value.
pub const RECORD_BYTES: u64 = 64 << 20;
/// Bounds of what a request may ask for: (name, least, most).
const BOUNDS: [(&str, f64, f64); 6] = [
    ("limits.cpuSeconds", 0.01, 600.0),
    ("limits.wallSeconds", 0.01, 1200.0),
    ("limits.memoryMib", 16.0, 65_536.0),
    ("limits.outputBytes", 0.0, 67_108_864.0),
    ("limits.diskMib", 0.0, 16_384.0),
    ("limits.processes", 1.0, 1024.0),
];
/// Tests of one batch.
const MAX_TESTS: usize = 10_000;

/// Says what is wrong with a request, if anything is.
pub fn validate(request: &BatchRequest) -> Result<(), String> {
    if request.tests.len() > MAX_TESTS {
        return Err(format!("tests: {} of them, at most {MAX_TESTS} are allowed", request.tests.len()));
    }
    if let real_sandbox_api::Comparison::Numeric { tolerance } = request.comparison
        && !(tolerance.is_finite() && tolerance >= 0.0)
    {
        return Err(format!("comparison.tolerance: {tolerance}, allowed is a number of 0 or more"));
    }
    validate_limits(&request.limits)
}

/// Says which limit is out of bounds, if one is.
pub fn validate_limits(limits: &Limits) -> Result<(), String> {
    let values = [
        limits.cpu_seconds,
        limits.wall_seconds,
        limits.memory_mib as f64,
        limits.output_bytes as f64,
        limits.disk_mib as f64,
        f64::from(limits.processes),
    ];
    for (value, (name, least, most)) in values.into_iter().zip(BOUNDS) {
        if !(least..=most).contains(&value) {
            return Err(format!("{name}: {value}, allowed is {least} to {most}"));
        }
    }
    Ok(())
}

/// Runs a valid batch. Dropping the future kills what runs.
pub async fn run(pool: &Pool, cache: &TaskCache, request: BatchRequest) -> BatchResponse {
    let arrived = Instant::now();
    let request = Arc::new(request);
    let mut first_start = None;
    let results = match Prepared::new(pool, cache, &request).await {
        Err(why) => request.tests.iter().enumerate().map(|(at, test)| ours(at, test, why.clone())).collect(),
        Ok(prepared) => {
            let prepared = &prepared;
            let judged: Vec<_> = if request.stop_at_first_failure {
                let mut judged = Vec::new();
                let mut failed = false;
                for (at, test) in request.tests.iter().enumerate() {
                    if failed {
                        judged.push((result(at, test, Status::Skipped, String::new()), None));
                        continue;
                    }
                    let one = prepared.test(pool, &request, at, test).await;
                    failed = one.0.status != Status::Passed;
                    judged.push(one);
                }
                judged
            } else {
                let request = &request;
                join_all(request.tests.iter().enumerate().map(|(at, test)| prepared.test(pool, request, at, test)))
                    .await
            };
            first_start = judged.iter().filter_map(|(_, started)| *started).min();
            judged.into_iter().map(|(result, _)| result).collect()
        }
    };
    BatchResponse {
        id: request.id.clone(),
        tier: pool.config().tier,
        results,
        queue_ms: first_start.map_or(0.0, |start| milliseconds(start.saturating_duration_since(arrived))),
        wall_ms: milliseconds(arrived.elapsed()),
    }
}

/// What all tests of a batch share.
struct Prepared {
    files: Option<Arc<Vec<u8>>>,
    expected: HashMap<String, Result<Value, String>>,
    /// Empty where no test expects an exception.
    classes: Result<Arc<ClassOrder>, String>,
}

impl Prepared {
    async fn new(pool: &Pool, cache: &TaskCache, request: &BatchRequest) -> Result<Self, String> {
        let files = match &request.setup.script {
            Some(script) => Some(cache.set_up(pool, script).await.map_err(|why| format!("set-up script: {why}"))?),
            None => None,
        };
        let sources: Vec<String> =
            request.tests.iter().flat_map(|test| expected_sources(&test.check)).map(String::from).collect();
        let expected = cache.values(pool, request.setup.prelude.as_deref(), sources).await;
        let classes = if request.tests.iter().any(|test| names_exceptions(&test.check)) {
            cache.classes(pool, request.setup.prelude.as_deref()).await
        } else {
            Ok(Arc::default())
        };
        Ok(Self { files, expected, classes })
    }

    async fn test(&self, pool: &Pool, request: &BatchRequest, at: usize, test: &Test) -> (TestResult, Option<Instant>) {
        let value_of = |source: &str| self.expected.get(source).and_then(|value| value.clone().ok());
        let classes = match &self.classes {
            Ok(classes) => classes,
            Err(why) => return (ours(at, test, format!("exception classes: {why}")), None),
        };
        let Some(wanted) = Wanted::of(&test.check, &value_of, classes) else {
            let why = expected_sources(&test.check)
                .into_iter()
                .find_map(|source| self.expected.get(source).and_then(|value| value.clone().err()));
            return (ours(at, test, format!("expected value: {}", why.unwrap_or_default())), None);
        };
        let (work, stdin) = match &test.check {
            Check::Stdin { stdin, .. } => (
                Work::Script { program: request.program.clone(), hide_prompts: true, fetch: Vec::new() },
                stdin.clone().into_bytes(),
            ),
            Check::Call { entry, args, kwargs, .. } => (
                Work::Call {
                    program: request.program.clone(),
                    entry: entry.clone(),
                    args: args.clone(),
                    kwargs: kwargs.clone(),
                },
                Vec::new(),
            ),
        };
        let order = Order {
            work,
            prelude: request.setup.prelude.clone(),
            stdin,
            files: self.files.clone(),
            limits: request.limits,
            record_bytes: RECORD_BYTES,
        };
        match pool.run(order).await {
            Err(why) => (ours(at, test, why), None),
            Ok(done) => {
                let started = done.started;
                (verdict(at, test, &done, &wanted, request), Some(started))
            }
        }
    }
}

fn verdict(at: usize, test: &Test, done: &Done, wanted: &Wanted, request: &BatchRequest) -> TestResult {
    let ending = &done.ending;
    let cpu_limit = Duration::from_secs_f64(request.limits.cpu_seconds);
    let how: Ended = ended(ending, &done.nonce, cpu_limit, request.limits.memory_mib << 10);
    let (status, detail) = judge(how, &ending.stdout, wanted, request.comparison);
    TestResult {
        cpu_ms: milliseconds(ending.cpu),
        wall_ms: milliseconds(ending.wall),
        max_rss_kib: ending.exit.max_rss_kib,
        ..result(at, test, status, detail)
    }
}

fn result(at: usize, test: &Test, status: Status, detail: String) -> TestResult {
    let name = test.name.clone().unwrap_or_else(|| at.to_string());
    TestResult { name, group: test.group, status, detail, cpu_ms: 0.0, wall_ms: 0.0, max_rss_kib: 0 }
}

fn ours(at: usize, test: &Test, why: String) -> TestResult {
    result(at, test, Status::SandboxError, why)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
