//! The program inside an answer.

use std::borrow::Cow;

use real_datasets::Task;
use real_sandbox_api::Check;

use crate::Extraction;
use crate::markdown::{Block, PYTHON, blocks};

const OPENING: &str = "```python";
const CLOSING: &str = "```";
/// Placeholder of the paper's prompt template; an answer that repeats it holds no program.
const PLACEHOLDER: &str = "YOUR_CODE_HERE";

/// The program that an answer to this task holds, or nothing.
///
/// [`Extraction::Paper`] takes what the paper's expression `` ```python(.*?)``` `` (dot matches newlines, matches do not
/// overlap) finds last. Hence `` ```py ``, `` ```Python ``, bare fences and a fence that is never closed are no code
/// block, and neither is one that holds only white space or the prompt's placeholder. Empty lines before the program
/// and white space after it are cut off; indentation stays, so what CPython makes of it is CPython's verdict.
///
/// [`Extraction::Tolerant`] reads Markdown: of the blocks of Python the last one that defines the task's entry point,
/// else the longest; a bare fence is taken where no block says that it is Python.
pub fn program<'a>(response: &'a str, task: &Task, extraction: Extraction) -> Option<Cow<'a, str>> {
    match extraction {
        Extraction::Paper => paper(response).map(Cow::Borrowed),
        Extraction::Tolerant => tolerant(response, entry(task)).map(Cow::Owned),
    }
}

/// Whether an answer holds a fenced code block of any kind.
pub fn holds_block(response: &str) -> bool {
    !blocks(response).is_empty()
}

fn paper(response: &str) -> Option<&str> {
    trimmed(last_block(response)?)
}

fn trimmed(block: &str) -> Option<&str> {
    let program = without_leading_empty_lines(block).trim_end();
    (!program.is_empty() && program.trim() != PLACEHOLDER).then_some(program)
}

fn tolerant(response: &str, entry: Option<&str>) -> Option<String> {
    let blocks = blocks(response);
    let said = |block: &&Block| PYTHON.contains(&block.language.as_str());
    let bare = |block: &&Block| block.language.is_empty();
    let mut programs: Vec<&str> = blocks.iter().filter(said).filter_map(|block| trimmed(&block.code)).collect();
    if programs.is_empty() {
        programs = blocks.iter().filter(bare).filter_map(|block| trimmed(&block.code)).collect();
    }
    let defining = entry.and_then(|name| programs.iter().rfind(|program| defines(program, name)));
    // Of equally long ones the last.
    defining.or_else(|| programs.iter().max_by_key(|program| program.len())).map(|program| (*program).to_owned())
}

/// The name that the first test which calls something looks for.
fn entry(task: &Task) -> Option<&str> {
    let called = task.tests.iter().find_map(|test| match &test.check {
        Check::Call { entry, .. } => Some(entry.as_str()),
        Check::Stdin { .. } | Check::SqlInjection { .. } => None,
    })?;
    // `lambda kwargs: solve(**kwargs)` calls `solve`.
    let called = called.strip_prefix("lambda").and_then(|rest| rest.split_once(':')).map_or(called, |(_, body)| body);
    called.trim().split(['.', '(', '[']).next().map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a program binds this name at its top level by a definition or an assignment.
fn defines(program: &str, name: &str) -> bool {
    program.lines().any(|line| {
        let words = line.strip_prefix("async ").unwrap_or(line);
        let rest = ["def ", "class "].iter().find_map(|word| words.strip_prefix(word)).unwrap_or(words);
        rest.strip_prefix(name).is_some_and(|after| {
            let after = after.trim_start();
            if rest.len() == line.len() {
                after.starts_with('=') && !after.starts_with("==")
            } else {
                after.starts_with(['(', ':', '['])
            }
        })
    })
}

/// Last of the leftmost, shortest, non-overlapping matches.
fn last_block(response: &str) -> Option<&str> {
    let mut last = None;
    let mut rest = response;
    while let Some((_, after)) = rest.split_once(OPENING) {
        let Some((block, after)) = after.split_once(CLOSING) else { break };
        last = Some(block);
        rest = after;
    }
    last
}

fn without_leading_empty_lines(block: &str) -> &str {
    let mut program = block;
    while let Some((line, rest)) = program.split_once('\n') {
        if !line.trim().is_empty() {
            break;
        }
        program = rest;
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_python_fence_counts() {
        assert_eq!(paper("a\n```python\nx = 1\n```\nb\n```python\nx = 2\n```\n"), Some("x = 2"));
        assert_eq!(paper("```python\nx = 1\n```\nand then\n```\nx = 3\n```"), Some("x = 1"));
    }

    #[test]
    fn other_fences_and_plain_text_are_no_code() {
        for response in ["", "x = 1", "```\nx = 1\n```", "```py\nx = 1\n```", "```Python\nx = 1\n```", "``python\nx``"]
        {
            assert_eq!(paper(response), None, "{response:?}");
        }
    }

    #[test]
    fn an_unclosed_fence_is_no_code_but_an_earlier_closed_one_is() {
        assert_eq!(paper("```python\nx = 1\n"), None);
        assert_eq!(paper("```python\nx = 1\n```\n```python\nx = 2\n"), Some("x = 1"));
    }

    #[test]
    fn matches_are_leftmost_and_do_not_overlap() {
        // The first match ends at the second fence's backticks, as Python's `re.findall` has it.
        assert_eq!(paper("```python\nx = 1\n```python\ny = 2\n```"), Some("x = 1"));
        assert_eq!(paper("````python\nx = 1\n````"), Some("x = 1"));
    }

    #[test]
    fn empty_blocks_and_the_placeholder_are_no_code() {
        for response in ["```python```", "```python\n\n   \n```", "```python\nYOUR_CODE_HERE\n```"] {
            assert_eq!(paper(response), None, "{response:?}");
        }
    }

    #[test]
    fn indentation_stays_and_empty_lines_before_the_program_go() {
        assert_eq!(paper("```python  \n\n  x = 1\n  y = 2\n\n```"), Some("  x = 1\n  y = 2"));
        assert_eq!(paper("```python\r\nx = 1\r\n```"), Some("x = 1"));
        assert_eq!(paper("```python x = 1```"), Some(" x = 1"));
    }

    #[test]
    fn text_after_the_language_belongs_to_the_block_as_in_the_papers_expression() {
        assert_eq!(paper("```python3\nx = 1\n```"), Some("3\nx = 1"));
    }

    #[test]
    fn tolerant_takes_what_people_call_a_block_of_python() {
        for response in [
            "```py\nx = 1\n```",
            "```Python\nx = 1\n```",
            "~~~python\nx = 1\n~~~",
            "```python\nx = 1",
            "  ```python\n  x = 1\n  ```",
            "```\nx = 1\n```",
            "```python\nx = 1\n```\n```python-repl\n>>> x + 1 + 1\n2\n```",
            "```python\nx = 1\n```\n```\nan output that is longer\n```",
        ] {
            assert_eq!(tolerant(response, None).as_deref(), Some("x = 1"), "{response:?}");
        }
        for response in ["", "x = 1", "```sql\nselect 1\n```", "```python\nYOUR_CODE_HERE\n```", "~~~\n\n~~~"] {
            assert_eq!(tolerant(response, None), None, "{response:?}");
        }
        assert!(holds_block("```sql\nselect 1\n```") && !holds_block("x = 1"));
    }

    #[test]
    fn tolerant_prefers_the_block_that_defines_the_entry_point() {
        let response = "```python\ndef solve(x):\n    return x\n```\nUse it:\n```python\nfrom m import solve\nprint(solve(1))\nprint(solve(20000))\n```";
        assert_eq!(tolerant(response, Some("solve")).as_deref(), Some("def solve(x):\n    return x"));
        assert!(tolerant(response, None).is_some_and(|program| program.contains("20000")), "the longest");
        let draft = "```python\ndef solve(x): return 0  # a long first draft\n```\n```python\nsolve = abs\n```";
        assert_eq!(tolerant(draft, Some("solve")).as_deref(), Some("solve = abs"), "the last that defines it");
        for (program, holds) in [
            ("async def f(): pass", true),
            ("class f: pass", true),
            ("f == 1", false),
            ("def f2(): pass", false),
            ("f(1)", false),
        ] {
            assert_eq!(defines(program, "f"), holds, "{program}");
        }
    }

    #[test]
    fn the_entry_point_is_the_first_name_of_the_expression() {
        let name = |entry: &str| {
            let test = serde_json::json!({"kind": "call", "entry": entry, "expected": {"raises": ["E"]}});
            let task: Task = serde_json::from_value(
                serde_json::json!({"id": "1", "dataset": "d", "split": "s", "prompt": [], "tests": [test], "quality": []}),
            )
            .unwrap();
            super::entry(&task).map(str::to_owned)
        };
        assert_eq!(name("Solution().solve").as_deref(), Some("Solution"));
        assert_eq!(name("lambda kwargs: solve(**kwargs)").as_deref(), Some("solve"));
        assert_eq!(name("solve").as_deref(), Some("solve"));
    }
}
