//! What CPython refuses is a syntax error here, and what it compiles is none: both lists are asked of a real CPython, too.

use std::io::Write as _;
use std::process::{Command, Stdio};

use real_detector::mypy::interpreter;
use real_detector::syntax;
use real_detector_api::AnalysisErrorKind;

const REFUSED: &str = include_str!("syntax/refused.txt");
const ACCEPTED: &str = include_str!("syntax/accepted.txt");
/// Compiles programs of a JSON list, without running them.
const COMPILE: &str = "
import json, sys, warnings
warnings.simplefilter('ignore')
def compiles(code):
    try:
        compile(code, 'program', 'exec', dont_inherit=True)
        return True
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
print(json.dumps([compiles(code) for code in json.load(sys.stdin)]))
";

fn sections(text: &str) -> Vec<String> {
    text.split("# ----\n").map(str::to_owned).collect()
}

fn cpython(programs: &[&String]) -> Vec<bool> {
    let mut python = Command::new(interpreter())
        .args(["-I", "-X", "utf8", "-c", COMPILE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let request = serde_json::to_vec(programs).expect("JSON");
    python.stdin.take().expect("a pipe").write_all(&request).expect("written");
    let output = python.wait_with_output().expect("ends");
    serde_json::from_slice(&output.stdout).expect("a list")
}

fn is_refused(code: &str) -> bool {
    match syntax::parse(code) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind, AnalysisErrorKind::Syntax, "{code}");
            true
        }
    }
}

/// `depth` statements inside each other, a level deeper each.
fn nested(head: &str, depth: usize) -> String {
    let line = |level: usize| format!("{}{}\n", " ".repeat(level), if level < depth { head } else { "pass" });
    (0..=depth).map(line).collect::<Vec<_>>().concat()
}

/// `try` statements inside the handlers of each other.
fn nested_handlers(depth: usize) -> String {
    let line = |level: usize| match " ".repeat(level) {
        indent if level < depth => format!("{indent}try: pass\n{indent}except E:\n"),
        indent => format!("{indent}pass\n"),
    };
    (0..=depth).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn cpython_and_we_refuse_the_same_programs() {
    let mut refused = sections(REFUSED);
    let mut accepted = sections(ACCEPTED);
    for (head, most) in [("for x in y:", 20), ("while x:", 20), ("with x:", 20), ("if x:", 60)] {
        accepted.push(nested(head, most));
    }
    refused.extend([nested("for x in y:", 21), nested("while x:", 21), nested("with a, b:", 11), nested("if x:", 100)]);
    accepted.extend([nested("with a, b:", 10), nested_handlers(10)]);
    refused.push(nested_handlers(11));
    accepted.extend([format!("x = {}\n", "1".repeat(4300)), format!("x = 0x{}\n", "1".repeat(5000))]);
    refused.extend([format!("x = {}\n", "1".repeat(4301)), "x = 1\0\n".to_owned()]);
    accepted.push(format!("x = {}1{}\n", "(".repeat(100), ")".repeat(100)));
    refused.push(format!("x = {}1{}\n", "(".repeat(250), ")".repeat(250)));
    assert!(refused.len() > 300 && accepted.len() > 150, "{} {}", refused.len(), accepted.len());

    let all: Vec<&String> = refused.iter().chain(&accepted).collect();
    let compiles = cpython(&all);
    assert_eq!(compiles.len(), all.len());
    let mut wrong = vec![];
    for (index, (code, compiles)) in all.iter().zip(compiles).enumerate() {
        let ours = !is_refused(code);
        if compiles != (index >= refused.len()) {
            wrong.push(format!("CPython {compiles}, in the other list:\n{code}"));
        } else if ours != compiles {
            wrong.push(format!("CPython {compiles}, we {ours}: {:?}\n{code}", syntax::parse(code).err()));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn newer_grammars_have_rules_of_their_own() {
    for code in
        ["type A[T, T] = T\n", "def f[T, T](): ...\n", "class A[T = int, U]: ...\n", "def f[T: (yield)](): ...\n"]
    {
        assert!(is_refused(code), "{code}");
    }
    for code in ["type A[T: int, *U, **V] = T\n", "def f[T](x: T) -> T: return x\n", "f'{a['b']}'\n", "x = t'{a}'\n"] {
        assert!(!is_refused(code), "{code}");
    }
}

#[test]
fn a_refusal_names_its_line_and_the_first_one_is_told() {
    let error = syntax::parse("x = 1\nif x:\n    return\nbreak\n").expect_err("refused");
    assert_eq!((error.line, error.message.contains("return")), (Some(3), true), "{error:?}");
}
