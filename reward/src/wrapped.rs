//! Programs in other wrappings than fences of Markdown: elements of HTML and XML, tool calls and notebooks as JSON, diffs, and
//! fences of letters that only look like the right ones. Each is looked for in time linear in the answer's length.

use serde_json::Value;

use crate::markdown::{Block, is_python};

/// Elements that hold a program: of pages, of answers with marks of their own, and of tool calls.
const ELEMENTS: [&str; 8] = ["pre", "code", "python", "answer", "solution", "parameter", "tool_call", "tool_code"];
/// Of an object, what may be a program.
const FIELDS: [&str; 5] = ["code", "python", "program", "solution", "source_code"];
/// Of an object, where the same may be inside.
const INSIDE: [&str; 4] = ["arguments", "parameters", "input", "function"];
/// Levels of objects, lists and texts of JSON within each other that are opened.
const DEEPEST: u32 = 6;
/// Letters that people and models write for a backtick or an apostrophe.
const MARKS: [char; 8] = ['\'', '’', '‘', '´', '`', '‵', '｀', '′'];
const DIFFS: [&str; 3] = ["diff", "patch", "udiff"];
const DATA: [&str; 4] = ["", "json", "ipynb", "jsonc"];

/// The programs of an answer whose fences hold none of Python. Those in fences of other kinds come first.
pub(crate) fn programs(text: &str, blocks: &[Block]) -> Vec<String> {
    let mut found = Vec::new();
    for Block { language, code } in blocks {
        if DIFFS.contains(&language.as_str()) {
            found.push(patched(code));
        } else if DATA.contains(&language.as_str()) {
            found.extend(of_json(code, DEEPEST));
        }
    }
    found.extend(of_json(text, DEEPEST));
    for name in ELEMENTS {
        for content in between(text, &format!("<{name}"), Some('>'), &format!("</{name}>")) {
            match of_json(content, DEEPEST) {
                Some(program) => found.push(program),
                // Names of things are marked up in the same way.
                None if name == "code" && !content.contains('\n') => {}
                None => found.push(unescaped(content)),
            }
        }
    }
    found.extend(between(text, "[PYTHON]", None, "[/PYTHON]").into_iter().map(str::to_owned));
    found.extend(in_odd_fences(text));
    found.iter().map(|program| unindented(program.trim_matches(['\n', '\r']))).collect()
}

/// What stands between the marks. Where one is never closed there is nothing more to be found.
fn between<'a>(text: &'a str, open: &str, end: Option<char>, close: &str) -> Vec<&'a str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, after)) = rest.split_once(open) {
        let (attributes, after) = match end.map(|end| after.split_once(end)) {
            None => ("", after),
            Some(Some(parts)) => parts,
            Some(None) => break,
        };
        rest = after;
        // Else it is another element whose name begins so.
        if attributes.is_empty() || attributes.starts_with([' ', '\n', '\t', '=']) {
            let Some((content, after)) = after.split_once(close) else { break };
            found.push(content);
            rest = after;
        }
    }
    found
}

/// The text of an element. One that holds `<` is no text of HTML, and means what it says.
fn unescaped(content: &str) -> String {
    if let Some((_, data)) = content.split_once("<![CDATA[") {
        return data.split_once("]]>").map_or(data, |(data, _)| data).to_owned();
    }
    let mut plain = String::with_capacity(content.len());
    // A page's own marks: of the language, of colours.
    for (at, piece) in content.split('<').enumerate() {
        let is_mark = ["code", "/code", "span", "/span", "br"]
            .iter()
            .any(|name| piece.strip_prefix(name).is_some_and(|rest| rest.starts_with(['>', ' ', '/'])));
        match piece.split_once('>').filter(|_| at > 0 && is_mark) {
            Some((_, text)) => plain.push_str(text),
            None if at > 0 => {
                plain.push('<');
                plain.push_str(piece);
            }
            None => plain.push_str(piece),
        }
    }
    if plain.contains('<') {
        return plain;
    }
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " ")];
    let plain = entities.iter().fold(plain, |text, (entity, letter)| text.replace(entity, letter));
    plain.replace("&amp;", "&")
}

/// The program in a notebook, a tool call or an object with a field for it.
fn of_json(text: &str, levels: u32) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    of_value(&serde_json::from_str(text).ok()?, levels)
}

fn of_value(value: &Value, levels: u32) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(cells)) = fields.get("cells") {
                return Some(cells.iter().filter_map(cell).collect::<Vec<_>>().join("\n\n"));
            }
            let text = FIELDS.iter().find_map(|name| fields.get(*name)?.as_str());
            text.map(str::to_owned).or_else(|| {
                INSIDE.iter().find_map(|name| match fields.get(*name)? {
                    // A call's arguments are often JSON once more.
                    Value::String(text) => of_json(text, levels),
                    value => of_value(value, levels),
                })
            })
        }
        Value::Array(values) => values.iter().rev().find_map(|value| of_value(value, levels)),
        _ => None,
    }
}

/// A code cell's source, without what is for the notebook and not for Python.
fn cell(cell: &Value) -> Option<String> {
    if cell.get("cell_type").is_some_and(|kind| kind != "code") {
        return None;
    }
    let source = match cell.get("source")? {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    Some(source.lines().filter(|line| !line.starts_with(['%', '!'])).collect::<Vec<_>>().join("\n"))
}

/// What a diff leads to, as far as it shows it.
fn patched(diff: &str) -> String {
    const HEADS: [&str; 7] = ["+++ ", "--- ", "@@", "diff ", "index ", "new file", "\\ "];
    let lines = diff.lines().filter(|line| !line.starts_with('-') && !HEADS.iter().any(|head| line.starts_with(head)));
    lines.map(|line| line.strip_prefix(['+', ' ']).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The last block whose fences are of letters like backticks, with the language, to the last line with the same letters alone.
fn in_odd_fences(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let (start, mark) = lines.iter().enumerate().rev().find_map(|(at, line)| {
        let line = line.trim();
        let mark = line.chars().next().filter(|mark| MARKS.contains(mark))?;
        let rest = line.trim_start_matches(mark);
        let count = line.chars().count() - rest.chars().count();
        (count >= 3 && is_python(&rest.trim().to_lowercase()) && !rest.trim().is_empty()).then_some((at, mark))
    })?;
    let closes = |line: &&str| {
        let line = line.trim();
        line.chars().count() >= 3 && line.chars().all(|letter| letter == mark)
    };
    let inside = &lines[start + 1..];
    let end = inside.iter().rposition(closes).unwrap_or(inside.len());
    Some(inside[..end].join("\n"))
}

/// The program without the indentation that all its lines share.
fn unindented(program: &str) -> String {
    let blank = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = program.lines().filter(|line| !line.trim().is_empty()).map(blank).min().unwrap_or_default();
    program.lines().map(|line| &line[blank(line).min(shared)..]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::blocks;

    fn found(text: &str) -> Vec<String> {
        programs(text, &blocks(text))
    }

    const PROGRAM: &str = "def solve(a, b):\n    return a < b and \"&\" or '>'";

    #[test]
    fn programs_in_elements() {
        let escaped = PROGRAM.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let coloured = escaped.replace("def", "<span class=\"k\">def</span>");
        for (open, close, text) in [
            ("<pre>", "</pre>", escaped.as_str()),
            ("<pre><code class=\"language-python\">", "</code></pre>", &escaped),
            ("<div class='x'><pre ><code>", "</code></pre></div>", &coloured),
            ("<code>\n", "\n</code>", PROGRAM),
            ("<function=run>\n<parameter=code>\n", "\n</parameter>\n</function>", PROGRAM),
            ("<invoke name=\"python\"><parameter name=\"code\">", "</parameter></invoke>", PROGRAM),
            ("<answer>", "</answer>", PROGRAM),
            ("<solution><![CDATA[\n", "]]></solution>", PROGRAM),
            ("[PYTHON]\n", "\n[/PYTHON]", PROGRAM),
        ] {
            let text = format!("So:\n{open}{text}{close}\nIt uses <code>solve(1, 2)</code> and <prefix>.");
            assert_eq!(found(&text).last().map(String::as_str), Some(PROGRAM), "{text}");
        }
        let indented = format!("<answer>\n    {}\n</answer>", PROGRAM.replace('\n', "\n    "));
        assert_eq!(found(&indented), [PROGRAM]);
        assert!(found("<code>solve(1)</code> of <prefix>x</prefix>, <pre>never closed").is_empty());
    }

    #[test]
    fn programs_in_json() {
        let text = Value::from(PROGRAM);
        let arguments = Value::from(format!("{{\"code\": {text}}}"));
        for json in [
            format!("{{\"code\": {text}}}"),
            format!("{{\"name\": \"python\", \"arguments\": {{\"code\": {text}}}}}"),
            format!("[{{\"type\": \"function\", \"function\": {{\"name\": \"run\", \"arguments\": {arguments}}}}}]"),
        ] {
            let call = format!("<tool_call>\n{json}\n</tool_call>");
            for answer in [json.clone(), format!("```json\n{json}\n```"), format!("```\n{json}\n```"), call] {
                assert_eq!(found(&answer).last().map(String::as_str), Some(PROGRAM), "{answer}");
            }
        }
        let notebook = "{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"markdown\", \"source\": [\"# Title\"]}, {\"cell_type\": \"code\", \
            \"source\": [\"%matplotlib inline\\n\", \"x = 1\\n\"]}, {\"cell_type\": \"code\", \"source\": \"!ls\\nprint(x)\"}]}";
        assert_eq!(found(notebook), ["x = 1\n\nprint(x)"]);
        let deep = format!("{}{{\"code\": 1}}{}", "[".repeat(100), "]".repeat(100));
        assert!(found(&deep).is_empty() && found("{\"code\": 5}").is_empty() && found("{'code': 'x'}").is_empty());
    }

    #[test]
    fn programs_in_diffs_and_odd_fences() {
        let added = format!("+{}\n", PROGRAM.replace('\n', "\n+"));
        let new = format!("```diff\ndiff --git a/x b/x\n--- /dev/null\n+++ b/x.py\n@@ -0,0 +1,2 @@\n{added}```");
        assert_eq!(found(&new), [PROGRAM]);
        let changed = "```patch\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 2\n \n```";
        assert_eq!(found(changed), ["def f():\n    return 2"]);
        for mark in ["'''", "’’’", "´´´", "｀｀｀", "‵‵‵‵"] {
            let text = format!("So:\n{mark}python\ndef f():\n    '''\n    doc\n    '''\n{mark}\nbye");
            assert_eq!(found(&text), ["def f():\n    '''\n    doc\n    '''"], "{text}");
        }
        assert!(found("'''\nx = 1\n'''\nit's 'python'").is_empty());
    }
}
