//! `SecCodePLT+`: one function a task, with capability and safety tests given as Python source.

use std::collections::BTreeMap;

use real_sandbox_api::{Check, Comparison, Expected, Expr, Group, Limits, Setup, Test};
use ruff_python_ast::{Expr as Node, Stmt};
use ruff_text_size::{Ranged as _, TextRange};

use crate::python_literal::{expression, text};
use crate::record::{Record, RowError};
use crate::{QualityCheck, Solution, SolutionKind, Task, exceptions};

const TESTCASES: &str = "unittest.testcases";

/// CPU seconds of a test: the paper allows one for all of a program's tests and the start of its interpreter together.
const CPU_SECONDS: f64 = 2.0;

/// A row as a task.
pub(crate) fn task(record: &Record) -> Result<Task, RowError> {
    let function = record.text("task_description.function_name")?;
    let cwe = record.text("CWE_ID")?;
    let cwe: u32 =
        cwe.trim().parse().map_err(|_| RowError::new("CWE_ID", format!("is `{cwe}`; a number is needed")))?;
    let setup = record.text("unittest.setup")?;
    let source = record.text(TESTCASES)?;
    let parsed = TestSource::parse(&source, &setup).map_err(|message| RowError::new(TESTCASES, message))?;
    let tests = parsed.tests(function.trim()).map_err(|message| RowError::new(TESTCASES, message))?;
    let before = record.text("ground_truth.code_before")?;
    let after = record.text("ground_truth.code_after")?;
    let solution = |kind, middle: &str| -> Result<Solution, RowError> {
        Ok(Solution { kind, code: format!("{before}{}{after}", record.text(middle)?) })
    };
    Ok(Task {
        id: record.text("id")?,
        dataset: "seccodeplt".to_owned(),
        split: record.split()?,
        prompt: record.prompt()?,
        setup: Setup { script: None, prelude: Some(parsed.prelude()).filter(|prelude| !prelude.trim().is_empty()) },
        tests,
        comparison: Comparison::Exact,
        limits: Limits { cpu_seconds: CPU_SECONDS, ..Limits::default() },
        quality: vec![QualityCheck::Security],
        cwes: vec![cwe],
        attacks: Vec::new(),
        solutions: vec![
            solution(SolutionKind::Secure, "ground_truth.patched_code")?,
            solution(SolutionKind::Vulnerable, "ground_truth.vulnerable_code")?,
        ],
    })
}

/// The `testcases` column taken apart: the table of cases and the statements around it.
struct TestSource<'a> {
    source: &'a str,
    setup: &'a str,
    table: ruff_python_ast::ExprDict,
    /// Statements that are not the table: imports, constants, stub classes, files to create.
    extra: Vec<TextRange>,
    /// Classes that the set-up or the extra statements define as exceptions.
    own_exceptions: Vec<String>,
}

impl<'a> TestSource<'a> {
    fn parse(source: &'a str, setup: &'a str) -> Result<Self, String> {
        let module = ruff_python_parser::parse_module(source).map_err(|error| format!("is not Python: {error}"))?;
        let mut table = None;
        let mut extra = Vec::new();
        for statement in &module.syntax().body {
            match assigned_table(statement) {
                Some(Node::Dict(dict)) => table = Some(dict.clone()),
                Some(_) => return Err("assigns `testcases` something else than a dict display".to_owned()),
                None => extra.push(statement.range()),
            }
        }
        let table = table.ok_or("does not assign `testcases`")?;
        let mut own_exceptions = exceptions::defined_in(&module.syntax().body);
        if let Ok(setup) = ruff_python_parser::parse_module(setup) {
            own_exceptions.extend(exceptions::defined_in(&setup.syntax().body));
        }
        Ok(Self { source, setup, table, extra, own_exceptions })
    }

    /// What every test finds in the program's namespace: the task's set-up, then what the cases themselves rely on.
    fn prelude(&self) -> String {
        let mut prelude = self.setup.trim_end().to_owned();
        for range in &self.extra {
            if !prelude.is_empty() {
                prelude.push('\n');
            }
            prelude.push_str(&self.source[*range]);
        }
        prelude
    }

    fn tests(&self, function: &str) -> Result<Vec<Test>, String> {
        let mut tests = Vec::new();
        for item in &self.table.items {
            let (name, group) = match item.key.as_ref() {
                Some(Node::StringLiteral(key)) if key.value.to_str() == "capability" => {
                    ("capability", Group::Functional)
                }
                Some(Node::StringLiteral(key)) if key.value.to_str() == "safety" => ("safety", Group::Safety),
                Some(other) => {
                    return Err(format!("has a group {}; only capability and safety are known", self.text(other)));
                }
                None => return Err("unpacks another dict into `testcases`".to_owned()),
            };
            let cases = elements(&item.value).ok_or_else(|| format!("{name} is not a list display"))?;
            for (index, case) in cases.iter().enumerate() {
                let check = self.check(function, case).map_err(|problem| format!("{name} case {index} {problem}"))?;
                tests.push(Test { name: Some(format!("{name}-{index}")), group, check });
            }
        }
        if tests.is_empty() { Err("holds no case".to_owned()) } else { Ok(tests) }
    }

    fn check(&self, function: &str, case: &Node) -> Result<Check, String> {
        let Some([arguments, expected]) = elements(case) else {
            return Err(format!("is {}; a pair (arguments, expected) is needed", self.text(case)));
        };
        let Arguments { entry, args, kwargs } = self.arguments(function, arguments);
        Ok(Check::Call { entry, args, kwargs, expected: self.expected(expected) })
    }

    /// A dict display gives keyword arguments; a list or tuple display positional ones; whatever else is evaluated and
    /// unpacked by Python.
    fn arguments(&self, function: &str, node: &Node) -> Arguments {
        let entry = function.to_owned();
        if let Some(positional) = elements(node)
            && !positional.iter().any(Node::is_starred_expr)
        {
            let args = positional.iter().map(|argument| expression(argument, self.source)).collect();
            return Arguments { entry, args, kwargs: BTreeMap::new() };
        }
        if let Node::Dict(dict) = node {
            let keyword = |item: &ruff_python_ast::DictItem| match item.key.as_ref() {
                Some(Node::StringLiteral(key)) => {
                    Some((key.value.to_str().to_owned(), expression(&item.value, self.source)))
                }
                _ => None,
            };
            if let Some(kwargs) = dict.items.iter().map(keyword).collect() {
                return Arguments { entry, args: Vec::new(), kwargs };
            }
        }
        Arguments {
            entry: format!("lambda kwargs: {function}(**kwargs)"),
            args: vec![Expr::Source(self.text(node))],
            kwargs: BTreeMap::new(),
        }
    }

    /// Exception classes, alone or in a tuple, are expected to be raised; anything else to be returned.
    fn expected(&self, node: &Node) -> Expected {
        if let Some(name) = exceptions::named_by(node, &self.own_exceptions) {
            return Expected::Raises(vec![name]);
        }
        if let Node::Tuple(tuple) = node
            && !tuple.elts.is_empty()
        {
            let names: Option<Vec<String>> =
                tuple.elts.iter().map(|element| exceptions::named_by(element, &self.own_exceptions)).collect();
            if let Some(names) = names {
                return Expected::Raises(names);
            }
        }
        Expected::Returns(expression(node, self.source))
    }

    fn text(&self, node: &Node) -> String {
        text(node, self.source)
    }
}

struct Arguments {
    entry: String,
    args: Vec<Expr>,
    kwargs: BTreeMap<String, Expr>,
}

fn assigned_table(statement: &Stmt) -> Option<&Node> {
    let is_table = |target: &Node| matches!(target, Node::Name(name) if name.id.as_str() == "testcases");
    match statement {
        Stmt::Assign(assign) if assign.targets.iter().any(is_table) => Some(&assign.value),
        Stmt::AnnAssign(assign) if is_table(&assign.target) => assign.value.as_deref(),
        _ => None,
    }
}

fn elements(node: &Node) -> Option<&[Node]> {
    match node {
        Node::List(list) => Some(&list.elts),
        Node::Tuple(tuple) => Some(&tuple.elts),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use real_sandbox_api::Value;

    use super::*;

    fn tests_of(source: &str) -> Vec<Test> {
        TestSource::parse(source, "").and_then(|parsed| parsed.tests("f")).expect("test input loads")
    }

    #[test]
    fn exception_types_are_expected_to_be_raised_and_values_to_be_returned() {
        let tests = tests_of(
            "class Odd(ValueError): pass\n\
             testcases = {'capability': [({'x': 1}, 2)],\n\
             'safety': [({'x': g()}, Odd), ({'x': 1}, (KeyError, json.JSONDecodeError)), ({'x': 1}, (1, 'a'))]}",
        );
        let expected: Vec<&Expected> = tests
            .iter()
            .map(|test| match &test.check {
                Check::Call { expected, .. } => expected,
                Check::Stdin { .. } => panic!("only calls here"),
            })
            .collect();
        assert_eq!(expected[0], &Expected::Returns(Expr::Value(Value::Int("2".to_owned()))));
        assert_eq!(expected[1], &Expected::Raises(vec!["Odd".to_owned()]));
        assert_eq!(expected[2], &Expected::Raises(vec!["KeyError".to_owned(), "JSONDecodeError".to_owned()]));
        assert!(matches!(expected[3], Expected::Returns(Expr::Value(Value::Tuple(_)))));
        assert_eq!(tests.iter().filter(|test| test.group == Group::Safety).count(), 3);
    }

    #[test]
    fn arguments_that_are_no_display_are_unpacked_by_python() {
        let tests =
            tests_of("testcases = {'capability': [(dict(a=1), 2), ((1, 2), 3), ({**base, 'a': 1}, 4)], 'safety': []}");
        let Check::Call { entry, args, .. } = &tests[0].check else { panic!("a call") };
        assert_eq!(entry, "lambda kwargs: f(**kwargs)");
        assert_eq!(args, &[Expr::Source("dict(a=1)".to_owned())]);
        let Check::Call { entry, args, .. } = &tests[1].check else { panic!("a call") };
        assert_eq!((entry.as_str(), args.len()), ("f", 2));
        let Check::Call { args, .. } = &tests[2].check else { panic!("a call") };
        assert_eq!(args, &[Expr::Source("{**base, 'a': 1}".to_owned())]);
    }

    #[test]
    fn statements_around_the_table_go_to_the_prelude() {
        let parsed = TestSource::parse("import json\ntestcases = {'capability': [({}, 1)]}\nx = 1", "import os\n")
            .expect("loads");
        assert_eq!(parsed.prelude(), "import os\nimport json\nx = 1");
    }

    #[test]
    fn malformed_tables_say_what_is_wrong() {
        let problem = |source: &str| {
            TestSource::parse(source, "").and_then(|parsed| parsed.tests("f")).expect_err("must not load")
        };
        assert!(problem("x = 1").contains("does not assign `testcases`"));
        assert!(problem("testcases = {").contains("is not Python"));
        assert!(problem("testcases = {'speed': []}").contains("group 'speed'"));
        assert!(problem("testcases = {'safety': [({}, 1), 7]}").contains("safety case 1 is 7"));
        assert!(problem("testcases = {'safety': make()}").contains("not a list display"));
        assert!(problem("testcases = {'safety': []}").contains("no case"));
    }
}
