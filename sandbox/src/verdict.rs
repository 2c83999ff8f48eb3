//! From what was seen of a child to a verdict. Pure.
//!
//! Neither an exit status nor silence passes a test: that takes a record that says how the program ended.

use std::time::Duration;

use real_sandbox_api::{Check, Comparison, Expected, Expr, Status, Value};

use crate::classes::{Catch, ClassOrder};
use crate::compare::{outputs_equal, values_equal};
use crate::record::{Record, Report, Stage, parse};
use crate::supervise::{Ending, Kill};

/// Longest detail, in characters.
const MAX_DETAIL: usize = 400;

/// What a test expects, with every expression evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// This output.
    Output(String),
    /// One of these outcomes.
    Outcome(Vec<Outcome>),
}

/// One acceptable outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// This value.
    Returns(Value),
    /// An exception of one of these classes, out of the call itself.
    Raises(Catch),
}

impl Wanted {
    /// Resolves a check; `value_of` knows the values of source expressions, `classes` what an exception's name means.
    pub fn of(check: &Check, value_of: &dyn Fn(&str) -> Option<Value>, classes: &ClassOrder) -> Option<Self> {
        match check {
            Check::Stdin { stdout, .. } => Some(Self::Output(stdout.clone())),
            Check::SqlInjection { ordinary, .. } => Some(Self::Output(ordinary.stdout.clone())),
            Check::Call { expected, .. } => {
                let mut outcomes = Vec::new();
                flatten(expected, value_of, classes, &mut outcomes)?;
                Some(Self::Outcome(outcomes))
            }
        }
    }
}

fn flatten(
    expected: &Expected,
    value_of: &dyn Fn(&str) -> Option<Value>,
    classes: &ClassOrder,
    into: &mut Vec<Outcome>,
) -> Option<()> {
    match expected {
        Expected::Returns(Expr::Value(value)) => into.push(Outcome::Returns(value.clone())),
        Expected::Returns(Expr::Source(source)) => into.push(Outcome::Returns(value_of(source)?)),
        Expected::Raises(names) => into.push(Outcome::Raises(classes.catch(names))),
        Expected::AnyOf(all) => {
            for one in all {
                flatten(one, value_of, classes, into)?;
            }
        }
    }
    Some(())
}

/// Whether a check expects an exception, or would accept one.
pub fn names_exceptions(check: &Check) -> bool {
    fn any(expected: &Expected) -> bool {
        match expected {
            Expected::Raises(_) => true,
            Expected::AnyOf(all) => all.iter().any(any),
            Expected::Returns(_) => false,
        }
    }
    matches!(check, Check::Call { expected, .. } if any(expected))
}

/// Sources of expected values in a check.
pub fn expected_sources(check: &Check) -> Vec<&str> {
    fn collect<'a>(expected: &'a Expected, into: &mut Vec<&'a str>) {
        match expected {
            Expected::Returns(Expr::Source(source)) => into.push(source),
            Expected::AnyOf(all) => all.iter().for_each(|one| collect(one, into)),
            Expected::Returns(Expr::Value(_)) | Expected::Raises(_) => {}
        }
    }
    let mut sources = Vec::new();
    if let Check::Call { expected, .. } = check {
        collect(expected, &mut sources);
    }
    sources
}

/// How a child ended, before anything is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It has no answer to compare.
    Early(Status, String),
    /// It ran to its end.
    Normally(Record),
}

/// Reads limits, signals and the record, in this order.
pub fn ended(ending: &Ending, nonce: &str, cpu_limit: Duration, memory_limit_kib: u64) -> Ended {
    let early = |status, detail: &str| Ended::Early(status, clip(detail));
    let report = parse(&ending.record, nonce);
    match ending.kill {
        Some(Kill::Starved) => {
            return early(Status::SandboxError, "the machine is overloaded: the program did not get its CPU time");
        }
        Some(Kill::Cancelled) => return early(Status::SandboxError, "the request was cancelled"),
        _ => {}
    }
    if ending.kill == Some(Kill::Machine) {
        return early(Status::SandboxError, "the machine is out of memory: the kernel ended the program");
    }
    match &report {
        Report::NotReady(why) => return early(Status::SandboxError, why),
        Report::Unprepared(why) if why.is_empty() => {
            return early(Status::TaskError, "setup.prelude or args: more than its limits, or a crash");
        }
        Report::Unprepared(why) => return early(Status::TaskError, why.strip_prefix("TaskError: ").unwrap_or(why)),
        _ => {}
    }
    match ending.kill {
        Some(Kill::Cpu) => return early(Status::TimeLimit, "CPU time limit"),
        Some(Kill::Wall) => return early(Status::TimeLimit, "wall-clock limit while waiting"),
        Some(Kill::Output) => return early(Status::OutputLimit, "more output than allowed"),
        Some(Kill::Memory) => {
            return early(Status::MemoryLimit, "its processes together hold more memory than allowed");
        }
        Some(Kill::Disk) => return early(Status::RuntimeError, "wrote more to files than allowed"),
        Some(Kill::Processes) => return early(Status::RuntimeError, "more processes than allowed"),
        Some(Kill::Record) => return early(Status::OutputLimit, "the returned value is too large"),
        Some(Kill::Starved | Kill::Cancelled | Kill::Machine | Kill::Turn) | None => {}
    }
    if libc::WIFSIGNALED(ending.exit.status) {
        return match libc::WTERMSIG(ending.exit.status) {
            libc::SIGXCPU => early(Status::TimeLimit, "CPU time limit"),
            libc::SIGKILL if ending.exit.max_rss_kib >= memory_limit_kib => early(Status::MemoryLimit, "memory limit"),
            signal => early(Status::Crashed, &format!("killed by {}", signal_name(signal))),
        };
    }
    if ending.cpu > cpu_limit {
        return early(Status::TimeLimit, "CPU time limit");
    }
    match report {
        Report::Record(Record::Syntax(message)) => early(Status::SyntaxError, &message),
        Report::Record(Record::Memory) => early(Status::MemoryLimit, "MemoryError"),
        Report::Record(Record::TooLarge) => early(Status::OutputLimit, "the returned value is too large"),
        Report::Record(record) => Ended::Normally(record),
        Report::Garbled(why) => early(Status::RuntimeError, &why),
        // `os._exit(0)` at the end of a script: what it printed is its answer. A call has none.
        Report::Silent if libc::WEXITSTATUS(ending.exit.status) == 0 => Ended::Normally(Record::Done),
        Report::Silent | Report::NotReady(_) | Report::Unprepared(_) => {
            let code = libc::WEXITSTATUS(ending.exit.status);
            early(Status::RuntimeError, &format!("the process ended with exit status {code} before it had an answer"))
        }
    }
}

/// Compares the answer. `stdout` must not have been cut.
pub fn judge(ended: Ended, stdout: &[u8], wanted: &Wanted, comparison: Comparison) -> (Status, String) {
    let record = match ended {
        Ended::Early(status, detail) => return (status, detail),
        Ended::Normally(record) => record,
    };
    match (wanted, record) {
        (Wanted::Output(expected), Record::Done | Record::Files(_)) => {
            // What is no UTF-8 equals no expected text: replaced by U+FFFD it might.
            let Ok(actual) = std::str::from_utf8(stdout) else {
                let shown = String::from_utf8_lossy(stdout);
                return (Status::WrongAnswer, clip(&format!("printed bytes that are not UTF-8: {shown:?}")));
            };
            if outputs_equal(actual, expected, comparison) {
                (Status::Passed, String::new())
            } else {
                (Status::WrongAnswer, clip(&format!("printed {actual:?}")))
            }
        }
        (Wanted::Outcome(outcomes), Record::Value(value)) => {
            let fits = |outcome: &Outcome| matches!(outcome, Outcome::Returns(expected) if values_equal(&value, expected, comparison));
            if outcomes.iter().any(fits) {
                (Status::Passed, String::new())
            } else {
                (Status::WrongAnswer, clip(&format!("returned {}", show(&value))))
            }
        }
        (Wanted::Outcome(outcomes), Record::Exception(raised)) => {
            let fits = |outcome: &Outcome| matches!(outcome, Outcome::Raises(catch) if catch.accepts(&raised.class, &raised.own));
            // An exception of import, of a wrong number of arguments or of a missing name is no answer.
            if raised.stage == Stage::Call && outcomes.iter().any(fits) {
                (Status::Passed, String::new())
            } else {
                (Status::RuntimeError, clip(&raised.to_string()))
            }
        }
        (Wanted::Output(_), Record::Exception(raised)) => (Status::RuntimeError, clip(&raised.to_string())),
        (Wanted::Outcome(_), Record::Done) => {
            (Status::RuntimeError, "the process ended with exit status 0 before it had an answer".into())
        }
        (_, record) => (Status::RuntimeError, clip(&format!("an unexpected record: {record:?}"))),
    }
}

/// As Python would write it, nearly.
fn show(value: &Value) -> String {
    fn write(value: &Value, text: &mut String) {
        use std::fmt::Write;
        if text.len() > 4 * MAX_DETAIL {
            return;
        }
        let mut many = |open: &str, values: &[Value], close: &str| {
            text.push_str(open);
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                write(value, text);
            }
            text.push_str(close);
        };
        match value {
            Value::List(values) => many("[", values, "]"),
            Value::Tuple(values) => many("(", values, ")"),
            Value::Set(values) => many("{", values, "}"),
            Value::Dict(pairs) => {
                text.push('{');
                for (name, value) in pairs {
                    write(name, text);
                    text.push_str(": ");
                    write(value, text);
                    text.push_str(", ");
                }
                text.push('}');
            }
            Value::None => text.push_str("None"),
            Value::Bool(flag) => text.push_str(if *flag { "True" } else { "False" }),
            Value::Int(number) | Value::Float(number) | Value::Decimal(number) => text.push_str(number),
            Value::Complex(real, imaginary) => drop(write!(text, "({real}+{imaginary}j)")),
            Value::Str(content) => drop(write!(text, "{content:?}")),
            Value::Bytes(content) => drop(write!(text, "bytes in base64 {content:?}")),
            Value::Record(kind, parts) => {
                text.push_str(kind);
                write(&Value::Tuple(parts.clone()), text);
            }
            Value::Object(_, shown) => text.push_str(shown),
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn clip(text: &str) -> String {
    if text.chars().count() <= MAX_DETAIL {
        return text.to_owned();
    }
    let kept: String = text.chars().take(MAX_DETAIL).collect();
    format!("{kept}…")
}

/// `SIGSEGV` for 11.
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.to_string())
}
