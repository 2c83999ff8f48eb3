//! Programs that keep themselves from being judged: it is about them, it is told why, and it costs nobody else anything.

use std::time::Duration;

use real_detector::judge::Judge;
use real_detector::mypy::TypeChecker;
use real_detector_api::{Analysis, AnalysisErrorKind, Checks, Program};

const MINUTES: Duration = Duration::from_mins(10);
const FINAL: &str = "from typing import Final\n\n";

fn types() -> Checks {
    Checks { security: false, types: true, ..Checks::default() }
}

fn judge(judge: &Judge, code: &str, checks: &Checks) -> Analysis {
    judge.judge(Program { id: "a".to_owned(), code: code.to_owned() }, checks)
}

#[test]
fn what_mypy_breaks_on_or_comes_to_no_end_with_is_about_the_program() {
    let checker = TypeChecker::new(1, MINUTES).with_cpu_time(Duration::from_secs(3));
    let judge_ = Judge::new(MINUTES, Some(checker));
    let broken = [
        // Constants that mypy folds, and that no memory holds or no float is.
        format!("{FINAL}x: Final = 'a' * 10**10\n"),
        format!("{FINAL}class A:\n    x: Final = -(1 << 10**11)\n"),
        format!("{FINAL}x: Final = 10**400 / 3\n"),
        format!("{FINAL}N: Final = 10**11\nX: Final = 'ab' * N\n"),
    ];
    let endless = [
        format!("{FINAL}x: Final = 9**9**9**9\n"),
        // Names that are nowhere: what is looked for costs as what is checked.
        format!("import {}\n", (0..150_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(", ")),
        format!("x = {}1{}\n", "sorted([1], key=lambda a: ".repeat(25), ")".repeat(25)),
    ];
    let wanted = [(&broken[..], AnalysisErrorKind::Unanalysable), (&endless, AnalysisErrorKind::TooCostly)];
    for (programs, kind) in wanted {
        for code in programs {
            let start = &code[..code.len().min(80)];
            let analysis = judge(&judge_, code, &types());
            let error =
                analysis.error.unwrap_or_else(|| panic!("{start}: {:?}", analysis.types.map(|types| types.clean)));
            assert_eq!(error.kind, kind, "{start} {error:?}");
            assert!(error.kind.is_verdict() && error.message.starts_with("mypy: "), "{error:?}");
            // The same once more, as fast as any: it is remembered.
            assert_eq!(judge(&judge_, code, &types()).error, Some(error));
            // And the next one is judged as ever.
            assert!(judge(&judge_, "x: int = 1\n", &types()).types.expect("a verdict").clean);
        }
    }
}

#[test]
fn what_breaks_our_way_of_running_mypy_has_the_verdict_of_mypy_itself() {
    let judge_ = Judge::new(MINUTES, Some(TypeChecker::new(1, MINUTES)));
    for code in
        [format!("{FINAL}x: Final = 10**5000\ny: str = x\n"), format!("{FINAL}x: Final = -(7**9000)\ny: str = x\n")]
    {
        let analysis = judge(&judge_, &code, &types());
        let verdict = analysis.types.unwrap_or_else(|| panic!("{code}: {:?}", analysis.error));
        assert_eq!((verdict.errors.len(), verdict.errors[0].line), (1, 4), "{code}");
    }
}

#[test]
fn an_error_that_looks_like_a_note_is_an_error() {
    let judge_ = Judge::new(MINUTES, Some(TypeChecker::new(1, MINUTES)));
    for code in [
        "from typing import Literal\n\nx: Literal[': note: '] = 1\n",
        "from typing import Literal\n\nx: Literal['program.py:1: note: '] = 'b'\n",
        "from typing import Literal\n\n\ndef f(x: Literal['a: note: b']) -> None: ...\n\n\nf('c')\n",
        "x: dict[str, int] = {}\nx.nope\ny: int = ': note: '\n",
    ] {
        let analysis = judge(&judge_, code, &types());
        let verdict = analysis.types.unwrap_or_else(|| panic!("{code}: {:?}", analysis.error));
        assert!(!verdict.clean && !verdict.errors.is_empty(), "{code} {verdict:?}");
    }
}

#[test]
fn of_what_a_program_makes_mypy_say_a_bounded_part_is_kept() {
    let judge_ = Judge::new(MINUTES, Some(TypeChecker::new(1, MINUTES)));
    let uses: Vec<String> = (0..2_000).map(|n| format!("y{n}: int = x\n")).collect();
    let uses = uses.concat();
    let code = format!("from typing import Literal\n\nx: Literal['{}'] = 'b'\n{uses}", "a".repeat(20_000));
    let verdict = judge(&judge_, &code, &types()).types.expect("a verdict");
    let told: usize = verdict.errors.iter().map(|error| error.message.len()).sum();
    assert!(!verdict.clean && told <= 4 << 20, "{told} bytes");
    assert_eq!(verdict.errors.len() + verdict.left_out, 2_001);
    let last = &verdict.errors[verdict.errors.len() - 1];
    assert!(last.message.contains(" … ") && last.code == "assignment", "{}", last.code);
}

#[test]
fn a_program_that_takes_too_much_of_the_security_analysis_is_not_tried_for_ever() {
    let judge_ = Judge::new(Duration::ZERO, None);
    for code in [
        "import os\nos.system(input())\n".repeat(40),
        "x = ''\n".to_owned() + &"if y:\n    x = x + input()\n".repeat(200),
        format!("x = [{}]\n", "(-1, 'a', 2), ".repeat(2_000)),
    ] {
        let error = judge(&judge_, &code, &Checks::default()).error.expect("no time");
        assert_eq!(error.kind, AnalysisErrorKind::TooCostly, "{error:?}");
        assert_eq!(judge(&judge_, &code, &Checks::default()).error, Some(error));
    }
}

#[test]
fn what_hides_code_from_mypy_is_not_clean_where_it_cannot_be_told() {
    let judge_ = Judge::new(MINUTES, Some(TypeChecker::new(1, MINUTES)));
    let hidden = |terms: usize| format!("y = 0{}\nx: int = ''  # type: ignore\n", " + 1".repeat(terms));
    let short = judge(&judge_, &hidden(10), &types()).types.expect("a verdict");
    assert!(short.clean && !short.is_earned());
    let analysis = judge(&judge_, &hidden(7_000), &types());
    assert!(analysis.types.is_none_or(|types| !types.is_earned()), "{:?}", analysis.error);
    assert!(analysis.error.is_some_and(|error| error.kind.is_verdict()));
}
