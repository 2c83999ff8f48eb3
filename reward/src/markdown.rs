//! Fenced code blocks of an answer, by the rules of `CommonMark` (§4.5), with two liberties: a fence may be indented as
//! far as a list item is, and a fence inside a triple-quoted Python string does not close the block.

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
    indent: usize,
    info: String,
}

/// All blocks in their order; one that is never closed ends with the text. Linear in the text's length.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
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
        at = end + 1;
    }
    found
}

/// The block after a fence, and the line that closes it.
fn read(lines: &[&str], start: usize, fence: &Fence) -> (usize, Block) {
    let mut quotes = Quotes::default();
    let mut first_close = None;
    let mut end = lines.len();
    for (at, line) in lines.iter().enumerate().skip(start) {
        if closes(line, fence) {
            if !quotes.inside_triple() {
                end = at;
                break;
            }
            first_close.get_or_insert(at);
        }
        quotes.line(line);
    }
    if end == lines.len()
        && let Some(close) = first_close
    {
        // The string is never closed either: its quotes were no quotes.
        end = close;
    }
    let code = lines[start..end].iter().map(|line| unindented(line, fence.indent)).collect::<Vec<_>>().join("\n");
    let language = fence.info.trim_start_matches(['{', '.']);
    let language = language.split(|c: char| c.is_whitespace() || ",:{}".contains(c)).next().unwrap_or_default();
    (end, Block { language: language.to_lowercase(), code })
}

fn opening(line: &str) -> Option<Fence> {
    let rest = line.trim_start_matches([' ', '\t']);
    let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = rest.len() - rest.trim_start_matches(mark).len();
    let info = rest[length..].trim();
    (length >= 3 && !(mark == '`' && info.contains('`'))).then(|| Fence {
        mark,
        length,
        indent: line.len() - rest.len(),
        info: info.to_owned(),
    })
}

fn closes(line: &str, fence: &Fence) -> bool {
    let rest = line.trim_start_matches(' ');
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
    fn a_fence_inside_a_string_closes_nothing() {
        let code = "def f():\n    \"\"\"As in\n```\nf()\n```\n\"\"\"\n    return '```'";
        assert_eq!(read(&format!("```python\n{code}\n```\nand\n")), one("python", code));
        let odd = read("```python\nx = \"\"\" # open\n```\ntext\n```sql\nselect 1\n```");
        assert_eq!(odd[0].1, "x = \"\"\" # open", "{odd:?}");
        assert_eq!(read("```python\n# it's \"\"\" no string\nx\n```\n")[0].1, "# it's \"\"\" no string\nx");
    }
}
