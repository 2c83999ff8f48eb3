//! Verdicts are those of `python -m mypy --strict`, and a broken worker never makes one.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use real_detector::judge::Judge;
use real_detector::mypy::{TypeChecker, interpreter};
use real_detector::syntax;
use real_detector_api::{AnalysisErrorKind, Checks, Program, TypesVerdict};

/// Programs with something of everything, as `# ----` sections.
const PROGRAMS: &str = include_str!("types/programs.txt");
/// Programs that try to change what others see, and others that would see it.
const ODD: &str = include_str!("types/odd.txt");
/// Texts that an editor would not show as they are, and others that stop the parser.
const TEXTS: &[&str] = &[
    "def f(:\n    pass\n",
    "x = 1\n  y = 2\n",
    "import os\nprint 'hello'\ndef g(a): return os.getcwd()\n",
    "import program\nfrom program import y\nprint(program.x)\ny: int = ''\n",
    "\u{feff}x: int = ''\n",
    "\u{feff}# coding: latin-1\nx: int = 'é'\n",
    "# -*- coding: latin-1 -*-\nx: int = 'é' + 1\n",
    "# coding: nonsense\nx: int = ''\n",
    "# coding: ascii\nx: int = 'é'\n",
    "x: int = ''\r\ny: int = ''\r\n",
    "x: int = ''\ry: int = ''\r",
    "x = 1\n\u{c}\ny: int = ''",
    "x: int = '\u{2028}'\ny\n",
    "if 1:\n\tx: int = ''\n        y = 2\n",
    "x: int = 'a\0b'\n",
    "from typing import Literal\nx: Literal['\\ud800', '\\n'] = 'a'\n",
    "é: int = ''\nprint('😀' + 1, ﬁ)\n",
    "x = 1\\",
    "'''",
    "return\nbreak\nx: int = ''\nawait x\ndef f(a, a): yield\n",
];
const ALONE: &str = include_str!("types/alone.py");
const MINUTES: Duration = Duration::from_mins(4);

/// A folder of our own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("real-detector-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a Python program makes of a JSON list.
fn python<T: serde::de::DeserializeOwned>(program: &str, list: &[String]) -> T {
    let mut python = Command::new(interpreter())
        .args(["-B", "-I", "-X", "utf8", "-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let list = serde_json::to_vec(list).expect("JSON");
    python.stdin.take().expect("a pipe").write_all(&list).expect("written");
    let output = python.wait_with_output().expect("ends");
    serde_json::from_slice(&output.stdout).expect("a list")
}

/// What follows `program.py:` in the lines of errors.
fn errors(lines: &[String]) -> Vec<String> {
    let rests = lines.iter().filter_map(|line| line.split_once(':')).map(|(_, rest)| rest.to_owned());
    rests.filter(|rest| rest.split_once(": ").is_some_and(|(_, kind)| kind.starts_with("error: "))).collect()
}

/// A verdict, as the lines that mypy prints after the name of the file.
fn lines(verdict: &TypesVerdict) -> Vec<String> {
    assert_eq!(verdict.clean, verdict.errors.is_empty());
    let line = |error: &real_detector_api::TypeDiagnostic| {
        let column = if error.column == 0 { String::new() } else { format!("{}:", error.column) };
        let code = if error.code.is_empty() { String::new() } else { format!("  [{}]", error.code) };
        format!("{}:{column} error: {}{code}", error.line, error.message)
    };
    verdict.errors.iter().map(line).collect()
}

/// Some reference solutions of APPS+, as the paper's reward checks them; none where the data is absent.
fn apps_solutions(count: usize) -> Vec<String> {
    let folder = std::env::var_os("REAL_DATA_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let Ok(file) = fs::File::open(folder.join("apps-dev.parquet")) else {
        println!("APPS+ solutions skipped: no {} (set REAL_DATA_DIR)", folder.join("apps-dev.parquet").display());
        return vec![];
    };
    let reader = SerializedFileReader::new(file).expect("parquet");
    let fields = reader.metadata().file_metadata().schema().get_fields().to_vec();
    let column = fields.iter().position(|field| field.name() == "solutions").expect("a column of the data set");
    let solutions = reader.get_row_iter(None).expect("rows").filter_map(|row| {
        let row = row.expect("a row");
        // A list of programs as JSON, or one program.
        let text = row.get_string(column).expect("text");
        let solution =
            serde_json::from_str::<Vec<String>>(text).map_or(Some(text.clone()), |all| all.into_iter().next());
        solution.map(|solution| format!("from typing import *\n{solution}"))
    });
    // mypy would stop at one that is no Python 3.
    solutions.filter(|code| syntax::parse(code).is_ok()).step_by(5).take(count).collect()
}

fn sections(text: &str) -> impl Iterator<Item = String> {
    text.split("# ----\n").map(str::to_owned)
}

#[test]
fn verdicts_are_those_of_mypy_strict_on_the_program_alone_in_any_order() {
    let mut programs: Vec<String> = sections(ODD).chain(sections(PROGRAMS)).collect();
    programs.extend(TEXTS.iter().map(|&text| text.to_owned()));
    assert!(programs.len() >= 120, "{}", programs.len());
    programs.extend(apps_solutions(48));
    let expected: Vec<Vec<String>> =
        python::<Vec<Vec<String>>>(ALONE, &programs).iter().map(|one| errors(one)).collect();
    assert_eq!(expected.len(), programs.len());

    let checker = TypeChecker::new(1, MINUTES);
    let start = Instant::now();
    let version = checker.check("").expect("a verdict").checker;
    assert!(version.starts_with("mypy ") && version.ends_with(|last: char| last.is_ascii_digit()), "{version}");
    let (cold, start) = (start.elapsed(), Instant::now());
    let mut wrong = vec![];
    let there: Vec<usize> = (0..programs.len()).collect();
    for index in there.iter().chain(there.iter().rev()) {
        let found = lines(&checker.check(&programs[*index]).expect("a verdict"));
        if found != expected[*index] {
            wrong.push(format!("{}\nfound {found:#?}\nmypy {:#?}", programs[*index], expected[*index]));
        }
    }
    let clean = expected.iter().filter(|errors| errors.is_empty()).count();
    println!(
        "{} programs, {clean} clean; a worker's start {cold:?}, then {:?} for all, twice",
        programs.len(),
        start.elapsed()
    );
    assert!(clean >= 10 && clean < programs.len() - 60, "{clean}");
    assert!(wrong.is_empty(), "{} differ: {}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_runs_that_verdicts_are_compared_with_are_those_of_the_command_line() {
    let folder = Folder::new("types");
    let code = sections(PROGRAMS).nth(14).expect("a program");
    fs::write(folder.0.join("program.py"), &code).expect("writes");
    let output = Command::new(interpreter())
        .args(["-I", "-m", "mypy", "--strict", "--show-column-numbers", "--config-file=", "program.py"])
        .current_dir(&folder.0)
        .output()
        .expect("mypy runs");
    let printed: Vec<String> = String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    let found = errors(&python::<Vec<Vec<String>>>(ALONE, &[code])[0]);
    assert!(found.len() > 3, "{found:?}");
    assert_eq!(errors(&printed), found);
}

#[test]
fn a_library_is_read_once_for_all_programs() {
    let resident = concat!(include_str!("../src/mypy/resident.py"), include_str!("types/loads.py"));
    let programs = [
        "x = 1\n",
        "import os\nos.nope\n",
        "import queue\n",
        "import queue\nqueue.nope\n",
        "import nope, queue as q\n",
    ];
    let loads: Vec<usize> = python(resident, &programs.map(str::to_owned));
    assert_eq!((loads[0], loads[1], loads[3], loads[4]), (0, 0, 0, 0), "{loads:?}");
    assert!(loads[2] > 0, "{loads:?}");
}

#[test]
fn a_program_that_breaks_its_checker_spoils_no_neighbour() {
    let checker = TypeChecker::new(2, MINUTES).with_cpu_time(Duration::from_secs(1));
    let bomb = "from typing import Final\n\nx: Final = 9**9**9**9\n".to_owned();
    let neighbours: Vec<String> = (0..12).map(|n| format!("x{n}: {} = ''\n", ["int", "str"][n % 2])).collect();
    thread::scope(|scope| {
        let checker = &checker;
        let bomb = scope.spawn(move || checker.check(&bomb));
        for part in neighbours.chunks(3) {
            scope.spawn(move || {
                for code in part {
                    let verdict = checker.check(code).expect("a verdict");
                    assert_eq!(verdict.clean, code.contains("str"), "{code}");
                }
            });
        }
        assert_eq!(bomb.join().expect("no panic").expect_err("no verdict").kind, AnalysisErrorKind::TooCostly);
    });
}

#[test]
fn what_hides_code_from_mypy_earns_nothing_and_any_is_told() {
    let checker = TypeChecker::new(1, MINUTES);
    for code in [
        "# mypy: ignore-errors\nx: int = ''\n",
        "# mypy: disable-error-code=assignment\nx: int = ''\n",
        "x: int = ''  # type: ignore\n",
        "x: int = ''  # type: ignore[assignment]\n",
        "# type: ignore\nx: int = ''\n",
        "import yaml  # type: ignore\n\nprint(yaml.nope(1))\n",
        "from typing import no_type_check\n\n\n@no_type_check\ndef f(x: int) -> str:\n    return x\n",
        "from typing import no_type_check as fine\n\n\n@fine\ndef f(x: int) -> str:\n    return x\n",
        "from typing import TYPE_CHECKING\n\nif not TYPE_CHECKING:\n    x: int = ''\n",
        "from typing import TYPE_CHECKING\n\nassert not TYPE_CHECKING\nx: int = ''\n",
        "from typing import TYPE_CHECKING\n\nTYPE_CHECKING or print(1 + '')\n",
        "PY2 = True\nif PY2:\n    x: int = ''\n",
        "class sys:\n    platform = 'x'\n\n\nif sys.platform == 'x':\n    y: int = ''\n",
        "exec(\"x: int = ''\")\n",
        "f = eval('lambda x: x + 1')\nprint(f(1))\n",
    ] {
        let verdict = checker.check(code).expect("a verdict");
        assert!(verdict.clean && !verdict.is_earned(), "{code} {verdict:?}");
    }
    for code in [
        "from typing import Any\n\n\ndef f(x: Any) -> Any:\n    return x.nope\n",
        "from typing import Any, cast\n\nprint(cast(Any, 1).nope)\n",
        "from typing import Any as Whatever\n\nx: Whatever = 1\nprint(x.nope)\n",
    ] {
        let verdict = checker.check(code).expect("a verdict");
        assert!(verdict.is_earned() && !verdict.unchecked.is_empty(), "{code} {verdict:?}");
    }
    // These hide nothing: mypy itself objects.
    for code in [
        "import yaml\n\nprint(yaml.nope(1))\n",
        "def __getattr__(name: str) -> int:\n    return 1\n\n\nprint(nope)\n",
        "def f(x):\n    return x.nope\n",
    ] {
        assert!(!checker.check(code).expect("a verdict").clean, "{code}");
    }
}

#[test]
fn programs_of_the_same_size_in_the_same_second_are_not_confused() {
    let checker = TypeChecker::new(1, MINUTES);
    for _ in 0..4 {
        for (code, clean) in [("x: int = 11\n", true), ("x: int = ''\n", false), ("y: str = ''\n", true)] {
            assert_eq!(checker.check(code).expect("a verdict").clean, clean, "{code}");
        }
    }
}

fn analysis(code: String, judge: &Judge) -> real_detector_api::Analysis {
    judge.judge(Program { id: "a".to_owned(), code }, &Checks { types: true, ..Checks::default() })
}

#[test]
fn mypy_judges_what_the_security_analysis_cannot() {
    let judge = Judge::new(MINUTES, Some(TypeChecker::new(1, MINUTES)));
    let syntax = analysis("def f(:\n".to_owned(), &judge);
    assert_eq!(syntax.error.expect("an error").kind, AnalysisErrorKind::Syntax);
    let verdict = syntax.types.expect("a verdict");
    assert!(!verdict.clean);
    assert_eq!(verdict.errors[0].code, "syntax");
    let large = analysis("x: int = 1\n".to_owned() + &"#".repeat(syntax::MAX_BYTES), &judge);
    assert_eq!(large.error.expect("an error").kind, AnalysisErrorKind::TooLarge);
    assert!(large.types.expect("a verdict").clean);
}

#[test]
fn a_clock_that_runs_out_is_no_verdict() {
    let hurried = TypeChecker::new(1, Duration::from_micros(1)).with_cpu_time(MINUTES);
    assert_eq!(hurried.check("x = 1\n").expect_err("no time").kind, AnalysisErrorKind::Deadline);
}

#[test]
fn a_program_sees_nothing_of_the_worker_and_cannot_hold_it() {
    let checker = TypeChecker::new(1, MINUTES).with_cpu_time(Duration::from_secs(1));
    for name in ["cache", "work", "program_cache"] {
        let verdict = checker.check(&format!("import {name}\n")).expect("a verdict");
        assert_eq!(verdict.errors[0].code, "import-not-found", "{name}");
    }
    // One multiplication of numbers that no machine can hold: only the end of its CPU time ends it.
    let bombs = [
        "from typing import Final\n\nx: Final = 9**9**9**9\n".to_owned(),
        format!("x = {}1{}\n", "sorted([1], key=lambda a: ".repeat(25), ")".repeat(25)),
    ];
    for code in &bombs {
        let error = checker.check(code).expect_err("no verdict");
        assert_eq!((error.kind, error.message.contains("CPU time")), (AnalysisErrorKind::TooCostly, true), "{error:?}");
    }
    // Remembered: a hundred more times would take minutes.
    for _ in 0..100 {
        for code in &bombs {
            assert_eq!(checker.check(code).expect_err("no verdict").kind, AnalysisErrorKind::TooCostly);
        }
    }
    assert!(checker.check("x: int = 1\n").expect("a verdict").clean);
}
