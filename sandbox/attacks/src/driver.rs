//! Tests that call an entry point, in the words of `/run_code`, which only runs programs.
//!
//! The program is executed and called by `driver.py`, which stands before it in the code that is sent. The expected value is
//! made by a run of its own, so that it is nowhere near the program.

use std::collections::BTreeMap;

use real_sandbox_api::{Expected, Expr, Setup, Value};

const DRIVER: &str = include_str!("driver.py");

/// Code that calls the entry point.
pub(crate) fn call(
    setup: &Setup,
    program: &str,
    entry: &str,
    args: &[Expr],
    kwargs: &BTreeMap<String, Expr>,
) -> String {
    let args: Vec<String> = args.iter().map(source).collect();
    let kwargs: Vec<String> = kwargs.iter().map(|(name, part)| format!("{}: {}", quoted(name), source(part))).collect();
    case(&[
        ("program", quoted(program)),
        ("prelude", quoted(setup.prelude.as_deref().unwrap_or_default())),
        ("entry", quoted(entry)),
        ("args", quoted(&format!("[{}]", args.join(", ")))),
        ("kwargs", quoted(&format!("{{{}}}", kwargs.join(", ")))),
    ])
}

/// Code that prints the line of a call that returned this.
pub(crate) fn expected(value: &Expr) -> String {
    case(&[("program", "None".into()), ("expected", quoted(&source(value)))])
}

fn case(parameters: &[(&str, String)]) -> String {
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{}: {value}", quoted(name))).collect();
    format!("CASE = {{{}}}\n{DRIVER}", parameters.join(", "))
}

/// Whether what a call printed is one of these outcomes; `returned` has the lines of the values that are expected.
pub(crate) fn is_as_expected(printed: &str, expected: &Expected, returned: &BTreeMap<String, String>) -> bool {
    match expected {
        Expected::Returns(value) => returned.get(&source(value)).is_some_and(|line| line == printed),
        Expected::Raises(names) => printed
            .strip_prefix("raised ")
            .is_some_and(|classes| classes.split_whitespace().any(|class| names.iter().any(|name| name == class))),
        Expected::AnyOf(all) => all.iter().any(|one| is_as_expected(printed, one, returned)),
    }
}

/// Values that may come back.
pub(crate) fn values(expected: &Expected) -> Vec<&Expr> {
    match expected {
        Expected::Returns(value) => vec![value],
        Expected::Raises(_) => Vec::new(),
        Expected::AnyOf(all) => all.iter().flat_map(values).collect(),
    }
}

/// A Python expression for it.
pub(crate) fn source(part: &Expr) -> String {
    match part {
        Expr::Source(source) => source.trim().to_owned(),
        Expr::Value(value) => literal(value),
    }
}

fn literal(value: &Value) -> String {
    let several = |parts: &[Value]| parts.iter().map(|part| literal(part) + ", ").collect::<String>();
    match value {
        Value::None => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Int(text) => format!("int({})", quoted(text)),
        Value::Float(text) => format!("float({})", quoted(text)),
        Value::Complex(real, imaginary) => format!("complex(float({}), float({}))", quoted(real), quoted(imaginary)),
        Value::Decimal(text) => format!("__import__('decimal').Decimal({})", quoted(text)),
        Value::Str(text) => quoted(text),
        Value::Bytes(text) => format!("__import__('binascii').a2b_base64({})", quoted(text)),
        Value::List(parts) => format!("[{}]", several(parts)),
        Value::Tuple(parts) => format!("tuple([{}])", several(parts)),
        Value::Set(parts) => format!("set([{}])", several(parts)),
        Value::Dict(pairs) => {
            let pairs: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{}: {}", literal(key), literal(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        // Nothing that a program returns has this form.
        Value::Record(name, parts) => format!("object({}, [{}])", quoted(name), several(parts)),
        Value::Object(name, text) => format!("object({}, {})", quoted(name), quoted(text)),
    }
}

/// A string as JSON writes it, which Python reads the same.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
