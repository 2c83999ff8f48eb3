//! Fenced code blocks of an answer, by the rules of `CommonMark` (§4.5, within quotations §5.1 and list items §5.2), with three liberties:
//! a fence may be indented as far as a list item is; a fence inside a triple-quoted Python string does not close the block;
//! and within a block of Python another fence of Python begins a new block, because the first was never closed.

use std::borrow::Cow;

/// Info strings of Python, in lower case.
pub(crate) const PYTHON: [&str; 4] = ["python", "py", "python3", "py3"];

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
        let language = self.info.trim_start_matches(['{', '.']);
        let language = language.split(|c: char| c.is_whitespace() || ",:{}".contains(c)).next().unwrap_or_default();
        language.to_lowercase()
    }

    fn is_python(&self) -> bool {
        PYTHON.contains(&self.language().as_str())
    }

    /// Whether it begins a block of Python inside one that was never closed.
    fn replaces(&self, outer: &Self) -> bool {
        self.mark == outer.mark && self.length >= outer.length && self.is_python()
    }
}

/// All blocks in their order; one that is never closed ends with the text. Linear in the text's length.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let text =
        if text.contains('\r') { Cow::from(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text.into() };
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(fence) = opening(lines[at]) else {
            at += 1;
            continue;
        };
        let (end, block) = read(&lines, at + 1, &fence);
        found.push(block);
        at = end;
    }
    found
}

/// The block after a fence, and the line that comes after it.
fn read(lines: &[&str], start: usize, fence: &Fence) -> (usize, Block) {
    let mut quotes = Quotes::default();
    let mut first_close = None;
    // Where the block ends, and where what comes after it begins.
    let mut end = None;
    let mut code = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(start) {
        let Some(line) = unquoted(line, fence.quoted) else {
            end = Some((at, at));
            break;
        };
        if closes(line, fence) {
            if !quotes.inside_triple() {
                end = Some((at, at + 1));
                break;
            }
            first_close.get_or_insert((at, at + 1));
        }
        if !quotes.inside_triple() && fence.is_python() && opening(line).is_some_and(|inner| inner.replaces(fence)) {
            end = Some((at, at));
            break;
        }
        quotes.line(line);
        code.push(unindented(line, fence.indent));
    }
    // A string that is never closed either: its quotes were no quotes.
    let (end, next) = end.or(first_close).unwrap_or((lines.len(), lines.len()));
    code.truncate(end - start);
    (next, Block { language: fence.language(), code: code.join("\n") })
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
    let rest = rest.trim_start_matches([' ', '\t']);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = rest.len() - rest.trim_start_matches(mark).len();
    let info = rest[length..].trim();
    (length >= 3 && !(mark == '`' && info.contains('`'))).then(|| Fence {
        mark,
        length,
        quoted,
        indent: inner.len() - rest.len(),
        info: info.to_owned(),
    })
}

fn closes(line: &str, fence: &Fence) -> bool {
    let rest = line.trim_start_matches([' ', '\t']);
    let inner = rest.trim_end();
    line.len() - rest.len() <= fence.indent + 3
        && inner.len() >= fence.length
        && inner.chars().all(|letter| letter == fence.mark)
}

fn unindented(line: &str, indent: usize) -> &str {
    let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
    &line[blank.min(indent)..]
}

/// Where in Python's strings a text is, line by line.
#[derive(Default)]
struct Quotes {
    /// The quotation mark of the triple-quoted string that is open.
    triple: Option<u8>,
}

impl Quotes {
    fn inside_triple(&self) -> bool {
        self.triple.is_some()
    }

    fn line(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut single = None;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let three = bytes[at..].starts_with(&[byte; 3]);
            match (self.triple, single, byte) {
                (Some(_), _, b'\\') | (None, Some(_), b'\\') => at += 1,
                (Some(mark), _, _) if byte == mark && three => {
                    self.triple = None;
                    at += 2;
                }
                (None, None, b'\'' | b'"') if three => {
                    self.triple = Some(byte);
                    at += 2;
                }
                (None, None, b'\'' | b'"') => single = Some(byte),
                (None, Some(mark), _) if byte == mark => single = None,
                (None, None, b'#') => return,
                _ => {}
            }
            at += 1;
        }
    }
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
        assert!(read("-```python\nx\n").is_empty() && read("1234567890. ```python\nx\n").is_empty());
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
