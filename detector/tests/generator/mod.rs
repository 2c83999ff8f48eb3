//! Python programs made of choices: whoever makes the choices (a random generator that shrinks, a fuzzer) makes programs
//! that parse, and that recurse, accumulate, share and jump more than people's do.

#![allow(unreachable_pub, reason = "a module of tests here, and of a library beside the fuzz targets")]

use std::fmt::Write as _;

/// Where choices come from; when they run out the first possibility is taken each time.
#[derive(Debug)]
pub struct Choices<'a> {
    left: std::slice::Iter<'a, u8>,
}

impl<'a> Choices<'a> {
    /// Choices made of bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes.iter() }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.left.next().map_or(0, |byte| usize::from(*byte)) % bound.max(1)
    }

    fn of<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.below(all.len())]
    }

    fn is_over(&self) -> bool {
        self.left.as_slice().is_empty()
    }
}

const NAMES: &[&str] = &["x", "y", "z", "total", "parts", "p"];
const FIELDS: &[&str] = &["text", "items", "left", "run"];
const FUNCTIONS: &[&str] = &["f0", "f1", "f2", "f3", "f4"];
const CLASSES: &[&str] = &["A", "B", "C", "D"];
const LITERALS: &[&str] = &["'a'", "1", "None", "''", "True", "'SELECT * FROM t WHERE a = '", "'%s'", "'{}'"];
const SINKS: &[&str] = &["os.system", "eval", "db.execute", "subprocess.run", "pickle.loads"];
const METHODS: &[&str] = &["strip", "lower", "format", "join", "replace", "split", "append", "update", "b", "pop"];

/// A program.
pub fn program(choices: &mut Choices<'_>) -> String {
    let mut code =
        String::from("import os, pickle, subprocess, sqlite3\ntotal = ''\nparts = []\ndb = sqlite3.connect('')\n");
    let mut pieces = 0;
    while !choices.is_over() && pieces < 40 {
        match choices.below(4) {
            0 | 1 => function(&mut code, choices, 0, false),
            2 => class(&mut code, choices),
            _ => statement(&mut code, choices, 0, Place::default()),
        }
        pieces += 1;
    }
    code
}

/// What may stand at a place.
#[derive(Clone, Copy, Default)]
struct Place {
    in_function: bool,
    in_loop: bool,
    depth: usize,
}

fn line(code: &mut String, indent: usize, text: &str) {
    let _ = writeln!(code, "{}{text}", "    ".repeat(indent));
}

fn function(code: &mut String, choices: &mut Choices<'_>, indent: usize, method: bool) {
    let name = if method { choices.of(&["__init__", "run", "add", "text"]) } else { choices.of(FUNCTIONS) };
    let parameters = choices.of(&["x", "x, y", "x, y='a'", "*parts", "x, **z", "x=None"]);
    let own = if method { "self, " } else { "" };
    line(code, indent, &format!("def {name}({own}{parameters}):"));
    match choices.below(4) {
        0 if !parameters.contains("parts") => line(code, indent + 1, "global total, parts"),
        1 if indent < 3 => function(code, choices, indent + 1, false),
        _ => {}
    }
    body(code, choices, indent + 1, Place { in_function: true, in_loop: false, depth: 0 });
}

fn class(code: &mut String, choices: &mut Choices<'_>) {
    let at = choices.below(CLASSES.len());
    let bases =
        if at > 0 && choices.below(2) == 1 { format!("({})", CLASSES[choices.below(at)]) } else { String::new() };
    line(code, 0, &format!("class {}{bases}:", CLASSES[at]));
    line(code, 1, "text = ''");
    for _ in 0..=choices.below(4) {
        function(code, choices, 1, true);
    }
}

fn body(code: &mut String, choices: &mut Choices<'_>, indent: usize, place: Place) {
    let place = Place { depth: place.depth + 1, ..place };
    for _ in 0..=choices.below(4) {
        statement(code, choices, indent, place);
    }
}

fn statement(code: &mut String, choices: &mut Choices<'_>, indent: usize, place: Place) {
    let deep = place.depth > 4;
    match choices.below(if deep { 8 } else { 16 }) {
        0 => {
            let text = format!("{} = {}", target(choices), expression(choices, 0));
            line(code, indent, &text);
        }
        1 => {
            let text = format!(
                "{} += {}",
                choices.of(&["x", "total", "self.text", "parts", "parts[0]"]),
                expression(choices, 1)
            );
            line(code, indent, &text);
        }
        2 => {
            let text = format!("{}({})", choices.of(SINKS), expression(choices, 1));
            line(code, indent, &text);
        }
        3 => {
            let text = expression(choices, 0);
            line(code, indent, &text);
        }
        4 if place.in_function => {
            let text = format!("return {}", expression(choices, 1));
            line(code, indent, &text);
        }
        5 if place.in_function => {
            let text = format!("yield {}", expression(choices, 2));
            line(code, indent, &text);
        }
        6 if place.in_loop => line(code, indent, choices.of(&["break", "continue"])),
        7 => {
            // The same many times: chains and piles.
            let text = choices.of(&[
                "x = x + p",
                "parts.append(x)",
                "y = f0(y)",
                "self.text = self.text + x",
                "x = x.b().b().b().b().b()",
                "parts[x] = parts",
                "x = [x, x, x]",
                "x = {'a': x, 'b': y}",
            ]);
            (0..=choices.below(40)).for_each(|_| line(code, indent, text));
        }
        8 | 9 => {
            let text = format!("if {}:", test(choices));
            line(code, indent, &text);
            body(code, choices, indent + 1, place);
            if choices.below(2) == 1 {
                line(code, indent, "else:");
                body(code, choices, indent + 1, place);
            }
        }
        10 => {
            let text = choices.of(&["for x in parts:", "for x, y in parts:", "while x:", "for p in ['a', 'b']:"]);
            line(code, indent, text);
            body(code, choices, indent + 1, Place { in_loop: true, ..place });
        }
        11 | 12 => {
            line(code, indent, "try:");
            body(code, choices, indent + 1, place);
            let kind = choices.below(3);
            if kind != 1 {
                line(code, indent, choices.of(&["except ValueError as y:", "except Exception:", "except:"]));
                body(code, choices, indent + 1, place);
            }
            if kind != 0 {
                line(code, indent, "finally:");
                body(code, choices, indent + 1, Place { in_loop: false, ..place });
            }
        }
        13 => {
            line(code, indent, choices.of(&["with db as x:", "with suppress(ValueError):", "with A(x) as y:"]));
            body(code, choices, indent + 1, place);
        }
        14 => {
            line(code, indent, "match x:");
            for pattern in
                ["case 'a':", "case [y, *z]:", "case A(text=y):", "case _:"].iter().take(1 + choices.below(4))
            {
                line(code, indent + 1, pattern);
                body(code, choices, indent + 2, place);
            }
        }
        15 if indent < 4 => function(code, choices, indent, false),
        _ => line(code, indent, "x = p = input()"),
    }
}

fn target(choices: &mut Choices<'_>) -> String {
    match choices.below(5) {
        0 | 1 => choices.of(NAMES).to_owned(),
        2 => format!("{}.{}", choices.of(&["self", "x", "p"]), choices.of(FIELDS)),
        3 => format!("{}[{}]", choices.of(NAMES), choices.of(LITERALS)),
        _ => "x, y".to_owned(),
    }
}

fn test(choices: &mut Choices<'_>) -> String {
    match choices.below(7) {
        0 => format!("{} in ('a', 'b')", choices.of(NAMES)),
        1 => format!("not {}.isalnum()", choices.of(NAMES)),
        2 => format!("{}({})", choices.of(FUNCTIONS), choices.of(NAMES)),
        3 => format!("x == {} and ({} or {})", choices.of(LITERALS), expression(choices, 2), choices.of(NAMES)),
        4 => "all(y in 'abc' for y in x)".to_owned(),
        5 => "isinstance(x, int)".to_owned(),
        _ => format!("{} is None", choices.of(NAMES)),
    }
}

fn expression(choices: &mut Choices<'_>, depth: usize) -> String {
    if depth > 3 {
        return choices.of(NAMES).to_owned();
    }
    match choices.below(16) {
        0..=2 => choices.of(NAMES).to_owned(),
        3 => choices.of(LITERALS).to_owned(),
        4 => format!("{} + {}", expression(choices, depth + 1), expression(choices, depth + 1)),
        5 | 6 => format!("{}({})", choices.of(FUNCTIONS), arguments(choices, depth)),
        7 => format!("{}({})", choices.of(CLASSES), arguments(choices, depth)),
        8 => format!("{}.{}", choices.of(&["self", "x", "A(y)", "p"]), choices.of(FIELDS)),
        9 => format!("({}).{}({})", expression(choices, depth + 1), choices.of(METHODS), arguments(choices, depth)),
        10 => format!("[{}, {}]", expression(choices, depth + 1), expression(choices, depth + 1)),
        11 => format!("{{'a': {}, **{}}}", expression(choices, depth + 1), choices.of(NAMES)),
        12 => format!("f'{{{}}} {{x!r}} {{y:>{{z}}}}'", choices.of(NAMES)),
        13 => format!("(lambda y: {})", expression(choices, depth + 1)),
        14 => format!("[{} for y in {}]", expression(choices, depth + 1), choices.of(NAMES)),
        _ => format!("({} if x else {})", expression(choices, depth + 1), expression(choices, depth + 1)),
    }
}

fn arguments(choices: &mut Choices<'_>, depth: usize) -> String {
    match choices.below(5) {
        0 => String::new(),
        1 => expression(choices, depth + 1),
        2 => format!("{}, y={}", expression(choices, depth + 1), expression(choices, depth + 1)),
        3 => format!("*{}", choices.of(NAMES)),
        _ => format!("{}, {}", choices.of(FUNCTIONS), expression(choices, depth + 1)),
    }
}
