//! The program inside an answer.

use std::borrow::Cow;

use real_datasets::Task;
use real_sandbox_api::Check;

use crate::Extraction;
use crate::markdown::{Block, blocks, is_python};
use crate::python::{Binding, binding, statements};
use crate::wrapped;

const OPENING: &str = "```python";
const CLOSING: &str = "```";
/// Ends of what models write before their answer, for themselves.
const ENDS_OF_THOUGHT: [&str; 4] = ["</think>", "</thinking>", "</thought>", "</reasoning>"];
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
/// else the longest; a bare fence is taken where no block says that it is Python. A block that only imports the entry point is an
/// example of its use, unless no other has it. What stands before `</think>` is no part of the answer. Where no fence holds a program, one
/// is looked for in elements of HTML and XML, in notebooks and tool calls as JSON, and in diffs.
pub fn program<'a>(response: &'a str, task: &Task, extraction: Extraction) -> Option<Cow<'a, str>> {
    match extraction {
        Extraction::Paper => paper(response).map(Cow::Borrowed),
        Extraction::Tolerant => tolerant(response, entry(task)).map(Cow::Owned),
    }
}

/// Whether an answer holds a fenced code block of any kind.
pub fn holds_block(response: &str) -> bool {
    let blocks = blocks(response);
    !blocks.is_empty() || !wrapped::programs(response, &blocks).is_empty()
}

fn paper(response: &str) -> Option<&str> {
    trimmed(last_block(response)?)
}

fn trimmed(block: &str) -> Option<&str> {
    let program = without_leading_empty_lines(block).trim_end();
    (!program.is_empty() && program.trim() != PLACEHOLDER).then_some(program)
}

fn tolerant(response: &str, entry: Option<&str>) -> Option<String> {
    let answer = after_thought(response);
    let blocks = blocks(answer);
    let said = |block: &&Block| is_python(&block.language);
    let bare = |block: &&Block| block.language.is_empty();
    let of = |kind: &dyn Fn(&&Block) -> bool| -> Vec<&str> {
        blocks.iter().filter(kind).filter_map(|block| trimmed(&block.code)).collect()
    };
    let wrapped;
    let mut programs = of(&said);
    if programs.is_empty() {
        programs = of(&bare);
        programs.retain(|program| is_like_a_program(program));
    }
    if programs.is_empty() {
        wrapped = wrapped::programs(answer, &blocks);
        programs = wrapped.iter().filter_map(|program| trimmed(program)).collect();
        programs.retain(|program| is_like_a_program(program));
    }
    if programs.is_empty() {
        programs = of(&bare);
    }
    let bound: Vec<_> =
        entry.map_or_else(Vec::new, |name| programs.iter().map(|program| binding(program, name)).collect());
    let binds = |how: Binding| Some(programs[bound.iter().rposition(|bound| *bound == Some(how))?]);
    // Of equally long ones the last.
    binds(Binding::Definition)
        .or_else(|| binds(Binding::Import))
        .or_else(|| programs.iter().copied().max_by_key(|program| program.len()))
        .map(str::to_owned)
}

/// What follows a model's thoughts, where it marks them: a mark begins its line or ends it.
fn after_thought(response: &str) -> &str {
    let (mut from, mut at) = (0, 0);
    for line in response.split_inclusive('\n') {
        let (left, right) = (line.trim_start(), line.trim_end());
        for mark in ENDS_OF_THOUGHT {
            if left.starts_with(mark) {
                from = at + line.len() - left.len() + mark.len();
            }
            if right.ends_with(mark) {
                from = at + right.len();
            }
        }
        at += line.len();
    }
    &response[from..]
}

/// Whether a text without a language may be a program: outputs of programs seldom assign, call or import.
fn is_like_a_program(text: &str) -> bool {
    let begins = |code: &str| ["import ", "from ", "def ", "class "].iter().any(|word| code.starts_with(word));
    statements(text).iter().any(|statement| begins(&statement.code) || statement.code.contains(['=', '(']))
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
    }

    const SOLUTION: &str = "def solve(x):\n    return x";

    #[test]
    fn an_example_of_use_is_no_solution_however_long_it_is() {
        let usage = "print(solve(1), solve(2), solve(3))\n".repeat(4);
        for solution in [
            SOLUTION,
            "def  solve (x):\n    return x",
            "def solve[T](x: T) -> T:\n    return x",
            "solve: object = abs",
            "solve, other = abs, abs",
            "try:\n    from math import gcd as other\nexcept ImportError:\n    solve = None",
        ] {
            for example in [
                usage.clone(),
                format!("from main import solve\n{usage}"),
                format!("code = \"\"\"\ndef solve(x): pass\n\"\"\"\n{usage}"),
            ] {
                let response = format!("```python\n{solution}\n```\nUse it so:\n```python\n{example}\n```\n");
                assert_eq!(tolerant(&response, Some("solve")).as_deref(), Some(solution), "{response}");
            }
        }
        let imported = format!("```python\nfrom math import gcd as solve\n```\n```python\n{usage}\n```");
        assert_eq!(tolerant(&imported, Some("solve")).as_deref(), Some("from math import gcd as solve"));
        let outputs = format!("```\nprint(input())\n```\nprints\n```\n{}\n```", "1 2 3\n".repeat(20));
        assert_eq!(tolerant(&outputs, None).as_deref(), Some("print(input())"), "outputs are no programs");
    }

    #[test]
    fn what_a_model_thinks_is_no_part_of_its_answer() {
        let draft = format!("maybe\n```python\n{}\n```\n", "print(0)  # long\n".repeat(9));
        for (before, after) in [
            ("<think>\n", "</think>\n"),
            ("", "</think>"),
            ("<thinking>", "so be it.</thinking>\n"),
            ("", "  </reasoning> Here:\n"),
        ] {
            let answer = format!("{before}{draft}{after}\n```python\nprint(1)\n```\n");
            assert_eq!(tolerant(&answer, None).as_deref(), Some("print(1)"), "{answer}");
            assert_eq!(tolerant(&format!("{before}{draft}{after}\nI give up."), None), None);
        }
        let printing = "```python\nprint('</think>', 1)\n```";
        assert_eq!(tolerant(printing, None).as_deref(), Some("print('</think>', 1)"));
        let unclosed = format!("```python\ns = \"\"\"\n```python\n{SOLUTION}\n```");
        assert_eq!(tolerant(&unclosed, Some("solve")).as_deref(), Some(SOLUTION));
    }

    #[test]
    fn other_wrappings_count_where_no_fence_holds_a_program() {
        for answer in [
            format!("<pre><code>{SOLUTION}</code></pre>"),
            format!("```json\n{}\n```", serde_json::json!({"name": "python", "arguments": {"code": SOLUTION}})),
            format!("<think>\n```python\nprint(0)\n```\n</think>\n<answer>\n{SOLUTION}\n</answer>"),
            format!("\'\'\'python\r\n{}\r\n\'\'\'\r\n", SOLUTION.replace('\n', "\r\n")),
            format!("```\n{SOLUTION}\n```\n<pre>solve(1) == solve(2)\nsolve(3) == solve(4)</pre>"),
            format!("```python\n{SOLUTION}\n```\n<answer>solve = long_other_thing(1, 2, 3)\n</answer>"),
        ] {
            assert_eq!(tolerant(&answer, Some("solve")).as_deref(), Some(SOLUTION), "{answer}");
        }
        for answer in
            ["<pre>an output</pre>", "```json\n{\"a\": 1}\n```", "<answer>YES</answer>", "{\"answer\": \"x = 1\"}"]
        {
            assert_eq!(tolerant(answer, None), None, "{answer}");
        }
        assert!(holds_block("<pre>x = 1</pre>"));
        assert_eq!(paper("<pre>x = 1</pre>"), None);
    }

    #[test]
    fn fences_as_models_write_them() {
        for (before, after) in [
            ("```python3.11\n", "\n```"),
            ("``` {python}\n", "\n```"),
            ("\u{feff}```python\n", "\n```"),
            ("\u{200b}```python\u{200b}\n", "\n```\u{200b}\nbye"),
            ("Here it is: ```python\n", "\n```"),
            ("```python\n", "```"),
            ("```python\n", "```\n\nThis returns x.\n"),
            ("```python\n", "\n``` end of code\n\nIt returns x."),
            ("```markdown\n```python\n", "\n```\n```"),
            ("```\nnotes that are never closed\n```python\n", "\n```"),
            ("```text\n```python\n", "\n```\n```\nand\n```sql\nselect 1\n```"),
            ("```python\ns = \"\"\"\n\n```python\n", "\n```\nbye"),
            ("```diff\n-a\n+b\n```\n```py\n", "\n```\n```pycon\n>>> solve(11111111111111111111111)\n```"),
            ("~~~~py\n", "\n~~~~~"),
        ] {
            let response = format!("{before}{SOLUTION}{after}");
            assert_eq!(tolerant(&response, Some("solve")).as_deref(), Some(SOLUTION), "{response:?}");
        }
        for response in ["```python2\nprint 1\n```", "```pycharm\nx = 1\n```", "use `x` and ```python\nx = 1\n"] {
            assert_eq!(tolerant(response, None), None, "{response:?}");
        }
    }

    /// Some of them take minutes where a block costs the length of the text.
    #[test]
    fn long_answers_end() {
        let fences = |block: &str| block.repeat((1 << 17) / block.len());
        for text in [
            fences("```python\n\\\"\"\"\n```\n"),
            fences("```python\nx```\n~~~python\nx~~~\n"),
            fences("```python\n"),
            fences("```"),
            fences("> "),
            fences("- "),
            fences("</think>"),
            fences("~~~sql\n```sql\n"),
            format!("```python\n{}", fences("solve = (\n")),
            format!("```python\n{}", fences("a = '\\\n")),
            format!("```python\n{}", fences("x;")),
            fences("<code>"),
            fences("<pre x"),
            fences("<answer><pre>x = 1</pre>"),
            fences("[PYTHON]"),
            fences("\'\'\'python\n"),
            fences("{\"code\":["),
        ] {
            let found = tolerant(&text, Some("solve"));
            assert!(found.is_none_or(|program| program.len() <= text.len()));
            let _ = paper(&text);
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
