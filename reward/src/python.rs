//! What can be read of Python without a parser: answers hold what no parser takes.

/// Where in Python's strings a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    /// The quotation mark of the triple-quoted string that is open.
    triple: Option<u8>,
    /// That of another string, which only a backslash takes over the end of a line.
    single: Option<u8>,
}

/// What a part of a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    String,
    Comment,
}

impl Strings {
    /// Whether a triple-quoted string is open.
    pub(crate) fn inside_triple(self) -> bool {
        self.triple.is_some()
    }

    /// Goes over a line.
    pub(crate) fn line(&mut self, line: &str) {
        self.walk(line, |_, _| {});
    }

    /// Goes over a line, byte by byte.
    fn walk(&mut self, line: &str, mut see: impl FnMut(usize, Part)) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let three = bytes[at..].starts_with(&[byte; 3]);
            let (part, width) = match (self.triple, self.single, byte) {
                (Some(_), _, b'\\') | (None, Some(_), b'\\') => (Part::String, 2),
                (Some(mark), _, _) if byte == mark && three => {
                    self.triple = None;
                    (Part::String, 3)
                }
                (None, None, b'\'' | b'"') if three => {
                    self.triple = Some(byte);
                    (Part::String, 3)
                }
                (None, None, b'\'' | b'"') => {
                    self.single = Some(byte);
                    (Part::String, 1)
                }
                (None, Some(mark), _) if byte == mark => {
                    self.single = None;
                    (Part::String, 1)
                }
                (None, None, b'#') => {
                    (at..bytes.len()).for_each(|at| see(at, Part::Comment));
                    return;
                }
                (None, None, _) => (Part::Code, 1),
                _ => (Part::String, 1),
            };
            (at..bytes.len().min(at + width)).for_each(|at| see(at, part));
            at += width;
        }
        if !line.ends_with('\\') {
            self.single = None;
        }
    }
}

/// A statement or the head of one, without its comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    /// White space before it.
    pub(crate) indent: usize,
    /// Its code, in which each string is `""`.
    pub(crate) code: String,
    /// Its code with what the strings hold.
    pub(crate) text: String,
}

/// The statements of a program, those inside of others included. Linear in its length.
pub(crate) fn statements(program: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut open = Statement::default();
    let (mut strings, mut depth, mut fresh) = (Strings::default(), 0_usize, true);
    let mut end = |statement: &mut Statement| {
        let Statement { indent, code, text } = std::mem::take(statement);
        let (code, text) = (code.trim().to_owned(), text.split_whitespace().collect::<Vec<_>>().join(" "));
        if !text.is_empty() {
            found.push(Statement { indent, code, text });
        }
        statement.indent = indent;
    };
    for line in program.split(['\n', '\r']) {
        if fresh {
            open.indent = line.len() - line.trim_start_matches([' ', '\t', '\u{c}']).len();
        }
        let before = strings;
        let mut kept = Vec::with_capacity(line.len());
        strings.walk(line, |at, part| kept.push((at, part)));
        let (mut from, mut last) = (0, before.triple.or(before.single).map_or(Part::Code, |_| Part::String));
        for (at, part) in kept {
            let byte = line.as_bytes()[at];
            if part == Part::Comment {
                break;
            }
            if part == Part::String && last == Part::Code {
                open.code.push_str("\"\"");
            }
            last = part;
            if part == Part::String {
                continue;
            }
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                b';' if depth == 0 => {
                    open.text.push_str(&line[from..at]);
                    from = at + 1;
                    end(&mut open);
                    continue;
                }
                _ => {}
            }
            open.code.push(if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' });
        }
        let comment = comment_of(before, line);
        open.text.push_str(line.get(from..comment).unwrap_or_default());
        open.text.push(' ');
        fresh = depth == 0 && !strings.inside_triple() && !line.ends_with('\\');
        if fresh {
            end(&mut open);
        } else {
            open.code.push(' ');
        }
    }
    end(&mut open);
    found
}

/// Where the comment of a line begins, or the line ends.
fn comment_of(mut strings: Strings, line: &str) -> usize {
    let mut comment = line.len();
    strings.walk(line, |at, part| {
        if part == Part::Comment {
            comment = comment.min(at);
        }
    });
    comment
}

/// How a program comes to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binding {
    /// It imports it, as an example of how to use it does.
    Import,
    /// It defines or assigns it.
    Definition,
}

/// How a program binds a name at its top level, also inside `if`, `try` and the like.
pub(crate) fn binding(program: &str, name: &str) -> Option<Binding> {
    let mut body_of: Option<usize> = None;
    let mut best = None;
    for Statement { indent, code, .. } in statements(program) {
        if body_of.is_some_and(|head| indent > head) {
            continue;
        }
        body_of = None;
        let words = after_word(&code, "async").unwrap_or(&code);
        if let Some(rest) = ["def", "class"].iter().find_map(|word| after_word(words, word)) {
            body_of = Some(indent);
            if name_at_start(rest) == name {
                return Some(Binding::Definition);
            }
        } else if after_word(words, "import").is_some() || after_word(words, "from").is_some() {
            let names = words.split_once("import").map_or("", |(_, names)| names);
            let bound = |part: &str| part.trim_matches(['(', ')', ' ']).split_whitespace().last() == Some(name);
            if names.split(',').any(bound) {
                best = Some(Binding::Import);
            }
        } else if assigns(&code, name) {
            return Some(Binding::Definition);
        }
    }
    best
}

/// What follows a word at the beginning, where it is one.
fn after_word<'a>(code: &'a str, word: &str) -> Option<&'a str> {
    let rest = code.strip_prefix(word)?;
    rest.starts_with([' ', '\t']).then(|| rest.trim_start())
}

fn name_at_start(text: &str) -> &str {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
}

/// Whether the name is among the targets of an assignment.
fn assigns(code: &str, name: &str) -> bool {
    let bytes = code.as_bytes();
    let (mut depth, mut from) = (0_usize, 0);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'=' if depth == 0 => {
                if bytes.get(at + 1) == Some(&b'=') || at > 0 && b"=!<>:+-*/%&|^@".contains(&bytes[at - 1]) {
                    return false;
                }
                let target = code[from..at].split(':').next().unwrap_or_default();
                if target.split(',').any(|part| part.trim_matches([' ', '\t', '(', ')', '[', ']', '*']) == name) {
                    return true;
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(program: &str) -> Vec<String> {
        statements(program).into_iter().map(|statement| statement.code).collect()
    }

    #[test]
    fn statements_have_neither_comments_nor_what_their_strings_hold() {
        assert_eq!(codes("x = 'a # b'  # c\n\n# d\ny = 1; z = [1,\n  2]\n"), ["x = \"\"", "y = 1", "z = [1,   2]"]);
        assert_eq!(
            codes("def f():\n    \"\"\"a\n    ```\n    \"\"\"\n    return 'x\\\n y'"),
            ["def f():", "\"\"", "return \"\""]
        );
        assert_eq!(
            codes("x = 1 + \\\n  2\nif x:\n\ty = f(\"\"\"a;\nb\"\"\", 1)"),
            ["x = 1 + \\   2", "if x:", "y = f(\"\" , 1)"]
        );
        let texts: Vec<_> = statements("x  =   'a # b' # c\nprint( 1 );pass").into_iter().map(|s| s.text).collect();
        assert_eq!(texts, ["x = 'a # b'", "print( 1 )", "pass"]);
        assert_eq!(codes("é = 'ü'  # ö\n"), ["\u{fffd}\u{fffd} = \"\""]);
    }

    #[test]
    fn a_name_is_bound_by_what_stands_at_the_top_level() {
        for program in [
            "def f(x): pass",
            "def  f (x):\n  pass",
            "async def f(): pass",
            "def f[T](x: T) -> T: return x",
            "class f: pass",
            "@decorated\nclass f(Base):\n    pass",
            "f = 1",
            "f: object = abs",
            "a, (f, *b) = 1, (2, 3)",
            "a = f = lambda: 0",
            "if True:\n    def f(): pass",
            "try:\n    import g\nexcept ImportError:\n    f = None",
            "def g():\n    pass\nf = g",
            "x = (\n1)\nf = x",
        ] {
            assert_eq!(binding(program, "f"), Some(Binding::Definition), "{program}");
        }
        for program in ["from m import f", "from m import (a,\n  g as f)", "import f", "import a.b as f"] {
            assert_eq!(binding(program, "f"), Some(Binding::Import), "{program}");
        }
        for program in [
            "f == 1",
            "def f2(): pass",
            "f(1)",
            "x = '''\ndef f(): pass\n'''",
            "class A:\n    def f(self): pass\n    f = 1",
            "def g():\n    f = 1\n    def f(): pass",
            "g(f=1)",
            "f += 1",
            "f.x = 1",
            "x = \"a, f, b = 1\"",
            "# f = 1",
            "x = f",
            "from f import g",
            "assert f(1) == 1, f",
        ] {
            assert_eq!(binding(program, "f"), None, "{program}");
        }
    }
}
