//! A batch: one program, many tests.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use real_sandbox_api::{BatchRequest, BatchResponse, Check, Expected, Expr, Limits, Status, Test, TestResult, Value};
use tokio::sync::{OnceCell, watch};

use crate::classes::ClassOrder;
use crate::injection::{altered, harmless, opened};
use crate::job::Work;
use crate::pool::{Announced, Done, Order, Pool};
use crate::queue::Client;
use crate::record::Record;
use crate::task_cache::{Fault, TaskCache};
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
/// Tests that may hit a time limit before the others count as further ones.
const TIME_LIMITS: usize = 2;
/// Bytes of a program that is compiled once for all its tests.
const COMPILED_ONCE: usize = 128 << 10;
/// Characters shown of a statement that hostile input has changed.
const STATEMENT_SHOWN: usize = 300;
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
    for (at, test) in request.tests.iter().enumerate() {
        if let Check::Call { entry, args, kwargs, expected } = &test.check {
            if entry.trim().is_empty() {
                return Err(format!("tests[{at}].entry: empty, it has to be a Python expression"));
            }
            for (number, argument) in args.iter().enumerate() {
                validate_expression(argument).map_err(|why| format!("tests[{at}].args[{number}]: {why}"))?;
            }
            for (name, argument) in kwargs {
                validate_expression(argument).map_err(|why| format!("tests[{at}].kwargs.{name}: {why}"))?;
            }
            validate_expected(expected).map_err(|why| format!("tests[{at}].expected: {why}"))?;
        }
    }
    validate_limits(&request.limits)
}

fn validate_expected(expected: &Expected) -> Result<(), String> {
    match expected {
        Expected::Returns(expression) => validate_expression(expression),
        Expected::Raises(names) if names.is_empty() => Err("raises: empty, name at least one exception".into()),
        Expected::AnyOf(all) if all.is_empty() => Err("any_of: empty, nothing could pass".into()),
        Expected::AnyOf(all) => all.iter().try_for_each(validate_expected),
        Expected::Raises(_) => Ok(()),
    }
}

fn validate_expression(expression: &Expr) -> Result<(), String> {
    match expression {
        Expr::Source(source) if source.trim().is_empty() => {
            Err("source: empty, it has to be a Python expression".into())
        }
        Expr::Source(_) => Ok(()),
        Expr::Value(value) => validate_value(value),
    }
}

/// Whether the text in a value of the closed encoding is what its kind says.
fn validate_value(value: &Value) -> Result<(), String> {
    let float = |text: &String| match text.parse::<f64>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("float: {text:?} is not a number as Python writes it")),
    };
    match value {
        Value::Int(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if number { Ok(()) } else { Err(format!("int: {text:?} is not an integer in decimal")) }
        }
        Value::Float(text) | Value::Decimal(text) => float(text),
        Value::Complex(real, imaginary) => float(real).and_then(|()| float(imaginary)),
        Value::Bytes(text) => match STANDARD.decode(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("bytes: not base64 ({error})")),
        },
        Value::List(parts) | Value::Tuple(parts) | Value::Set(parts) | Value::Record(_, parts) => {
            parts.iter().try_for_each(validate_value)
        }
        Value::Dict(pairs) => {
            pairs.iter().try_for_each(|(name, value)| validate_value(name).and_then(|()| validate_value(value)))
        }
        Value::None | Value::Bool(_) | Value::Str(_) | Value::Object(..) => Ok(()),
    }
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
pub async fn run(pool: &Pool, cache: &TaskCache, client: Client, request: BatchRequest) -> BatchResponse {
    let arrived = Instant::now();
    let announced = pool.announce(request.tests.len());
    let judged = match Prepared::new(pool, cache, client, &request).await {
        Err((status, why)) => {
            let all = request.tests.iter().enumerate();
            all.map(|(at, test)| (result(at, test, status, why.clone()), None)).collect()
        }
        Ok(prepared) if request.stop_at_first_failure => {
            drop(announced);
            until_first_failure(&prepared, pool, &request).await
        }
        Ok(prepared) => until_hopeless(&prepared, pool, &request, announced).await,
    };
    let first_start = judged.iter().filter_map(|(_, started)| *started).min();
    BatchResponse {
        id: request.id.clone(),
        tier: pool.config().tier,
        results: judged.into_iter().map(|(result, _)| result).collect(),
        queue_ms: first_start.map_or(0.0, |start| milliseconds(start.saturating_duration_since(arrived))),
        wall_ms: milliseconds(arrived.elapsed()),
    }
}

type Judged = (TestResult, Option<Instant>);
/// What became of a program that was watched.
type Watched = Result<Arc<Done>, (Status, String)>;

async fn until_first_failure(prepared: &Prepared, pool: &Pool, request: &BatchRequest) -> Vec<Judged> {
    let mut judged = Vec::new();
    let mut failed = false;
    for (at, test) in request.tests.iter().enumerate() {
        if failed {
            judged.push((result(at, test, Status::Skipped, String::new()), None));
            continue;
        }
        let one = prepared.test(pool, request, at, test).await;
        failed = one.0.status != Status::Passed;
        judged.push(one);
    }
    judged
}

/// The first test alone, for what it says of the others: a program that does not compile is not tried again. The second
/// alone too where the first met a time limit, then all that are left at once. What comes after the second time limit, in the
/// order of the tests, is a time limit without being run, so that an endless program costs two tests and not all.
async fn until_hopeless(
    prepared: &Prepared,
    pool: &Pool,
    request: &BatchRequest,
    announced: Announced<'_>,
) -> Vec<Judged> {
    let mut judged: Vec<Judged> = Vec::new();
    for (at, test) in request.tests.iter().enumerate().take(TIME_LIMITS) {
        if judged.iter().any(|(result, _)| result.status != Status::TimeLimit) {
            break;
        }
        announced.comes();
        judged.push(prepared.test(pool, request, at, test).await);
    }
    drop(announced);
    let begun = judged.len();
    let rest = || request.tests.iter().enumerate().skip(begun);
    if let Some((first, _)) = judged.first().filter(|(result, _)| result.status == Status::SyntaxError) {
        let detail = first.detail.clone();
        judged.extend(rest().map(|(at, test)| (result(at, test, Status::SyntaxError, detail.clone()), None)));
        return judged;
    }
    // The last test that is still of interest, as far as is known.
    let (last, known) = watch::channel(usize::MAX);
    let limits = Mutex::new(
        judged
            .iter()
            .enumerate()
            .filter(|(_, (result, _))| result.status == Status::TimeLimit)
            .map(|(at, _)| at)
            .collect::<BTreeSet<_>>(),
    );
    let settle = |at: Option<usize>| {
        let mut limits = limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.extend(at);
        if let Some(second) = limits.iter().nth(TIME_LIMITS - 1) {
            last.send_if_modified(|last| std::mem::replace(last, *second) != *second);
        }
    };
    settle(None);
    let one = |at: usize, test| {
        let mut known = known.clone();
        let settle = &settle;
        async move {
            tokio::select! {
                biased;
                _ = known.wait_for(|last| *last < at) => (hopeless(at, test), None),
                one = prepared.test(pool, request, at, test) => {
                    if one.0.status == Status::TimeLimit {
                        settle(Some(at));
                    }
                    one
                }
            }
        }
    };
    judged.extend(join_all(rest().map(|(at, test)| one(at, test))).await);
    // What had already ended by chance does not count either: verdicts do not depend on which test was quicker.
    let last = *known.borrow();
    for (at, test) in request.tests.iter().enumerate().skip(last.saturating_add(1)) {
        judged[at] = (hopeless(at, test), None);
    }
    judged
}

fn hopeless(at: usize, test: &Test) -> TestResult {
    let why = format!("not run: {TIME_LIMITS} tests before it hit the time limit");
    result(at, test, Status::TimeLimit, why)
}

/// What all tests of a batch share.
struct Prepared {
    client: Client,
    files: Option<Arc<Vec<u8>>>,
    /// The program's code: a long one's from the start, others' from the first test on.
    code: OnceLock<Arc<Vec<u8>>>,
    expected: HashMap<String, Result<Value, Fault>>,
    /// Empty where no test expects an exception.
    classes: Result<Arc<ClassOrder>, Fault>,
    /// What became of the program on ordinary inputs, watched.
    ordinary: HashMap<String, OnceCell<Watched>>,
}

impl Prepared {
    async fn new(
        pool: &Pool,
        cache: &TaskCache,
        client: Client,
        request: &BatchRequest,
    ) -> Result<Self, (Status, String)> {
        let files = match &request.setup.script {
            Some(script) => {
                let files = cache.set_up(pool, script).await;
                Some(files.map_err(|fault| (fault.status(), format!("setup.script: {}", fault.why())))?)
            }
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
        let code = if request.program.len() >= COMPILED_ONCE && request.tests.len() > 1 {
            compiled(pool, client, request).await?.map(OnceLock::from).unwrap_or_default()
        } else {
            OnceLock::new()
        };
        Ok(Self { client, files, code, expected, classes, ordinary: ordinary_inputs(request) })
    }

    async fn test(&self, pool: &Pool, request: &BatchRequest, at: usize, test: &Test) -> (TestResult, Option<Instant>) {
        let value_of = |source: &str| self.expected.get(source).and_then(|value| value.clone().ok());
        let classes = match &self.classes {
            Ok(classes) => classes,
            Err(fault) => {
                let why = format!("exception classes: {}", fault.why());
                return (result(at, test, fault.status(), why), None);
            }
        };
        let Some(wanted) = Wanted::of(&test.check, &value_of, classes) else {
            let fault = expected_sources(&test.check)
                .into_iter()
                .find_map(|source| self.expected.get(source).and_then(|value| value.clone().err()))
                .unwrap_or_else(|| Fault::Ours("it has no value".into()));
            return (result(at, test, fault.status(), format!("expected: {}", fault.why())), None);
        };
        let (work, stdin) = match &test.check {
            Check::SqlInjection { stdin, ordinary } => {
                return self.attacked(pool, request, (at, test), stdin, (&ordinary.stdin, &wanted)).await;
            }
            Check::Stdin { stdin, .. } => (script(request, false), stdin.clone()),
            Check::Call { entry, args, kwargs, .. } => (
                Work::Call {
                    program: request.program.clone(),
                    entry: entry.clone(),
                    args: args.clone(),
                    kwargs: kwargs.clone(),
                },
                String::new(),
            ),
        };
        match pool.run(self.order(request, work, stdin)).await {
            Err(why) => (ours(at, test, why), None),
            Ok(mut done) => {
                let started = done.started;
                if let Some(code) = done.code.take() {
                    // Another test may have brought the same.
                    let _ = self.code.set(Arc::new(code));
                }
                (verdict(at, test, &done, &wanted, request), Some(started))
            }
        }
    }

    fn order(&self, request: &BatchRequest, work: Work, stdin: String) -> Order {
        Order {
            work,
            prelude: request.setup.prelude.clone(),
            stdin: stdin.into_bytes(),
            files: self.files.clone(),
            code: self.code.get().cloned(),
            keep_code: self.code.get().is_none() && request.tests.len() > 1,
            limits: request.limits,
            record_bytes: RECORD_BYTES,
            client: self.client,
        }
    }

    /// A test by hostile input: the ordinary input, which tests share, then the hostile one, and that one made harmless where
    /// its statements are unlike the ordinary ones.
    async fn attacked(
        &self,
        pool: &Pool,
        request: &BatchRequest,
        (at, test): (usize, &Test),
        hostile: &str,
        (ordinary, wanted): (&str, &Wanted),
    ) -> (TestResult, Option<Instant>) {
        let mut spent = result(at, test, Status::Passed, String::new());
        let mut started = None;
        let judged = async {
            let watch = async |stdin: &str| -> Watched {
                let order = self.order(request, script(request, true), stdin.to_owned());
                pool.run(order).await.map(Arc::new).map_err(|why| (Status::SandboxError, why))
            };
            let usual = match self.ordinary.get(ordinary) {
                Some(cell) => cell.get_or_init(|| watch(ordinary)).await.clone()?,
                None => watch(ordinary).await?,
            };
            started = Some(usual.started);
            let limits = &request.limits;
            let mut read = |done: &Done| {
                spent.cpu_ms += milliseconds(done.ending.cpu);
                spent.wall_ms += milliseconds(done.ending.wall);
                spent.max_rss_kib = spent.max_rss_kib.max(done.ending.exit.max_rss_kib);
                let cpu = Duration::from_secs_f64(limits.cpu_seconds);
                ended(&done.ending, &done.nonce, cpu, limits.memory_mib << 10)
            };
            let told = |input: &'static str| move |(status, why): (Status, String)| (status, format!("{input}: {why}"));
            let usual_end = read(&usual);
            let (usual_statements, end) = opened(&usual_end).map_err(told("ordinary input"))?;
            let (status, why) = judge(end, &usual.ending.stdout, wanted, request.comparison);
            if status != Status::Passed {
                return Err((status, format!("ordinary input: {why}")));
            }
            if usual_statements.texts.is_empty() {
                return Err((Status::WrongAnswer, "ordinary input: it asks nothing of SQLite".to_owned()));
            }
            let attack_end = read(&*watch(hostile).await?);
            let (statements, _) = opened(&attack_end).map_err(told("hostile input"))?;
            if altered(statements, &[usual_statements]).is_none() {
                return Ok(());
            }
            let blunted_end = read(&*watch(&harmless(hostile)).await?);
            let (blunted, _) = opened(&blunted_end).map_err(told("hostile input made harmless"))?;
            match altered(statements, &[usual_statements, blunted]) {
                None => Ok(()),
                Some(statement) => {
                    let shown: String = statement.chars().take(STATEMENT_SHOWN).collect();
                    Err((Status::WrongAnswer, format!("hostile input changes the structure of a statement: {shown}")))
                }
            }
        };
        let (status, detail) = match judged.await {
            Ok(()) => (Status::Passed, String::new()),
            Err(found) => found,
        };
        (TestResult { status, detail, ..spent }, started)
    }
}

fn script(request: &BatchRequest, watch: bool) -> Work {
    Work::Script { program: request.program.clone(), hide_prompts: true, watch, fetch: Vec::new() }
}

/// A place for each ordinary input of the tests by hostile input: many share one.
fn ordinary_inputs(request: &BatchRequest) -> HashMap<String, OnceCell<Watched>> {
    let of = |test: &Test| match &test.check {
        Check::SqlInjection { ordinary, .. } => Some((ordinary.stdin.clone(), OnceCell::new())),
        _ => None,
    };
    request.tests.iter().filter_map(of).collect()
}

/// A long program's code, so that its tests do not each compile it. A program that does not compile has no test to run.
async fn compiled(
    pool: &Pool,
    client: Client,
    request: &BatchRequest,
) -> Result<Option<Arc<Vec<u8>>>, (Status, String)> {
    let order = Order {
        work: Work::Compile { program: request.program.clone() },
        prelude: None,
        stdin: Vec::new(),
        files: None,
        code: None,
        keep_code: false,
        limits: request.limits,
        record_bytes: RECORD_BYTES,
        client,
    };
    let done = pool.run(order).await.map_err(|why| (Status::SandboxError, why))?;
    let limits = &request.limits;
    match ended(&done.ending, &done.nonce, Duration::from_secs_f64(limits.cpu_seconds), limits.memory_mib << 10) {
        Ended::Normally(Record::Files(code)) => Ok(Some(Arc::new(code))),
        Ended::Early(status, why) => Err((status, format!("while it was compiled: {why}"))),
        Ended::Normally(_) => Ok(None),
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
