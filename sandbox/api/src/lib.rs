//! Wire types of the sandbox service.
//!
//! A *batch* runs one program against many tests. Expected values travel from the caller to the sandbox's parent
//! process and stay there: the process that runs model-written code only ever sees arguments and standard input.

mod test;
mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use value::Value;

/// One program and the tests it has to pass (`POST /v1/batch`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BatchRequest {
    /// Echoed in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Python source of the program under test.
    pub program: String,
    /// What the program finds when it starts.
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// Tests, run independently of each other: each sees a fresh process and a fresh copy of the set-up's files.
    pub tests: Vec<Test>,
    /// How outputs and returned values are compared with the expected ones.
    #[serde(default)]
    pub comparison: Comparison,
    /// Limits of one test.
    #[serde(default)]
    pub limits: Limits,
    /// Report the tests after the first one that does not pass as `skipped`.
    #[serde(default)]
    pub stop_at_first_failure: bool,
}

/// State prepared for every test of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Setup {
    /// A Python program run once per task in an empty directory; the files it leaves (a database) are copied into the
    /// working directory of each test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// Python source executed in the program's own namespace before the program (constants, stub classes, imports).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prelude: Option<String>,
}

impl Setup {
    /// Whether nothing has to be prepared.
    pub fn is_empty(&self) -> bool {
        self.script.is_none() && self.prelude.is_none()
    }
}

/// One test of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "test::AnyTest")]
pub struct Test {
    /// Name shown in verdicts; the index where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What passing this test says about the program.
    #[serde(default, skip_serializing_if = "is_default")]
    pub group: Group,
    /// The check itself.
    #[serde(flatten)]
    pub check: Check,
}

/// What a test is evidence of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The program does what was asked (the paper's functional or capability tests).
    #[default]
    Functional,
    /// The program withstands hostile input (`SecCodePLT`+'s safety tests).
    Safety,
}

/// The kinds of check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Check {
    /// The program reads standard input; its standard output is compared. Prompts given to `input()` are not output.
    Stdin {
        /// Standard input, UTF-8.
        stdin: String,
        /// Expected standard output.
        stdout: String,
    },
    /// A callable of the program is called; the returned value or the raised exception is compared.
    Call {
        /// Python expression evaluated in the program's namespace after it was executed (`solve`, `Solution().solve`).
        entry: String,
        /// Positional arguments.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        args: Vec<Expr>,
        /// Keyword arguments.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        kwargs: BTreeMap<String, Expr>,
        /// What has to come back.
        expected: Expected,
    },
    /// The program reads standard input and queries an `SQLite` database. It passes where it answers the ordinary input as
    /// expected, and no statement that it gives to `SQLite` under the hostile input has another structure than those of
    /// ordinary and harmless input (Su and Wassermann 2006: an injection is input that changes a statement's structure).
    /// Refusing the hostile input, also by an exception, is withstanding it.
    SqlInjection {
        /// Hostile standard input.
        stdin: String,
        /// What the program has to do without an attack.
        ordinary: Exchange,
    },
}

/// A standard input and what has to be printed for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exchange {
    /// Standard input, UTF-8.
    pub stdin: String,
    /// Expected standard output.
    pub stdout: String,
}

/// A Python value, as data or as source text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// A value in the closed encoding.
    Value(Value),
    /// A Python expression. As an argument it is evaluated beside the program, in a namespace that has seen only the
    /// set-up's prelude; as an expected value it is evaluated in a process of its own that never sees the program.
    Source(String),
}

/// Expected outcome of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// The call returns an equal value.
    Returns(Expr),
    /// The call itself raises one of these exception classes or a subclass, by class name (`ValueError`): as the prelude
    /// binds the name, else the builtin, else any class of that name or qualified name (`json.decoder.JSONDecodeError`);
    /// only a name that nothing has before the program is left to it. What is raised while the program is executed, while
    /// the callable is looked for, by a wrong number of arguments or by looking at the returned value does not count.
    /// A class of the program's own counts as what it derives from; one that derives from several exceptions as what
    /// these have in common.
    Raises(Vec<String>),
    /// Any of these outcomes will do.
    AnyOf(Vec<Expected>),
}

/// How an actual output or value is compared with the expected one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum Comparison {
    /// Outputs equal after removing trailing white space of each line and trailing empty lines; values equal as by
    /// Python's `==` on equal types, with `True`/`1`/`1.0` kept apart only where types differ in kind.
    #[default]
    Exact,
    /// The paper's: all white space and letter case ignored in outputs; values as by `Exact`.
    Fuzzy,
    /// As `Exact`, but numbers may differ by a tolerance where one of them was rounded: floats and decimals by a share
    /// of the larger one, a float from a whole number by a share of 1 at most, whole numbers not at all. What rounding leaves of
    /// a zero (1e-9) is one.
    Numeric {
        /// That share, e.g. `1e-5`.
        tolerance: f64,
    },
}

/// Limits of one test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Limits {
    /// CPU seconds of user code; the limit that decides.
    pub cpu_seconds: f64,
    /// Wall-clock seconds, a back-stop for programs that sleep or wait.
    pub wall_seconds: f64,
    /// Address space, MiB.
    pub memory_mib: u64,
    /// Captured bytes of standard output, and of standard error; more is `output_limit`.
    pub output_bytes: u64,
    /// Bytes the program may write to files.
    pub disk_mib: u64,
    /// Processes and threads alive at once.
    pub processes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_seconds: 5.0,
            wall_seconds: 20.0,
            memory_mib: 1024,
            output_bytes: 1 << 20,
            disk_mib: 64,
            processes: 96,
        }
    }
}

/// Answer to a [`BatchRequest`]; `results` has one entry a test, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Isolation that the tests ran under.
    pub tier: Tier,
    /// Verdicts in the order of the request's tests.
    pub results: Vec<TestResult>,
    /// Milliseconds between arrival and the first test's start.
    pub queue_ms: f64,
    /// Milliseconds between arrival and answer.
    pub wall_ms: f64,
}

/// Isolation found at start-up and reported in every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Own user, pid, mount, ipc, uts and network namespaces, tmpfs, seccomp, rlimits.
    A,
    /// Landlock, seccomp and rlimits: what a pod under Pod Security `restricted` may have.
    B,
    /// Namespaces without Landlock, as under gVisor.
    G,
    /// None; only where the operator of the service asked for it.
    Unisolated,
}

/// Outcome of one test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestResult {
    /// The test's name, or its index.
    pub name: String,
    /// The test's group.
    #[serde(default)]
    pub group: Group,
    /// The verdict.
    pub status: Status,
    /// What was seen instead of what was expected; bounded in length, never holds the expected value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// CPU milliseconds of the test's processes, set-up of the interpreter excluded.
    pub cpu_ms: f64,
    /// Wall-clock milliseconds.
    pub wall_ms: f64,
    /// Peak resident set of the test's process, KiB.
    pub max_rss_kib: u64,
}

/// Verdict of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Output or value as expected.
    Passed,
    /// The program ran to its end and the output or value differs.
    WrongAnswer,
    /// An exception that was not expected, or an exit before the answer.
    RuntimeError,
    /// The program does not compile: no test can run.
    SyntaxError,
    /// CPU limit, or the wall-clock back-stop while the program itself was waiting.
    TimeLimit,
    /// Memory limit.
    MemoryLimit,
    /// More output than allowed.
    OutputLimit,
    /// Killed by a signal of its own making (segmentation fault, forbidden system call).
    Crashed,
    /// Not run, because an earlier test failed and the request said to stop.
    Skipped,
    /// The task is broken (its set-up, an argument, an expected value): says nothing about the program, and running it again
    /// does not help.
    TaskError,
    /// Our failure (no process, lost worker, starved machine): says nothing about the program; run it again.
    SandboxError,
}

impl Status {
    /// Whether this says something about the program.
    pub fn is_verdict(self) -> bool {
        !matches!(self, Self::Skipped | Self::TaskError | Self::SandboxError)
    }

    /// Whether running it again may help.
    pub fn is_worth_another_try(self) -> bool {
        matches!(self, Self::Skipped | Self::SandboxError)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
