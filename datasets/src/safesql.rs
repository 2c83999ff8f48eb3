//! `SafeSQL`: one program a task, which reads lines and prints what a query returns.

use real_sandbox_api::{Check, Comparison, Group, Limits, Setup, Test};

use crate::record::{Record, RowError};
use crate::{QualityCheck, Solution, SolutionKind, Task, prompts};

/// A row as a task. Every case of `test_cases` becomes a test; the paper draws five of them an answer, which is the
/// reward's choice, not the data's.
pub(crate) fn task(record: &Record) -> Result<Task, RowError> {
    let cases = record.pairs("test_cases", "input", "output")?;
    let code = record.text("execute_sql")?;
    let prompts = prompts::literal(&code);
    let tests = cases.into_iter().map(|(stdin, stdout)| Test {
        name: None,
        group: Group::Functional,
        check: Check::Stdin { stdin, stdout: prompts::removed(&stdout, &prompts) },
    });
    Ok(Task {
        id: record.text("program_id")?,
        dataset: "safesql".to_owned(),
        split: record.split()?,
        prompt: record.prompt()?,
        setup: Setup { script: Some(record.text("construct_db")?), prelude: None },
        tests: tests.collect(),
        comparison: Comparison::Fuzzy,
        limits: Limits::default(),
        quality: vec![QualityCheck::Security],
        cwes: vec![89],
        attacks: record.texts("test_attacks")?,
        // The data set calls every one of these vulnerable; about a fifth are not, so nothing is claimed.
        solutions: vec![Solution { kind: SolutionKind::Reference, code }],
    })
}
