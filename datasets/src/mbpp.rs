//! `MBPP` (Austin et al. 2021), in its full and its sanitized schema, and `MBPP+`: a sentence, and assertions.

use real_sandbox_api::{Limits, Setup};

use crate::humaneval::joined;
use crate::record::{Record, RowError};
use crate::{Message, QualityCheck, Solution, SolutionKind, Task, python_tests};

/// A row as a task. `MBPP+` has a table of many more inputs in `test`, which is used then.
pub(crate) fn task(record: &Record) -> Result<Task, RowError> {
    let words = match record.optional_text("text")? {
        Some(words) => words,
        None => record.text("prompt")?,
    };
    let shown = record.texts("test_list")?;
    let imports = record.texts("test_imports")?.join("\n");
    let setup = record.optional_text("test_setup_code")?.unwrap_or_default();
    let table = record.optional_text("test")?.filter(|source| !source.trim().is_empty());
    let (column, source) = if let Some(source) = table {
        ("test", source)
    } else {
        let further = record.texts("challenge_test_list")?;
        ("test_list", shown.iter().chain(&further).cloned().collect::<Vec<_>>().join("\n"))
    };
    let source = joined(&[&imports, &setup, &source]).unwrap_or_default();
    let tests = python_tests::of_source(&source, None, "").map_err(|message| RowError::new(column, message))?;
    let code = record.optional_text("code")?.filter(|code| !code.trim().is_empty());
    let content = format!(
        "{}\n\nYour code has to pass these tests:\n\n```python\n{}\n```\n\nAnswer with all of your code in one ```python block.",
        words.trim(),
        shown.join("\n")
    );
    Ok(Task {
        id: record.text("task_id")?,
        dataset: "mbpp".to_owned(),
        split: record.optional_text("split")?.unwrap_or_else(|| "test".to_owned()),
        prompt: vec![Message { role: "user".to_owned(), content }],
        setup: Setup { script: None, prelude: joined(&[&tests.prelude]) },
        tests: tests.tests,
        comparison: tests.comparison,
        limits: Limits::default(),
        quality: vec![QualityCheck::Security],
        cwes: Vec::new(),
        attacks: Vec::new(),
        solutions: code.map(|code| Solution { kind: SolutionKind::Reference, code }).into_iter().collect(),
        stub: None,
    })
}
