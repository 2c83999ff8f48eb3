//! `HumanEval` (Chen et al. 2021) and what has its schema: the head of a function to complete, and `check(candidate)`.

use real_sandbox_api::{Limits, Setup};
use ruff_python_ast::Stmt;
use ruff_text_size::Ranged as _;

use crate::record::{Record, RowError};
use crate::{Message, QualityCheck, Solution, SolutionKind, Task, python_tests};

const WORDS: &str =
    "Complete this Python function. Answer with the whole of it, and with what it needs, in one ```python block.";

/// A row as a task.
pub(crate) fn task(record: &Record) -> Result<Task, RowError> {
    let (stub, entry) = (record.text("prompt")?, record.text("entry_point")?);
    let above = above(&stub, &entry);
    let tests = python_tests::of_source(&record.text("test")?, Some(&entry), &above)
        .map_err(|message| RowError::new("test", message))?;
    let solution = record.optional_text("canonical_solution")?.filter(|code| !code.trim().is_empty());
    Ok(Task {
        id: record.text("task_id")?,
        dataset: "humaneval".to_owned(),
        split: record.optional_text("split")?.unwrap_or_else(|| "test".to_owned()),
        prompt: vec![Message {
            role: "user".to_owned(),
            content: format!("{WORDS}\n\n```python\n{}\n```", stub.trim()),
        }],
        setup: Setup { script: None, prelude: joined(&[&above, &tests.prelude]) },
        tests: tests.tests,
        comparison: tests.comparison,
        limits: Limits::default(),
        quality: vec![QualityCheck::Security],
        cwes: Vec::new(),
        attacks: Vec::new(),
        solutions: solution
            .map(|code| Solution { kind: SolutionKind::Reference, code: format!("{stub}{code}") })
            .into_iter()
            .collect(),
        stub: Some(stub),
    })
}

/// What a head has above the function: imports and helpers, which an answer may take for granted.
fn above(stub: &str, entry: &str) -> String {
    let Ok(module) = ruff_python_parser::parse_module(stub) else { return String::new() };
    let is_it = |statement: &&Stmt| matches!(statement, Stmt::FunctionDef(function) if function.name.as_str() == entry);
    let function = module.syntax().body.iter().find(is_it);
    function.map_or_else(String::new, |function| stub[..usize::from(function.start())].trim().to_owned())
}

/// The parts that are not empty, one after another.
pub(crate) fn joined(parts: &[&str]) -> Option<String> {
    let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}
