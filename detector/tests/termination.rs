//! The analysis ends, and what it does grows with the program: in counts, which are the same on every machine.

mod generator;

use std::fmt::Write as _;
use std::time::Duration;

use generator::{Choices, program};
use proptest::prelude::*;
use real_detector::{Effort, Options, analyze, analyze_counting};

/// Transfer functions evaluated per instruction and operand, at most, in programs made to be looked at again and again. A
/// function is solved a handful of times before what it adds is widened to the top (`Widening::of_round`), and loops go
/// around about as often for each that they stand in: most take 1 to 4, the worst that fuzzing has met (loops in `try` in
/// loops) 24.
const STEPS_PER_SIZE: u64 = 40;

fn options() -> Options {
    Options { timeout: Duration::from_mins(5), ..Options::default() }
}

fn effort(code: &str) -> Effort {
    let (findings, effort) = analyze_counting(code, &options());
    if let Err(error) = findings {
        panic!("{error:?}\n{}", &code[..code.len().min(2_000)]);
    }
    effort
}

/// `count` times a piece in which `{i}` is its number and `{j}` that of the piece before it.
fn repeated(piece: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut code, i| {
        let piece = piece.replace("{i}", &i.to_string()).replace("{j}", &i.saturating_sub(1).to_string());
        let _ = write!(code, "{piece}");
        code
    })
}

fn indented(code: &str) -> String {
    code.lines().fold(String::new(), |text, line| text + "    " + line + "\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_programs_end_within_a_number_of_steps_per_instruction(
        // Of all sizes: small ones meet other pieces at their ends.
        bytes in proptest::collection::vec(any::<u8>(), 120..720)
    ) {
        let code = program(&mut Choices::new(&bytes));
        let (findings, effort) = analyze_counting(&code, &options());
        prop_assert!(findings.is_ok(), "{:?}\n{}", findings, code);
        prop_assert!(effort.steps <= 2_000 + STEPS_PER_SIZE * effort.size, "{:?}\n{}", effort, code);
    }
}

#[test]
fn generated_programs_are_python_with_findings() {
    let mut with_findings = 0;
    for seed in 0..12u64 {
        let bytes: Vec<u8> =
            (0..200u64).map(|i| ((i + 1).wrapping_mul(seed * 2 + 1).wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
        with_findings +=
            usize::from(!analyze(&program(&mut Choices::new(&bytes)), &options()).expect("Python").is_empty());
    }
    assert!(with_findings > 0, "none");
}

#[test]
fn what_accumulates_comes_to_a_fixpoint() {
    let calls = repeated("f('{i}', '{i}x')\n", 30);
    for code in [
        format!("def f(t, x):\n    return f(t + x, x)\n{calls}"),
        format!("def f(t, x):\n    if t:\n        return x\n    return f(t + x, x) + t\n{calls}"),
        format!(
            "class A:\n    v = ''\n    def move(self, x):\n        self.v = self.v + x\na = A()\ndef f(t, x):\n    a.move(t)\n    a.move(a.v + x)\n{calls}"
        ),
        format!(
            "def move(a, x):\n    a.v += x\nclass A:\n    v = ''\ndef f(t, x):\n    move(A(), x)\n    move(A(), A().v)\n{calls}"
        ),
        format!("total = ''\ndef f(t, x):\n    global total\n    total += x\n    return total\n{calls}"),
        format!(
            "def f(t, x):\n    parts = []\n    def add(y):\n        nonlocal parts\n        parts = parts + [parts, y]\n        return add(parts)\n    return add(x)\n{calls}"
        ),
        format!("log = {{}}\ndef f(t, x):\n    log[t] = [log, x]\n    return log\n{calls}"),
        format!("def f(t, x):\n    return t\nx = ''\nwhile f(x, x):\n    x = f(x + 'a', x) + x\n{calls}"),
        format!("def f(t, x):\n    t.append(f)\n    t.append(t)\n    return f(t, t)\n{calls}f([], [])\n"),
        format!("def f(t, x):\n    return lambda y: f(t, lambda z: x + y + z)\n{calls}"),
    ] {
        let effort = effort(&code);
        assert!(effort.steps <= 2_000 + STEPS_PER_SIZE * effort.size, "{effort:?}\n{code}");
    }
}

/// Makes a program of a size.
type Shape = Box<dyn Fn(usize) -> String>;

/// Ten times as much of each is at most a little more than ten times the work.
#[test]
fn work_grows_with_what_there_is_more_of() {
    let block = |piece: &str, count| indented(&repeated(piece, count));
    let shapes: Vec<(&str, Shape)> = vec![
        ("statements", Box::new(|n| repeated("x{i} = input() + 'a'\n", n) + &repeated("print(x{i})\n", n))),
        ("one variable", Box::new(|n| "x = ''\n".to_owned() + &repeated("x = x + input()\n", n))),
        ("branches", Box::new(|n| "x = ''\n".to_owned() + &repeated("if y:\n    x = x + input()\n", n))),
        (
            "branches with variables",
            Box::new(|n| {
                repeated("x{i} = input()\n", n) + &repeated("if y:\n    x{i} = 1\n", n) + &repeated("print(x{i})\n", n)
            }),
        ),
        (
            "elif",
            Box::new(|n| "if x == 0:\n    y = 0\n".to_owned() + &repeated("elif x == '{i}':\n    y = input()\n", n)),
        ),
        (
            "loops",
            Box::new(|n| {
                repeated("for i{i} in range(9):\n    x = x + input()\n    if x:\n        continue\n    y = x\n", n)
            }),
        ),
        (
            "continue",
            Box::new(|n| {
                repeated("x{i} = ''\n", n)
                    + "while y:\n"
                    + &indented(&repeated("if z{i}:\n    x{i} = 1\n    continue\n", n))
                    + &repeated("print(x{i})\n", n)
            }),
        ),
        ("functions", Box::new(|n| repeated("def f{i}(x):\n    return x + 'a'\n", n))),
        (
            "calls in a row",
            Box::new(|n| {
                repeated("def f{i}(x):\n    return x + 'a'\n", n) + "x = input()\n" + &repeated("x = f{i}(x)\n", n)
            }),
        ),
        (
            "calls down a chain",
            Box::new(|n| {
                "def f0(x):\n    return x\n".to_owned()
                    + &repeated("def f{i}(x):\n    return f{j}(x + 'a')\n", n).replacen(
                        "def f0(x):\n    return f0(x + 'a')\n",
                        "",
                        1,
                    )
                    + &format!("f{}(input())\n", n - 1)
            }),
        ),
        (
            "calls up a chain",
            Box::new(|n| {
                (0..n).fold(String::new(), |code, i| code + &format!("def f{i}(x):\n    return f{}(x + 'a')\n", i + 1))
                    + &format!("def f{n}(x):\n    return x\nf0(input())\n")
            }),
        ),
        (
            "a ring",
            Box::new(|n| {
                (0..n).fold(String::new(), |code, i| {
                    code + &format!("def f{i}(x):\n    if x:\n        return x\n    return f{}(x + 'a')\n", (i + 1) % n)
                }) + "f0(input())\n"
            }),
        ),
        ("call sites", Box::new(|n| "def f(x):\n    return x + 'a'\n".to_owned() + &repeated("y{i} = f('{i}')\n", n))),
        (
            "callers",
            Box::new(|n| {
                "def f(x):\n    return x + 'a'\n".to_owned() + &repeated("def g{i}(y):\n    return f(y + '{i}')\n", n)
            }),
        ),
        (
            "a validator's call sites",
            Box::new(|n| {
                format!("def ok(x):\n{}    return True\n", indented(&repeated("if x == '{i}':\n    return False\n", n)))
                    + &repeated("def g{i}(y):\n    if ok(y):\n        eval(y)\n", n)
            }),
        ),
        (
            "classes with one field name",
            Box::new(|n| {
                repeated(
                    "class C{i}:\n    def __init__(self, x):\n        self.v = x\n    def get(self):\n        self.v = self.v + 'a'\n        return self.v\n",
                    n,
                ) + &repeated("print(C{i}(input()).get())\n", n)
            }),
        ),
        (
            "classes that inherit",
            Box::new(|n| {
                "class C0:\n    v = ''\n".to_owned()
                    + &(1..n).fold(String::new(), |code, i| {
                        code + &format!("class C{i}(C{}):\n    def get{i}(self):\n        return self.v\n", (i - 1) / 2)
                    })
            }),
        ),
        (
            "methods",
            Box::new(|n| {
                "class C:\n    v = ''\n".to_owned()
                    + &indented(&repeated("def m{i}(self):\n    self.v = self.m{j}() + 'a'\n    return self.v\n", n))
                    + "C().m3()\n"
            }),
        ),
        (
            "globals",
            Box::new(|n| {
                "g0 = ''\n".to_owned()
                    + &repeated("def f{i}():\n    global g{i}\n    g{i} = g{j} + 'a'\n", n)
                    + &repeated("f{i}()\n", n)
            }),
        ),
        (
            "a try of assignments",
            Box::new(move |n| {
                format!("try:\n{}except ValueError:\n{}", block("x{i} = input()\n", n), block("print(x{i})\n", n))
            }),
        ),
        (
            "tries",
            Box::new(|n| {
                repeated("try:\n    x = input()\nexcept ValueError as e:\n    x = 1\nfinally:\n    y = x\n", n)
            }),
        ),
        (
            "returns through finally",
            Box::new(move |n| {
                let code = format!(
                    "try:\n{}finally:\n{}",
                    block("if x == '{i}':\n    return y{i}\n", n),
                    block("z{i} = x\n", n)
                );
                format!("def f(x):\n{}", indented(&code))
            }),
        ),
        ("a chain of methods", Box::new(|n| repeated("x = a.b().b().b().b().b().b().b().b()\n", n))),
        ("one long chain of methods", Box::new(|n| format!("x = a{}\n", ".b(1)".repeat(n)))),
        ("a long sum", Box::new(|n| format!("x = ''{}\n", " + input()".repeat(n)))),
        ("a table", Box::new(|n| format!("x = {{{}}}\n", repeated("'{i}': ['{i}', f, {i}], ", n)))),
        ("arguments", Box::new(|n| format!("f({})\n", repeated("g{i}, ", n)))),
        (
            "functions handed over",
            Box::new(|n| repeated("def g{i}(x):\n    return x\n", n) + &format!("f({})\n", repeated("g{i}, ", n))),
        ),
        (
            "parameters",
            Box::new(|n| {
                format!("def f({}):\n    return x0\nf({})\n", repeated("x{i}='', ", n), repeated("x{i}=input(), ", n))
            }),
        ),
        ("findings", Box::new(|n| "import os\nx = input()\n".to_owned() + &repeated("x = x + 'a'\nos.system(x)\n", n))),
        ("comprehensions", Box::new(|n| repeated("x{i} = [a + b for a in y for b in z if a]\n", n))),
        (
            "closures",
            Box::new(|n| repeated("def f{i}(x):\n    def g():\n        return x\n    return g\nf{i}('{i}')()\n", n)),
        ),
        (
            "closures that change lists",
            Box::new(move |n| {
                format!("def f(x):\n{}", block("p{i} = []\ndef g{i}(y):\n    p{i}.append(y)\ng{i}(x)\n", n))
            }),
        ),
        (
            "one list in many displays",
            Box::new(|n| "p = []\n".to_owned() + &repeated("d{i} = {'a': p}\nd{i}['a'].append(input())\n", n)),
        ),
        (
            "recursion through fields",
            Box::new(move |n| {
                let methods = "def m{i}(self, x):\n    self.f{i} = self.f{j} + x\n    return self.m{j}(self.f{i})\n";
                format!("class C:\n{}", block(methods, n))
            }),
        ),
        (
            "properties",
            Box::new(move |n| {
                let pair = "@property\ndef p{i}(self):\n    return self._p{i}\n@p{i}.setter\ndef p{i}(self, v):\n    self._p{i} = self.p{j} + v\n";
                format!("class C:\n{}", block(pair, n))
            }),
        ),
        (
            "classes made from one",
            Box::new(|n| {
                "class C:\n    def m(self):\n        return self.n()\n".to_owned()
                    + &repeated("class D{i}(C):\n    def n(self):\n        return input()\n", n)
            }),
        ),
        (
            "decorators of one function",
            Box::new(|n| {
                repeated("def d{i}(f):\n    def w(*a):\n        if a:\n            return f(*a)\n    return w\n", n)
                    + &repeated("@d{i}\n", n)
                    + "def f(x):\n    eval(x)\n"
            }),
        ),
        ("conditional expressions", Box::new(|n| repeated("x = (x + 'a') if y else (x + 'b' if z else x)\n", n))),
        ("formats", Box::new(|n| format!("x = f'{}'\n", repeated("{y{i}}", n)))),
    ];
    let mut wrong = vec![];
    for (name, shape) in shapes {
        let (small, large) = (effort(&shape(50)), effort(&shape(500)));
        println!("{name:<28} {small:?} {large:?}");
        let linear = |few: u64, many: u64| many <= 12 * few + 2_000;
        if !(linear(small.size, large.size) && linear(small.steps, large.steps) && linear(small.weight, large.weight)) {
            wrong.push((name, small, large));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a loop does is done again where what comes around grew; within another loop for each of its growths.
#[test]
fn loops_within_loops_come_to_rest_soon() {
    let line = |depth: usize, text: &str| "    ".repeat(depth) + text + "\n";
    // Python allows 20 blocks in each other.
    let mut code = "x = y = ''\n".to_owned();
    for i in 0..9 {
        let text = format!("x = x + y + input() + '{i}'");
        code += &(line(2 * i, "while x:") + &line(2 * i + 1, "try:") + &line(2 * i + 2, &text));
    }
    for i in (0..9).rev() {
        code += &(line(2 * i + 1, "except E:") + &line(2 * i + 2, "y = x + y"));
    }
    let effort = effort(&code);
    println!("{effort:?}: {}", effort.steps / effort.size);
    assert!(effort.steps <= 4 * effort.size, "{effort:?}");
}

#[test]
fn finally_bodies_within_each_other_are_not_multiplied() {
    let nested = |depth: usize| {
        (0..depth).rev().fold("x = input()\n".to_owned(), |inner, _| {
            format!("try:\n    if x:\n        return x\n    x = y\nfinally:\n{}", indented(&inner))
        })
    };
    let code = |depth| format!("def f(x, y):\n{}", indented(&nested(depth)));
    let (small, large) = (effort(&code(5)), effort(&code(18)));
    assert!(large.size <= 6 * small.size, "{small:?} {large:?}");
}

#[test]
fn containers_of_containers_do_not_multiply() {
    let row = |name: &str, of: &str| format!("{name} = [{}]\n", format!("{of}, ").repeat(40));
    let code = "a = input()\n".to_owned()
        + &row("b", "a")
        + &row("c", "b")
        + &row("d", "c")
        + &row("e", "d")
        + &"e.append(e)\n".repeat(50);
    let effort = effort(&code);
    assert!(effort.weight <= 200_000 && effort.steps <= 2_000, "{effort:?}");
}

#[test]
fn what_took_too_long_says_so_and_names_the_stage() {
    let options = Options { timeout: Duration::ZERO, ..Options::default() };
    let error = analyze("x = 1\n", &options).expect_err("no time");
    assert_eq!(error.kind, real_detector_api::AnalysisErrorKind::TooCostly);
    assert!(error.message.contains("parsing"), "{}", error.message);
}

#[test]
fn the_number_of_functions_does_not_change_what_is_found_in_one() {
    let others = repeated("def other{i}(a, b):\n    return a + b\n", 300);
    let clean = "import subprocess\ndef run(program, arguments):\n    subprocess.run([program] + arguments)\n";
    let listed = "import sqlite3\ndef find(con, column, allowed):\n    if column in allowed:\n        con.execute('SELECT ' + column)\n";
    let unsafe_one = "import os\ndef ping(host):\n    os.system('ping ' + host)\n";
    for (code, expected) in [(clean, 0), (listed, 0), (unsafe_one, 1)] {
        let alone = analyze(code, &options()).expect("Python");
        assert_eq!(alone.len(), expected, "{alone:?}");
        for whole in [format!("{others}{code}"), format!("{code}{others}")] {
            assert_eq!(analyze(&whole, &options()).expect("Python").len(), expected, "{code}");
        }
    }
}

#[test]
fn exceptions_pass_inner_handlers_and_suppressed_ones_go_on() {
    let cases = [
        (
            "try:\n    q = 'SELECT 1'\n    try:\n        q = 'SELECT ' + x\n        con.begin()\n    except KeyError:\n        pass\nexcept ValueError:\n    con.execute(q)\n",
            true,
        ),
        ("with suppress(ValueError):\n    x = int(x)\ncon.execute('SELECT ' + str(x))\n", true),
        ("try:\n    x = int(x)\nexcept ValueError:\n    return\ncon.execute('SELECT ' + str(x))\n", false),
        (
            "try:\n    if y:\n        return con.execute('SELECT 1')\n    x = int(x)\nfinally:\n    con.close()\ncon.execute('SELECT ' + str(x))\n",
            false,
        ),
        (
            "for q in y:\n    try:\n        if q:\n            break\n        q = 'SELECT 1'\n    finally:\n        con.execute('SELECT 2')\n",
            false,
        ),
        (
            "q = 'SELECT 1'\nwhile y:\n    try:\n        q = 'SELECT ' + x\n        break\n    finally:\n        y = 1\ncon.execute(q)\n",
            true,
        ),
    ];
    for (body, is_unsafe) in cases {
        let code = format!(
            "import sqlite3\nfrom contextlib import suppress\ncon = sqlite3.connect('')\ndef f(x, y):\n{}",
            indented(body)
        );
        let found = analyze(&code, &options()).expect("Python");
        assert_eq!(!found.is_empty(), is_unsafe, "{code}\n{found:?}");
    }
}
