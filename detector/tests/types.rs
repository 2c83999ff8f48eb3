//! Verdicts are those of `python -m mypy --strict`, and a broken worker never makes one.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print through their harness, which captures it")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use real_detector::mypy::{TypeChecker, interpreter};
use real_detector::server::run;
use real_detector::{Options, syntax};
use real_detector_api::{AnalysisErrorKind, Program, TypesVerdict};

/// Programs with something of everything, as `# ----` sections.
const PROGRAMS: &str = include_str!("types/programs.txt");
/// These have a run of mypy of their own: it stops at the first syntax error, and a module's name is what imports itself.
const ALONE: [&str; 4] = [
    "def f(:\n    pass\n",
    "x = 1\n  y = 2\n",
    "import os\nprint 'hello'\ndef g(a): return os.getcwd()\n",
    "import program\nfrom program import y\nprint(program.x)\ny: int = ''\n",
];
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

/// The error lines of a run of `python -m mypy --strict` over files, by file.
fn mypy(folder: &Path, files: &[String]) -> HashMap<String, Vec<String>> {
    let output = Command::new(interpreter())
        .args(["-I", "-m", "mypy", "--strict", "--show-column-numbers", "--config-file="])
        .args(files)
        .current_dir(folder)
        .output()
        .expect("mypy runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(matches!(output.status.code(), Some(0..=2)), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: HashMap<String, Vec<String>> = HashMap::new();
    for line in text.lines() {
        let Some((file, rest)) = line.split_once(':') else { continue };
        if rest.split(": ").nth(1).is_some()
            && rest.split_once(": ").is_some_and(|(_, kind)| kind.starts_with("error: "))
        {
            lines.entry(file.to_owned()).or_default().push(rest.to_owned());
        }
    }
    lines
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

#[test]
fn verdicts_are_those_of_mypy_strict() {
    let folder = Folder::new("types");
    let mut programs: Vec<String> = PROGRAMS.split("# ----\n").map(str::to_owned).collect();
    assert!(programs.len() >= 20, "{}", programs.len());
    programs.extend(apps_solutions(48));
    let names: Vec<String> = (0..programs.len()).map(|i| format!("p{i:03}.py")).collect();
    for (name, code) in names.iter().zip(&programs) {
        fs::write(folder.0.join(name), code).expect("writes");
    }
    let mut expected = mypy(&folder.0, &names);
    let mut cases: Vec<(String, Vec<String>)> = programs
        .into_iter()
        .zip(&names)
        .map(|(code, name)| (code, expected.remove(name).unwrap_or_default()))
        .collect();
    assert!(expected.is_empty(), "{expected:?}");
    for code in ALONE {
        fs::write(folder.0.join("program.py"), code).expect("writes");
        let found = mypy(&folder.0, &["program.py".to_owned()]).remove("program.py").expect("an error");
        cases.push((code.to_owned(), found));
    }
    let checker = TypeChecker::new(1, MINUTES);
    let start = Instant::now();
    checker.check("").expect("a verdict");
    let (cold, start) = (start.elapsed(), Instant::now());
    let mut wrong = vec![];
    for (code, expected) in &cases {
        let found = lines(&checker.check(code).expect("a verdict"));
        if found != *expected {
            wrong.push(format!("{code}\nfound {found:#?}\nmypy {expected:#?}"));
        }
    }
    let clean = cases.iter().filter(|(_, errors)| errors.is_empty()).count();
    println!("{} programs, {clean} clean; a worker's start {cold:?}, then {:?} for all", cases.len(), start.elapsed());
    assert!(clean >= 5 && clean < cases.len() - 20, "{clean}");
    assert!(wrong.is_empty(), "{} differ: {}", wrong.len(), wrong.join("\n"));
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

fn analysis(code: String, checker: &TypeChecker) -> real_detector_api::Analysis {
    run(Program { id: "a".to_owned(), code }, true, &Options::default(), Some(checker))
}

#[test]
fn mypy_judges_what_the_security_analysis_cannot() {
    let checker = TypeChecker::new(1, MINUTES);
    let syntax = analysis("def f(:\n".to_owned(), &checker);
    assert_eq!(syntax.error.expect("an error").kind, AnalysisErrorKind::Syntax);
    let verdict = syntax.types.expect("a verdict");
    assert!(!verdict.clean);
    assert_eq!(verdict.errors[0].code, "syntax");
    let large = analysis("x: int = 1\n".to_owned() + &"#".repeat(syntax::MAX_BYTES), &checker);
    assert_eq!(large.error.expect("an error").kind, AnalysisErrorKind::TooLarge);
    assert!(large.types.expect("a verdict").clean);
}

#[test]
fn a_program_that_takes_too_long_has_no_verdict() {
    let error = TypeChecker::new(1, Duration::from_millis(1)).check("x = 1\n").expect_err("no time");
    assert_eq!(error.kind, AnalysisErrorKind::Deadline);
}
