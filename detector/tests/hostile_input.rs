//! Whatever is given, there is an answer: no panic, no stack overflow, no endless analysis.

use std::time::Duration;

use real_detector::{Options, analyze};
use real_detector_api::AnalysisErrorKind;

fn answer(code: &str) -> Option<AnalysisErrorKind> {
    let options = Options { timeout: Duration::from_secs(20), ..Options::default() };
    let kind = analyze(code, &options).err().map(|error| error.kind);
    assert_ne!(kind, Some(AnalysisErrorKind::Unanalysable), "{}", &code[..code.len().min(200)]);
    kind
}

#[test]
fn deep_programs_get_an_answer() {
    assert_eq!(
        answer(&format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000))),
        Some(AnalysisErrorKind::Syntax)
    );
    for code in [
        format!("x = {}1\n", "not ".repeat(50_000)),
        format!("x = {}1\n", "-".repeat(50_000)),
        format!("x = 1{}\n", " + 1".repeat(50_000)),
        format!("x = {}1\n", "lambda: ".repeat(50_000)),
        format!("x = a{}\n", ".b".repeat(50_000)),
        format!("x = {}1\n", "1 if 1 else ".repeat(50_000)),
    ] {
        assert_eq!(answer(&code), Some(AnalysisErrorKind::TooLarge));
    }
    for code in [
        format!("x = {}1\n", "not ".repeat(5_000)),
        format!("x = ''{}\n", " + input()".repeat(2_500)),
        format!("x = {}1\n", "lambda: ".repeat(1_500)),
        format!("x = a{}\n", ".b".repeat(5_000)),
        format!("x = {}1\n", "1 if y else ".repeat(2_900)),
    ] {
        assert_eq!(answer(&code), None);
    }
}

#[test]
fn long_programs_get_an_answer() {
    let many_branches = "if y:\n    x = x + input()\n".repeat(3_000);
    let chain = format!("if x == 0:\n    y = 0\n{}", "elif x == 1:\n    y = input()\n".repeat(3_000));
    let table = format!("x = [{}]\n", "(-1, 'a', 2), ".repeat(30_000));
    for code in [format!("x = ''\n{many_branches}"), chain, table] {
        let kind = answer(&code);
        assert!(matches!(kind, None | Some(AnalysisErrorKind::TooCostly)), "{kind:?}");
    }
}

#[test]
fn functions_that_call_each_other_in_a_ring_are_solved() {
    let ring = |i: usize| {
        format!("def f{i}(x):\n    if len(x) > 9:\n        return x\n    return f{}(x + 'a')\n", (i + 1) % 500)
    };
    let calls: String = (0..500).map(ring).collect();
    let code = format!("import os\n{calls}os.system(f0(input()))\n");
    let options = Options { timeout: Duration::from_mins(1), ..Options::default() };
    assert_eq!(analyze(&code, &options).expect("a verdict").len(), 1);
}
