//! The program inside an answer.

use crate::Profile;

const OPENING: &str = "```python";
const CLOSING: &str = "```";
/// Placeholder of the paper's prompt template; an answer that repeats it holds no program.
const PLACEHOLDER: &str = "YOUR_CODE_HERE";

/// The program that an answer holds, or nothing.
///
/// [`Profile::Paper`] takes what the paper's expression `` ```python(.*?)``` `` (dot matches newlines, matches do not
/// overlap) finds last. Hence `` ```py ``, `` ```Python ``, bare fences and a fence that is never closed are no code
/// block, and neither is one that holds only white space or the prompt's placeholder. Empty lines before the program
/// and white space after it are cut off; indentation stays, so what CPython makes of it is CPython's verdict.
pub fn program(response: &str, profile: Profile) -> Option<&str> {
    let Profile::Paper = profile;
    let block = last_block(response)?;
    let program = without_leading_empty_lines(block).trim_end();
    (!program.is_empty() && program.trim() != PLACEHOLDER).then_some(program)
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

    fn paper(response: &str) -> Option<&str> {
        program(response, Profile::Paper)
    }

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
}
