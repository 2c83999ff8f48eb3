//! Tests that a data set gives as Python source (assertions, `check(candidate)`, pytest's functions, `unittest`'s classes) as the
//! sandbox's.
//!
//! A comparison of one call with a value becomes a test of kind `call`: what is expected stays where the program cannot see it.
//! Whatever else is asserted is run as it stands beside the program, which is how these data sets mean it, and counted by
//! [`beside_the_program`].

mod assertion;
mod names;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use real_sandbox_api::{Check, Comparison, Expected, Expr, Group, Test, Value};
use ruff_python_ast::{Expr as Node, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged as _;

use assertion::Asserted;
use names::{bound_by, used_by};

/// Modules that test files import the program from.
const PROGRAM_MODULES: [&str; 3] = ["solution", "main", "your_module"];

/// Tests, and what they need.
#[derive(Debug)]
pub(crate) struct PythonTests {
    pub(crate) tests: Vec<Test>,
    /// Source that has to be there before the program; empty where nothing is needed.
    pub(crate) prelude: String,
    pub(crate) comparison: Comparison,
}

/// Whether a test runs as source beside the program, so that a program could see what it asks for.
pub fn beside_the_program(test: &Test) -> bool {
    matches!(&test.check, Check::Call { entry, args, .. } if args.is_empty() && entry.starts_with(BESIDE))
}

/// How entries begin that are assertions of the data set.
const BESIDE: &str = "lambda: ";

/// The tests of a source. `entry` is the function that `check(candidate)` is about; `given` is source that is executed before the
/// program anyway, as the head of a function that is to be completed.
pub(crate) fn of_source(source: &str, entry: Option<&str>, given: &str) -> Result<PythonTests, String> {
    let module = ruff_python_parser::parse_module(source).map_err(|error| format!("is not Python: {error}"))?;
    let mut reader =
        Reader { source, entry, known: BTreeSet::new(), tests: Vec::new(), tolerance: None, kept: Vec::new() };
    if let Ok(before) = ruff_python_parser::parse_module(given) {
        reader.known.extend(before.syntax().body.iter().flat_map(bound_by));
    }
    let body: &[Stmt] = &module.syntax().body;
    reader.known.extend(body.iter().filter(|statement| !imports_the_program(statement)).flat_map(bound_by));
    reader.module(body)?;
    if reader.tests.is_empty() {
        return Err("holds no test: there are assertions, check(candidate), functions test_…() or classes of unittest"
            .to_owned());
    }
    let prelude = reader.prelude();
    let comparison = reader.tolerance.map_or_else(Comparison::default, |tolerance| Comparison::Numeric { tolerance });
    Ok(PythonTests { tests: reader.tests, prelude, comparison })
}

struct Reader<'a> {
    source: &'a str,
    entry: Option<&'a str>,
    /// Names that are there without the program.
    known: BTreeSet<String>,
    tests: Vec<Test>,
    tolerance: Option<f64>,
    /// Statements that tests may need: their text, the names that they bind, and those that they use.
    kept: Vec<(String, BTreeSet<String>, BTreeSet<String>)>,
}

impl Reader<'_> {
    fn module(&mut self, body: &[Stmt]) -> Result<(), String> {
        if let Some(table) = table::find(body, None) {
            self.table(&table)?;
        }
        for statement in body {
            match statement {
                Stmt::FunctionDef(function) if function.name.as_str() == "check" && parameters(function) == 1 => {
                    self.keep(statement);
                    self.check(function)?;
                }
                Stmt::FunctionDef(function) if function.name.starts_with("test") && parameters(function) == 0 => {
                    self.keep(statement);
                    let whole = format!("{BESIDE}{}()", function.name);
                    self.function(function, None, &whole)?;
                }
                Stmt::ClassDef(class) if class.bases().iter().any(|base| self.text(base).ends_with("TestCase")) => {
                    self.keep(statement);
                    for method in class.body.iter().filter_map(Stmt::as_function_def_stmt) {
                        if method.name.starts_with("test") {
                            self.beside(&format!("{BESIDE}{}({:?}).debug()", class.name, method.name.as_str()), false);
                        }
                    }
                }
                Stmt::Assert(_) | Stmt::With(_) => {
                    match assertion::read(statement, None, &self.scope(&BTreeSet::new())) {
                        Some(asserted) => self.asserted(asserted),
                        None => return Err(format!("has a statement that is no test: {}", self.head(statement))),
                    }
                }
                Stmt::If(_) | Stmt::Pass(_) | Stmt::Expr(_) => {}
                Stmt::For(_) if table::find(body, None).is_some() => {}
                Stmt::For(_) | Stmt::While(_) | Stmt::Try(_) => {
                    return Err(format!(
                        "has a statement outside of functions that is no test: {}",
                        self.head(statement)
                    ));
                }
                _ if imports_the_program(statement) => {}
                _ => self.keep(statement),
            }
        }
        Ok(())
    }

    /// `def check(candidate)`, as HumanEval has it.
    fn check(&mut self, function: &StmtFunctionDef) -> Result<(), String> {
        let entry =
            self.entry.ok_or("has check(candidate), but nothing says what the candidate is: entry_point is needed")?;
        let alias = function.parameters.iter().next().map(|parameter| parameter.name().to_string());
        let whole = format!("{BESIDE}check({entry})");
        self.function(function, alias.as_deref(), &whole)
    }

    fn function(&mut self, function: &StmtFunctionDef, alias: Option<&str>, whole: &str) -> Result<(), String> {
        let table = table::find(&function.body, alias);
        if let Some(table) = &table {
            self.table(table)?;
        }
        let local: BTreeSet<String> = function.body.iter().flat_map(bound_by).collect();
        let mut left_over = false;
        for statement in &function.body {
            match statement {
                Stmt::Pass(_) | Stmt::Expr(_) if !has_effect(statement) => {}
                Stmt::Assign(_) | Stmt::For(_) if table.as_ref().is_some_and(|table| table.has(statement)) => {}
                Stmt::Assert(_) | Stmt::With(_) => match assertion::read(statement, alias, &self.scope(&local)) {
                    Some(Asserted::Predicate(_)) | None
                        if used_by(statement).iter().any(|name| local.contains(name)) =>
                    {
                        left_over = true;
                    }
                    Some(asserted) => self.asserted(asserted),
                    None => left_over = true,
                },
                _ => left_over = true,
            }
        }
        if left_over {
            self.beside(whole, false);
        }
        Ok(())
    }

    fn scope<'s>(&'s self, local: &'s BTreeSet<String>) -> assertion::Scope<'s> {
        assertion::Scope { source: self.source, entry: self.entry, known: &self.known, local }
    }

    fn table(&mut self, table: &table::Table<'_>) -> Result<(), String> {
        let entry =
            table.callee.or(self.entry).ok_or("has a table of inputs, but nothing says what they are given to")?;
        for (input, result) in table.rows() {
            let args = match input {
                Node::List(list) => &list.elts,
                Node::Tuple(tuple) => &tuple.elts,
                _ => return Err(format!("has the input {}; a list of arguments is needed", self.text(input))),
            };
            let expression = |node: &Node| crate::python_literal::expression(node, self.source);
            let args = args.iter().map(expression).collect();
            self.call(entry.to_owned(), args, BTreeMap::new(), Expected::Returns(expression(result)));
        }
        if table.tolerance > 0.0 {
            self.tolerance = Some(self.tolerance.unwrap_or(0.0).max(table.tolerance));
        }
        Ok(())
    }

    fn asserted(&mut self, asserted: Asserted) {
        match asserted {
            Asserted::Call { entry, args, kwargs, expected } => self.call(entry, args, kwargs, expected),
            Asserted::Predicate(source) => self.beside(&format!("{BESIDE}{source}"), true),
        }
    }

    fn call(&mut self, entry: String, args: Vec<Expr>, kwargs: BTreeMap<String, Expr>, expected: Expected) {
        self.tests.push(Test {
            name: None,
            group: Group::Functional,
            check: Check::Call { entry, args, kwargs, expected },
        });
    }

    /// What runs as it stands, and has to give True, or nothing.
    fn beside(&mut self, entry: &str, truth: bool) {
        let expected = if truth { Value::Bool(true) } else { Value::None };
        self.call(entry.to_owned(), Vec::new(), BTreeMap::new(), Expected::Returns(Expr::Value(expected)));
    }

    fn keep(&mut self, statement: &Stmt) {
        let text = self.source[statement.range()].to_owned();
        self.kept.push((text, bound_by(statement).into_iter().collect(), used_by(statement).into_iter().collect()));
    }

    /// What of the source its tests need, in its order.
    fn prelude(&self) -> String {
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for test in &self.tests {
            let Check::Call { entry, args, kwargs, expected } = &test.check else { continue };
            let mut sources = vec![entry.as_str()];
            let source = |expr: &'_ Expr| if let Expr::Source(text) = expr { Some(text.clone()) } else { None };
            let mut texts: Vec<String> = args.iter().chain(kwargs.values()).filter_map(source).collect();
            match expected {
                Expected::Returns(expr) => texts.extend(source(expr)),
                Expected::Raises(names) => texts.extend(names.clone()),
                Expected::AnyOf(_) => {}
            }
            sources.extend(texts.iter().map(String::as_str));
            for text in sources {
                if let Ok(module) = ruff_python_parser::parse_module(text) {
                    wanted.extend(module.syntax().body.iter().flat_map(used_by));
                }
            }
        }
        let mut needed = vec![false; self.kept.len()];
        loop {
            let mut grew = false;
            for (needed, (_, bound, used)) in needed.iter_mut().zip(&self.kept) {
                // What is imported with a star may bind anything.
                if !*needed && (bound.contains("*") || bound.iter().any(|name| wanted.contains(name))) {
                    *needed = true;
                    grew = true;
                    wanted.extend(used.iter().cloned());
                }
            }
            if !grew {
                break;
            }
        }
        let texts = needed.iter().zip(&self.kept).filter(|(needed, _)| **needed).map(|(_, (text, ..))| text.as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    fn text(&self, node: &Node) -> &str {
        &self.source[node.range()]
    }

    /// The first line of a statement.
    fn head(&self, statement: &Stmt) -> String {
        self.source[statement.range()].lines().next().unwrap_or_default().chars().take(80).collect()
    }
}

fn parameters(function: &StmtFunctionDef) -> usize {
    function.parameters.iter().count()
}

/// Whether an expression that stands alone does something: text does not, and what is printed is no test.
fn has_effect(statement: &Stmt) -> bool {
    let Stmt::Expr(expression) = statement else { return false };
    match &*expression.value {
        Node::StringLiteral(_) | Node::EllipsisLiteral(_) => false,
        Node::Call(call) => !matches!(&*call.func, Node::Name(name) if name.id.as_str() == "print"),
        _ => true,
    }
}

fn imports_the_program(statement: &Stmt) -> bool {
    match statement {
        Stmt::ImportFrom(from) => from.module.as_ref().is_some_and(|module| PROGRAM_MODULES.contains(&module.as_str())),
        Stmt::Import(import) => import.names.iter().all(|alias| PROGRAM_MODULES.contains(&alias.name.as_str())),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
