//! `APPS+`: introductory and interview problems; a function or a method of `class Solution`, or a program that reads
//! standard input.

use real_sandbox_api::{Check, Comparison, Expected, Expr, Group, Limits, Setup, Test, Value};

use crate::python_json::{self, get};
use crate::record::{Record, RowError};
use crate::{QualityCheck, Solution, SolutionKind, Task};

/// CPU seconds of a test, as the paper allows.
const CPU_SECONDS: f64 = 10.0;

/// Relative or absolute difference allowed where a task's expected outputs hold floats. The paper compares by `==`, which
/// fails answers that sum in another order.
const FLOAT_TOLERANCE: f64 = 1e-5;

/// What judges of such problems import before the answer: starter code says `List[int]` without an import, and
/// solutions written for these sites rely on the standard modules being there.
const PRELUDE: &str = "import bisect, collections, copy, datetime, functools, heapq, io, itertools, json, math, operator, random, re, \
statistics, string, sys\nfrom typing import *\nfrom collections import Counter, OrderedDict, defaultdict, deque\n";

/// A row as a task.
pub(crate) fn task(record: &Record) -> Result<Task, RowError> {
    let starter = record.optional_text("starter_code")?.unwrap_or_default();
    let solutions = solutions(record)?;
    let is_method = match record.optional_text("extra_info.program_type")?.as_deref() {
        Some("class") => true,
        Some("function") => false,
        _ => starter.contains("class Solution"),
    };
    // `test_info` holds the same tests with outputs already unwrapped.
    let (column, json, wrapped) = match record.optional_text("extra_info.test_info")? {
        Some(json) => ("extra_info.test_info", json, false),
        None => ("input_output", record.text("input_output")?, !is_method),
    };
    let cases = python_json::parse(&json).map_err(|message| RowError::new(column, message))?;
    let (tests, comparison) = tests(&cases, is_method, wrapped).map_err(|message| RowError::new(column, message))?;
    let calls = tests.iter().any(|test| matches!(test.check, Check::Call { .. }));
    Ok(Task {
        id: record.text("problem_id")?,
        dataset: "apps".to_owned(),
        split: record.split()?,
        prompt: record.prompt()?,
        setup: Setup { script: None, prelude: calls.then(|| PRELUDE.to_owned()) },
        tests,
        comparison,
        limits: Limits { cpu_seconds: CPU_SECONDS, wall_seconds: 4.0 * CPU_SECONDS, ..Limits::default() },
        quality: vec![QualityCheck::Types],
        cwes: Vec::new(),
        attacks: Vec::new(),
        solutions,
    })
}

/// The solutions, the data set's chosen one first.
fn solutions(record: &Record) -> Result<Vec<Solution>, RowError> {
    let mut codes: Vec<String> = record.optional_text("reward_model.ground_truth")?.into_iter().collect();
    let json = record.text("solutions")?;
    // Some rows of the published set have an empty text for "none".
    if !json.trim().is_empty() {
        let listed: Vec<String> = serde_json::from_str(&json)
            .map_err(|error| RowError::new("solutions", format!("is not a JSON list of texts: {error}")))?;
        codes.extend(listed);
    }
    let mut seen = std::collections::HashSet::new();
    codes.retain(|code| !code.trim().is_empty() && seen.insert(code.clone()));
    Ok(codes.into_iter().map(|code| Solution { kind: SolutionKind::Reference, code }).collect())
}

fn tests(cases: &Value, is_method: bool, wrapped: bool) -> Result<(Vec<Test>, Comparison), String> {
    let list = |key: &str| match get(cases, key) {
        Some(Value::List(values)) => Ok(values),
        _ => Err(format!("has no list `{key}`")),
    };
    let (inputs, outputs) = (list("inputs")?, list("outputs")?);
    if inputs.len() != outputs.len() {
        return Err(format!("has {} inputs but {} outputs", inputs.len(), outputs.len()));
    }
    if inputs.is_empty() {
        return Err("holds no test".to_owned());
    }
    let function = match get(cases, "fn_name") {
        Some(Value::Str(name)) => Some(name),
        Some(Value::None) | None => None,
        Some(_) => return Err("has a `fn_name` that is no text".to_owned()),
    };
    let mut has_floats = false;
    let mut tests = Vec::new();
    for (input, output) in inputs.iter().zip(outputs) {
        let check = match function {
            Some(name) => {
                let output = if wrapped { unwrap_output(output) } else { output };
                has_floats |= holds_float(output);
                Check::Call {
                    entry: if is_method { format!("Solution().{name}") } else { name.clone() },
                    args: arguments(input),
                    kwargs: std::collections::BTreeMap::new(),
                    expected: Expected::Returns(Expr::Value(output.clone())),
                }
            }
            None => Check::Stdin { stdin: lines(input)?, stdout: lines(output)? },
        };
        tests.push(Test { name: None, group: Group::Functional, check });
    }
    let comparison = if has_floats { Comparison::Numeric { tolerance: FLOAT_TOLERANCE } } else { Comparison::Exact };
    Ok((tests, comparison))
}

fn arguments(input: &Value) -> Vec<Expr> {
    match input {
        Value::List(values) => values.iter().cloned().map(Expr::Value).collect(),
        single => vec![Expr::Value(single.clone())],
    }
}

/// The original set wraps what a function returns in a list of one, and leaves what a method returns as it is.
fn unwrap_output(output: &Value) -> &Value {
    match output {
        Value::List(values) if values.len() == 1 => &values[0],
        other => other,
    }
}

fn lines(value: &Value) -> Result<String, String> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        Value::List(values) => {
            let lines: Result<Vec<String>, String> = values.iter().map(lines).collect();
            Ok(lines?.join("\n"))
        }
        _ => Err("has a test of a program whose input or output is neither text nor a list of lines".to_owned()),
    }
}

fn holds_float(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::List(values) | Value::Tuple(values) | Value::Set(values) => values.iter().any(holds_float),
        Value::Dict(entries) => entries.iter().any(|(key, value)| holds_float(key) || holds_float(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(json: &str, is_method: bool, wrapped: bool) -> Result<(Vec<Test>, Comparison), String> {
        tests(&python_json::parse(json).expect("test input parses"), is_method, wrapped)
    }

    #[test]
    fn functions_have_wrapped_outputs_and_methods_have_not() {
        let json = r#"{"fn_name": "f", "inputs": [[1, [2]]], "outputs": [[3]]}"#;
        let expected = |is_method, wrapped| match load(json, is_method, wrapped).expect("loads").0.remove(0).check {
            Check::Call { entry, expected: Expected::Returns(Expr::Value(value)), args, .. } => {
                (entry, value, args.len())
            }
            other => panic!("{other:?}"),
        };
        let three = Value::Int("3".to_owned());
        assert_eq!(expected(false, true), ("f".to_owned(), three.clone(), 2));
        assert_eq!(expected(true, false), ("Solution().f".to_owned(), Value::List(vec![three]), 2));
    }

    #[test]
    fn only_tasks_with_float_outputs_allow_a_tolerance() {
        let comparison = |outputs: &str| {
            load(&format!(r#"{{"fn_name": "f", "inputs": [[1.5]], "outputs": {outputs}}}"#), false, false)
                .expect("loads")
                .1
        };
        assert_eq!(comparison("[1]"), Comparison::Exact);
        assert_eq!(comparison(r#"[{"a": [0.5]}]"#), Comparison::Numeric { tolerance: 1e-5 });
    }

    #[test]
    fn problems_without_a_function_name_are_programs_that_read_standard_input() {
        let (tests, _) =
            load(r#"{"inputs": ["1 2\n", ["3", "4"]], "outputs": ["3\n", ["7"]]}"#, false, true).expect("loads");
        assert_eq!(tests[0].check, Check::Stdin { stdin: "1 2\n".to_owned(), stdout: "3\n".to_owned() });
        assert_eq!(tests[1].check, Check::Stdin { stdin: "3\n4".to_owned(), stdout: "7".to_owned() });
    }

    #[test]
    fn tables_of_tests_that_do_not_fit_are_refused() {
        assert!(
            load(r#"{"fn_name": "f", "inputs": [[1]], "outputs": []}"#, false, true)
                .expect_err("refused")
                .contains("1 inputs but 0")
        );
        assert!(
            load(r#"{"fn_name": "f", "inputs": []}"#, false, true).expect_err("refused").contains("no list `outputs`")
        );
        assert!(
            load(r#"{"fn_name": "f", "inputs": [], "outputs": []}"#, false, true)
                .expect_err("refused")
                .contains("no test")
        );
    }
}
