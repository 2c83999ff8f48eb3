//! Fenced code blocks of an answer, by the rules of `CommonMark` (§4.5, within quotations §5.1 and list items §5.2), with liberties:
//!
//! * a fence may be indented as far as a list item is, and invisible letters beside it do not count;
//! * a fence inside a triple-quoted Python string does not close the block;
//! * within a block another fence of Python begins a new block: the first was never closed, or shows Markdown;
//! * a block of Python may begin at the end of a line of text, and where no line closes it, it ends where marks of its fence
//!   stand at the end of a line or at the beginning of one with text after them.

use std::borrow::Cow;

use crate::python::Strings;

/// White space and letters without a width, which models write beside fences.
const UNSEEN: [char; 8] = [' ', '\t', '\u{a0}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];

/// Blocks with a string that is never closed, or without a closing line, for which the rest of the text is looked through: each
/// costs its length.
const LOOKS: u32 = 16;

/// A fenced code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// First word of the info string in lower case; empty for a bare fence.
    pub(crate) language: String,
    /// Content, without the fence's own indentation.
    pub(crate) code: String,
}

struct Fence {
    mark: char,
    length: usize,
    /// Quotation marks (`>`) that each line of the block begins with.
    quoted: usize,
    /// White space and list markers after those.
    indent: usize,
    info: String,
}

impl Fence {
    /// First word of the info string in lower case.
    fn language(&self) -> String {
        let language = self.info.trim_start_matches(['{', '.', ' ']);
        let language = language.split(|c: char| c.is_whitespace() || ",:{}".contains(c)).next().unwrap_or_default();
        language.to_lowercase()
    }

    fn is_python(&self) -> bool {
        is_python(&self.language())
    }

    /// Whether it begins a block of Python inside another one.
    fn replaces(&self, outer: &Self) -> bool {
        self.mark == outer.mark && self.length >= outer.length && self.is_python()
    }
}

/// Whether the first word of an info string, in lower case, says Python 3.
pub(crate) fn is_python(language: &str) -> bool {
    let version = language.strip_prefix("python").or_else(|| language.strip_prefix("py"));
    version.is_some_and(|version| {
        version.is_empty()
            || version.starts_with('3') && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// All blocks in their order; one that is never closed ends with the text. Linear in the text's length.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let text =
        if text.contains('\r') { Cow::from(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text.into() };
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let (mut at, mut looks) = (0, LOOKS);
    while at < lines.len() {
        let Some(fence) = opening(lines[at]).or_else(|| opening_after_text(lines[at])) else {
            at += 1;
            continue;
        };
        let (end, block) = read(&lines, at + 1, &fence, &mut looks);
        found.push(block);
        at = end;
    }
    found
}

/// Where a block ends: its last line, how much of the next one is code too, and where what comes after it begins.
#[derive(Clone, Copy)]
struct End {
    line: usize,
    more: usize,
    next: usize,
}

/// The block after a fence, and the line that comes after it.
fn read(lines: &[&str], start: usize, fence: &Fence, looks: &mut u32) -> (usize, Block) {
    let mut strings = Strings::default();
    // What ends the block if nothing better does.
    let (mut inside_string, mut loose): (Option<End>, Option<End>) = (None, None);
    let mut end = None;
    let mut code = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(start) {
        let Some(line) = unquoted(line, fence.quoted) else {
            end = Some(End { line: at, more: 0, next: at });
            break;
        };
        let closed = closes(line, fence);
        if closed || opening(line).is_some_and(|inner| inner.replaces(fence)) {
            let here = End { line: at, more: 0, next: at + usize::from(closed) };
            if !strings.inside_triple() || *looks == 0 {
                end = Some(if closed { here } else { loose.unwrap_or(here) });
                break;
            }
            inside_string.get_or_insert(here);
        }
        let text = unindented(line, fence.indent);
        if loose.is_none() && fence.is_python() && !strings.inside_triple() {
            loose = loose_end(text, fence, at);
        }
        strings.line(line);
        code.push(text);
    }
    if end.is_none() {
        *looks = looks.saturating_sub(1);
    }
    // A string that is never closed either: its quotes were no quotes.
    let whole = End { line: lines.len(), more: 0, next: lines.len() };
    let end = end.or(inside_string).or(loose.filter(|_| *looks > 0)).unwrap_or(whole);
    let rest = code.get(end.line - start).map_or("", |line| &line[..end.more]);
    code.truncate(end.line - start);
    code.extend(Some(rest).filter(|rest| !rest.is_empty()));
    (end.next, Block { language: fence.language(), code: code.join("\n") })
}

/// The end of a block whose closing marks share their line with code before or text after them.
fn loose_end(line: &str, fence: &Fence, at: usize) -> Option<End> {
    let marks = |count: usize| count >= fence.length;
    let (left, right) = (line.trim_start_matches(UNSEEN), line.trim_end_matches(UNSEEN));
    if marks(left.len() - left.trim_start_matches(fence.mark).len()) {
        return Some(End { line: at, more: 0, next: at + usize::from(opening(line).is_none()) });
    }
    let code = right.trim_end_matches(fence.mark);
    marks(right.len() - code.len()).then_some(End { line: at, more: code.len(), next: at + 1 })
}

/// A line without the marks of as many quotations; nothing where it is outside of them.
fn unquoted(line: &str, times: usize) -> Option<&str> {
    let mut rest = line;
    for _ in 0..times {
        rest = rest.trim_start_matches([' ', '\t']).strip_prefix('>')?;
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Some(rest)
}

/// What follows the marker of a list item (`- `, `2. `), where there is one.
fn after_marker(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches([' ', '\t']);
    let digits = rest.bytes().take(9).take_while(u8::is_ascii_digit).count();
    let after = if digits > 0 { rest[digits..].strip_prefix(['.', ')'])? } else { rest.strip_prefix(['-', '+', '*'])? };
    after.starts_with([' ', '\t']).then_some(after)
}

fn opening(line: &str) -> Option<Fence> {
    let (mut inner, mut quoted) = (line, 0);
    while let Some(rest) = unquoted(inner, 1) {
        (inner, quoted) = (rest, quoted + 1);
    }
    let mut rest = inner;
    while let Some(after) = after_marker(rest) {
        rest = after;
    }
    let rest = rest.trim_start_matches(UNSEEN);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = rest.len() - rest.trim_start_matches(mark).len();
    let info = rest[length..].trim_matches(UNSEEN);
    (length >= 3 && !(mark == '`' && info.contains('`'))).then(|| Fence {
        mark,
        length,
        quoted,
        indent: inner[..inner.len() - rest.len()].bytes().filter(u8::is_ascii).count(),
        info: info.to_owned(),
    })
}

/// A fence of Python at the end of a line of text.
fn opening_after_text(line: &str) -> Option<Fence> {
    let (before, info) = line.trim_end_matches(UNSEEN).rsplit_once("```")?;
    let fence = Fence { mark: '`', length: 3, quoted: 0, indent: 0, info: info.to_owned() };
    let apart = before.ends_with([' ', '\t', ':']) && !before.contains('`');
    (apart && is_python(&info.to_lowercase())).then_some(fence)
}

fn closes(line: &str, fence: &Fence) -> bool {
    let rest = line.trim_start_matches(UNSEEN);
    let inner = rest.trim_end_matches(|letter: char| letter.is_whitespace() || UNSEEN.contains(&letter));
    line.len() - rest.len() <= fence.indent + 3
        && inner.len() >= fence.length
        && inner.chars().all(|letter| letter == fence.mark)
}

fn unindented(line: &str, indent: usize) -> &str {
    let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
    &line[blank.min(indent)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        blocks(text).into_iter().map(|block| (block.language, block.code)).collect()
    }

    fn one(language: &str, code: &str) -> Vec<(String, String)> {
        vec![(language.to_owned(), code.to_owned())]
    }

    #[test]
    fn fences_of_both_kinds_with_any_info_string() {
        assert_eq!(read("a\n```py\nx = 1\n```\nb"), one("py", "x = 1"));
        assert_eq!(read("~~~ Python title=\"a\"\nx = 1\n```\n~~~~\n"), one("python", "x = 1\n```"));
        assert_eq!(read("```{.python}\nx\n```"), one("python", "x"));
        assert_eq!(read("```\nx\n```"), one("", "x"));
        assert_eq!(read("`````python\n```\n`````"), one("python", "```"));
        assert!(
            read("``python\nx``").is_empty() && read("say ```x``` inline").is_empty() && read("```a`b\nx").is_empty()
        );
    }

    #[test]
    fn unclosed_and_indented_blocks() {
        assert_eq!(read("```python\nx = 1\ny = 2"), one("python", "x = 1\ny = 2"));
        assert_eq!(
            read("1. so:\n\n     ```python\n     if x:\n         y\n     ```\nb"),
            one("python", "if x:\n    y")
        );
    }

    #[test]
    fn blocks_in_lists_and_quotations() {
        assert_eq!(read("1. ```python\n   if x:\n       y\n   ```\n2. z"), one("python", "if x:\n    y"));
        assert_eq!(read("- so\n- ```py\n  x\n  ```\n```\ny\n```").len(), 2);
        assert_eq!(read("> ```python\n> x = 1\n>\n>   y\n> ```\nz"), one("python", "x = 1\n\n  y"));
        assert_eq!(read("> - ```python\n>   x = 1\nout of it"), one("python", "x = 1"));
        assert_eq!(read("\t```python\n\tx = 1\n\t```\nb"), one("python", "x = 1"));
        assert_eq!(read("```python\r\nx = 1\r\n```\r\ny"), one("python", "x = 1"));
        assert_eq!(read("```python\rx = 1\r```"), one("python", "x = 1"));
        // No markers: no space, or ten digits.
        assert!(read("-```python\nx\n").is_empty() && read("1234567890. ~~~python\nx\n").is_empty());
    }

    #[test]
    fn a_draft_that_was_never_closed_ends_where_the_next_block_begins() {
        let draft = "```python\ndef f(:\n\n```python\ndef f(): pass\n```\n";
        assert_eq!(read(draft).last(), one("python", "def f(): pass").last());
        let nested = "````markdown\n```python\nx\n```\n````";
        assert_eq!(read(nested), one("markdown", "```python\nx\n```"));
        let example = "```python\n\"\"\"\n```python\nf()\n```\n\"\"\"\nx\n```";
        assert_eq!(read(example).len(), 1);
    }

    #[test]
    fn a_fence_inside_a_string_closes_nothing() {
        let code = "def f():\n    \"\"\"As in\n```\nf()\n```\n\"\"\"\n    return '```'";
        assert_eq!(read(&format!("```python\n{code}\n```\nand\n")), one("python", code));
        let odd = read("```python\nx = \"\"\" # open\n```\ntext\n```sql\nselect 1\n```");
        assert_eq!(odd[0].1, "x = \"\"\" # open", "{odd:?}");
        assert_eq!(read("```python\n# it's \"\"\" no string\nx\n```\n")[0].1, "# it's \"\"\" no string\nx");
    }
}
