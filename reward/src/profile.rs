//! From verdicts to a reward: the arithmetic of the paper, without I/O.

use real_datasets::{QualityCheck, Task, expects_nothing};
use real_detector_api::{Analysis, AnalysisError, AnalysisErrorKind};
use real_sandbox_api::{Check, Group, Status, TestResult, Tier};

use crate::reference::{self, Ran};
use crate::{
    Cause, EmptyOutputs, Profile, QualitySource, Reason, Scored, ScorerConfig, Service, Shaped, Timings, Unanalysed,
};

/// The part of a [`ScorerConfig`] that rewards are computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// Weight of quality.
    pub alpha: f64,
    /// Shape of the reward.
    pub profile: Profile,
    /// Reward of an answer without a runnable program.
    pub penalty: f64,
    /// What decides quality.
    pub quality: QualitySource,
    /// Whether tests that expect no output earn anything by themselves.
    pub empty_outputs: EmptyOutputs,
}

/// What a task asks of a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked<'a> {
    /// Analyses that judge its quality.
    pub checks: &'a [QualityCheck],
    /// Whether functions of it are called; else it reads standard input.
    pub calls: bool,
    /// For each result, whether its test expects no output.
    pub blank: Vec<bool>,
}

impl<'a> Asked<'a> {
    /// What the chosen tests of a task ask.
    pub fn of(task: &'a Task, chosen: &[usize]) -> Self {
        let checks = || chosen.iter().filter_map(|index| task.tests.get(*index)).map(|test| &test.check);
        Self {
            checks: &task.quality,
            calls: checks().any(|check| matches!(check, Check::Call { .. })),
            blank: checks().map(expects_nothing).collect(),
        }
    }
}

/// Share of a task's functional tests that a program passes which does nothing.
pub fn share_of_nothing(task: &Task) -> f64 {
    let functional = || task.tests.iter().filter(|test| test.group == Group::Functional);
    let blank = functional().filter(|test| expects_nothing(&test.check)).count();
    blank as f64 / functional().count().max(1) as f64
}

/// What a program earns, on the mean over the tasks, that compiles, is clean and does nothing: the share of tests it
/// passes, and the reward. `None` without tasks.
pub fn doing_nothing<'a>(rules: Rules, tasks: impl IntoIterator<Item = &'a Task>) -> Option<(f64, f64)> {
    let counts = rules.empty_outputs == EmptyOutputs::Count;
    let calls = |task: &Task| task.tests.iter().any(|test| matches!(test.check, Check::Call { .. }));
    let (mut count, mut shares, mut rewards) = (0.0, 0.0, 0.0);
    for task in tasks {
        let share = share_of_nothing(task);
        count += 1.0;
        shares += share;
        // Where nothing is there to be called, every test ends in an error.
        rewards += match (calls(task), rules.profile) {
            (true, Profile::Paper) => rules.penalty,
            (true, Profile::Reference) => blend(rules, 1.0, reference::NOTHING_RUNS),
            (false, _) => blend(rules, 1.0, if counts { share } else { 0.0 }),
        };
    }
    (count > 0.0).then(|| (shares / count, rewards / count))
}

impl From<&ScorerConfig> for Rules {
    fn from(config: &ScorerConfig) -> Self {
        Self {
            alpha: config.alpha,
            profile: config.profile,
            penalty: config.penalty,
            quality: config.quality,
            empty_outputs: config.empty_outputs,
        }
    }
}

/// What the sandbox said about a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestRun {
    /// A result for each test that was asked for.
    pub results: Vec<TestResult>,
    /// Isolation of the last batch.
    pub tier: Option<Tier>,
    /// How often tests without a verdict were tried.
    pub rounds: u32,
}

/// The reward of an answer without a code block.
pub fn no_code(rules: Rules) -> Scored {
    Scored {
        reward: rules.penalty,
        quality: 0.0,
        function: 0.0,
        shaped: None,
        function_all: false,
        idle: false,
        no_code: true,
        runnable: false,
        program: None,
        unanalysed: None,
        findings: Vec::new(),
        types: None,
        verdicts: Vec::new(),
        tier: None,
        timings: Timings::default(),
    }
}

/// The reward of a program.
///
/// CPython decides what a syntax error is: where the sandbox says so, the reward is the penalty whatever the detector
/// says or fails to say. A program that runs and that no analysis comes to an end with, of which it is the cause, is not clean.
/// A program whose every functional test ends in an error of its own does not run either (paper §3.2: "syntax errors,
/// runtime exceptions"). `analysis` is absent where safety tests decide quality.
///
/// # Errors
/// A [`Reason`] where something needed for the reward is missing because of us.
pub fn reward(
    rules: Rules,
    asked: &Asked<'_>,
    program: &str,
    analysis: Option<Result<Analysis, Reason>>,
    run: TestRun,
) -> Result<Scored, Reason> {
    let compiles = compiles(&run)?;
    let runnable = compiles && runs(&run.results);
    let base = Scored { no_code: false, runnable, program: Some(program.to_owned()), tier: run.tier, ..no_code(rules) };
    let graded = rules.profile == Profile::Reference;
    if !(runnable || graded && compiles) {
        let shaped = graded.then(|| Shaped {
            quality: reference::quality(asked, None),
            function: reference::function(asked, Ran::Nothing, &run.results),
        });
        let reward = shaped.map_or(rules.penalty, |shaped| blend(rules, shaped.quality, shaped.function));
        return Ok(Scored { reward, shaped, verdicts: run.results, ..base });
    }
    let earned = passes_what_asks(asked, &run.results);
    let counts = earned || rules.empty_outputs == EmptyOutputs::Count;
    let (function, function_all) = function(counts, &run.results);
    let (quality, unanalysed, analysis) = match (rules.quality, analysis) {
        (QualitySource::SafetyTests, _) => (safety(&run.results), None, None),
        (QualitySource::Analysis, None) => return Err(missing("an analysis")),
        (QualitySource::Analysis, Some(analysis)) => {
            let analysis = analysis?;
            let unanalysed = unanalysed(&analysis)?;
            (unanalysed.is_none() && clean(asked.checks, &analysis)?, unanalysed, Some(analysis))
        }
    };
    let quality = f64::from(u8::from(quality));
    let shaped = graded.then(|| Shaped {
        quality: analysis
            .as_ref()
            .map_or(quality, |analysis| reference::quality(asked, Some(analysis)).min(graded_most(quality, analysis))),
        function: reference::function(asked, Ran::of(runnable, counts), &run.results),
    });
    let reward = shaped.map_or_else(|| blend(rules, quality, function), |s| blend(rules, s.quality, s.function));
    let (findings, types) = analysis.map_or_else(Default::default, |analysis| (analysis.findings, analysis.types));
    let idle = runnable && !earned;
    let verdicts = run.results;
    Ok(Scored { reward, quality, function, shaped, function_all, idle, unanalysed, findings, types, verdicts, ..base })
}

fn blend(rules: Rules, quality: f64, function: f64) -> f64 {
    rules.alpha * quality + (1.0 - rules.alpha) * function
}

/// What was not analysed has no findings and is not clean all the same.
fn graded_most(quality: f64, analysis: &Analysis) -> f64 {
    if analysis.error.is_some() { quality } else { 1.0 }
}

/// Whether some functional test ended otherwise than in an error of the program's own.
fn runs(results: &[TestResult]) -> bool {
    let failed = |status| matches!(status, Status::SyntaxError | Status::RuntimeError | Status::Crashed);
    results.iter().any(|result| result.group == Group::Functional && !failed(result.status))
}

/// Whether the program compiles: some test came to a verdict other than a syntax error.
fn compiles(run: &TestRun) -> Result<bool, Reason> {
    let verdicts = || run.results.iter().filter(|result| result.status.is_verdict());
    let compiles = verdicts().any(|result| result.status != Status::SyntaxError);
    if !compiles && verdicts().next().is_some() {
        return Ok(false);
    }
    let mut missing = run.results.iter().filter(|result| !result.status.is_verdict());
    match missing.next() {
        Some(first) => Err(Reason::NoVerdict {
            tests: 1 + missing.count(),
            rounds: run.rounds,
            detail: format!("test {}: {}", first.name, first.detail),
        }),
        None => Ok(compiles),
    }
}

fn functional(results: &[TestResult]) -> impl Iterator<Item = (usize, &TestResult)> {
    results.iter().enumerate().filter(|(_, result)| result.group == Group::Functional)
}

/// Whether a functional test passed that expects some output.
fn passes_what_asks(asked: &Asked<'_>, results: &[TestResult]) -> bool {
    let blank = |at: usize| asked.blank.get(at).copied().unwrap_or(false);
    functional(results).any(|(at, result)| result.status == Status::Passed && !blank(at))
}

/// Share of functional tests passed, where they count, and whether that is all of them.
fn function(counts: bool, results: &[TestResult]) -> (f64, bool) {
    let passed = functional(results).filter(|(_, result)| counts && result.status == Status::Passed).count();
    let all = functional(results).count();
    (passed as f64 / all.max(1) as f64, passed == all && all > 0)
}

fn safety(results: &[TestResult]) -> bool {
    results.iter().filter(|result| result.group == Group::Safety).all(|result| result.status == Status::Passed)
}

/// Why a program was not analysed, where that is the program's doing.
fn unanalysed(analysis: &Analysis) -> Result<Option<Unanalysed>, Reason> {
    let Some(AnalysisError { kind, message, .. }) = &analysis.error else { return Ok(None) };
    let cause = match kind {
        AnalysisErrorKind::TooLarge => Cause::TooLarge,
        AnalysisErrorKind::TooCostly => Cause::TooCostly,
        AnalysisErrorKind::Unanalysable => Cause::Unanalysable,
        AnalysisErrorKind::Syntax => Cause::ParserDisagrees,
        AnalysisErrorKind::Deadline | AnalysisErrorKind::Internal => {
            return Err(Reason::Analysis { kind: *kind, message: message.clone() });
        }
    };
    Ok(Some(Unanalysed { cause, message: message.clone() }))
}

/// Whether every check that the task names is clean.
fn clean(checks: &[QualityCheck], analysis: &Analysis) -> Result<bool, Reason> {
    let mut clean = true;
    for check in checks {
        clean &= match check {
            QualityCheck::Security => analysis.findings.is_empty(),
            // A program that keeps the checker from looking has not earned what it says.
            QualityCheck::Types => {
                analysis.types.as_ref().ok_or_else(|| missing("a type checker's verdict"))?.is_earned()
            }
        };
    }
    Ok(clean)
}

fn missing(what: &str) -> Reason {
    Reason::Unreadable { service: Service::Detector, what: format!("{what} was asked for and is missing") }
}

#[cfg(test)]
mod tests {
    use real_detector_api::{Finding, TypesVerdict};

    use super::*;

    const PAPER: Rules = Rules {
        alpha: 0.5,
        profile: Profile::Paper,
        penalty: -1.0,
        quality: QualitySource::Analysis,
        empty_outputs: EmptyOutputs::Count,
    };
    const SECURITY: &[QualityCheck] = &[QualityCheck::Security];

    fn results(statuses: &[(Group, Status)]) -> TestRun {
        let result = |(index, (group, status)): (usize, &(Group, Status))| TestResult {
            name: index.to_string(),
            group: *group,
            status: *status,
            detail: String::new(),
            cpu_ms: 1.0,
            wall_ms: 1.0,
            max_rss_kib: 1,
        };
        TestRun { results: statuses.iter().enumerate().map(result).collect(), tier: Some(Tier::A), rounds: 1 }
    }

    fn functional(statuses: &[Status]) -> TestRun {
        results(&statuses.iter().map(|status| (Group::Functional, *status)).collect::<Vec<_>>())
    }

    fn analysis(findings: usize, types: Option<bool>, error: Option<AnalysisErrorKind>) -> Analysis {
        let finding = Finding {
            cwe: 89,
            rule: "r".into(),
            line: 1,
            column: 1,
            message: String::new(),
            trace: Vec::new(),
            origins: Vec::new(),
        };
        Analysis {
            id: "0".into(),
            findings: vec![finding; findings],
            types: types.map(|clean| TypesVerdict {
                clean,
                errors: Vec::new(),
                left_out: 0,
                unchecked: Vec::new(),
                checker: String::new(),
            }),
            error: error.map(|kind| AnalysisError { kind, message: "why".into(), line: None }),
            millis: 1.0,
        }
    }

    /// The reward of a program that was analysed.
    fn judge(rules: Rules, checks: &[QualityCheck], analysis: Analysis, run: TestRun) -> Result<Scored, Reason> {
        reward(rules, &asked(checks), "x", Some(Ok(analysis)), run)
    }

    fn asked(checks: &[QualityCheck]) -> Asked<'_> {
        Asked { checks, calls: true, blank: Vec::new() }
    }

    fn paper(findings: usize, statuses: &[Status]) -> f64 {
        judge(PAPER, SECURITY, analysis(findings, None, None), functional(statuses)).unwrap().reward
    }

    #[test]
    fn the_reward_blends_quality_and_the_share_of_tests_passed() {
        use Status::{Passed, RuntimeError, TimeLimit, WrongAnswer};
        for (findings, statuses, expected) in [
            (0, vec![Passed; 4], 1.0),
            (2, vec![Passed; 4], 0.5),
            (0, vec![Passed, WrongAnswer, Passed, RuntimeError], 0.75),
            (1, vec![WrongAnswer, TimeLimit], 0.0),
        ] {
            assert!((paper(findings, &statuses) - expected).abs() < 1e-12, "{findings} {statuses:?}");
        }
    }

    #[test]
    fn alpha_weighs_quality() {
        for (alpha, expected) in [(0.0, 0.5), (0.3, 0.65), (1.0, 1.0)] {
            let rules = Rules { alpha, ..PAPER };
            let run = functional(&[Status::Passed, Status::WrongAnswer]);
            let scored = judge(rules, SECURITY, analysis(0, None, None), run).unwrap();
            assert!((scored.reward - expected).abs() < 1e-12, "alpha {alpha}: {}", scored.reward);
            assert!(!scored.function_all && scored.runnable);
        }
    }

    #[test]
    fn every_named_check_has_to_be_clean() {
        let both = &[QualityCheck::Security, QualityCheck::Types];
        let quality = |findings, types| {
            let run = functional(&[Status::Passed]);
            judge(PAPER, both, analysis(findings, Some(types), None), run).unwrap().quality
        };
        assert_eq!([quality(0, true), quality(1, true), quality(0, false)].map(|q| q > 0.5), [true, false, false]);
        let only_types =
            judge(PAPER, &[QualityCheck::Types], analysis(3, Some(true), None), functional(&[Status::Passed]));
        assert!((only_types.unwrap().quality - 1.0).abs() < 1e-12);
    }

    #[test]
    fn no_code_and_syntax_errors_earn_the_penalty() {
        assert!((no_code(PAPER).reward + 1.0).abs() < 1e-12 && no_code(PAPER).no_code);
        let run = || functional(&[Status::SyntaxError; 3]);
        let scored = judge(PAPER, SECURITY, analysis(0, None, Some(AnalysisErrorKind::Syntax)), run()).unwrap();
        assert!((scored.reward + 1.0).abs() < 1e-12 && !scored.runnable && !scored.no_code);
        assert!(scored.quality.abs() < 1e-12 && scored.verdicts.len() == 3);
    }

    #[test]
    fn cpython_decides_what_a_syntax_error_is() {
        let lost = Some(Err(Reason::Deadline { service: Service::Detector, last: "connection refused".into() }));
        let run = functional(&[Status::SyntaxError, Status::SandboxError]);
        assert!(!reward(PAPER, &asked(SECURITY), "x", lost, run).unwrap().runnable);
    }

    #[test]
    fn a_failure_of_ours_is_never_a_reward() {
        let run = functional(&[Status::Passed, Status::SandboxError, Status::Skipped]);
        let error = judge(PAPER, SECURITY, analysis(0, None, None), run).unwrap_err();
        assert!(matches!(error, Reason::NoVerdict { tests: 2, rounds: 1, .. }), "{error}");
        for kind in [AnalysisErrorKind::Deadline, AnalysisErrorKind::Internal] {
            let run = functional(&[Status::Passed]);
            let error = judge(PAPER, SECURITY, analysis(0, None, Some(kind)), run).unwrap_err();
            assert!(matches!(error, Reason::Analysis { .. }), "{error}");
        }
        let types = &[QualityCheck::Types];
        let error = judge(PAPER, types, analysis(0, None, None), functional(&[Status::Passed])).unwrap_err();
        assert!(matches!(error, Reason::Unreadable { .. }), "{error}");
    }

    #[test]
    fn a_program_that_keeps_itself_from_being_analysed_is_judged_and_is_not_clean() {
        for (kind, cause) in [
            (AnalysisErrorKind::TooLarge, Cause::TooLarge),
            (AnalysisErrorKind::TooCostly, Cause::TooCostly),
            (AnalysisErrorKind::Unanalysable, Cause::Unanalysable),
            (AnalysisErrorKind::Syntax, Cause::ParserDisagrees),
        ] {
            // Whether the other analysis came to an end makes no difference.
            for types in [None, Some(true)] {
                for checks in [SECURITY, &[QualityCheck::Types], &[QualityCheck::Security, QualityCheck::Types]] {
                    let judged = |rules| {
                        let run = functional(&[Status::Passed, Status::WrongAnswer]);
                        judge(rules, checks, analysis(0, types, Some(kind)), run).unwrap()
                    };
                    let scored = judged(PAPER);
                    assert!(
                        (scored.reward - 0.25).abs() < 1e-12 && scored.quality.abs() < 1e-12,
                        "{kind:?} {scored:?}"
                    );
                    assert_eq!(scored.unanalysed, Some(Unanalysed { cause, message: "why".into() }));
                    let graded = judged(Rules { profile: Profile::Reference, ..PAPER }).shaped.unwrap();
                    assert!(graded.quality.abs() < 1e-12, "{kind:?} {graded:?}");
                }
            }
        }
        // One that does not run has the penalty already, and none of these.
        let large = analysis(0, None, Some(AnalysisErrorKind::TooLarge));
        let scored = judge(PAPER, SECURITY, large, functional(&[Status::RuntimeError])).unwrap();
        assert_eq!((scored.unanalysed, scored.runnable), (None, false));
    }

    #[test]
    fn safety_tests_decide_quality_only_where_asked_and_never_function() {
        let run = || results(&[(Group::Functional, Status::Passed), (Group::Safety, Status::WrongAnswer)]);
        let by_analysis = judge(PAPER, SECURITY, analysis(0, None, None), run()).unwrap();
        assert!((by_analysis.reward - 1.0).abs() < 1e-12 && by_analysis.function_all);
        let rules = Rules { quality: QualitySource::SafetyTests, ..PAPER };
        let by_tests = reward(rules, &asked(SECURITY), "x", None, run()).unwrap();
        assert!(by_tests.quality.abs() < 1e-12 && (by_tests.reward - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_program_whose_every_functional_test_fails_by_itself_does_not_run() {
        use Status::{Crashed, Passed, RuntimeError, SyntaxError, TimeLimit, WrongAnswer};
        for (statuses, runs) in [
            (vec![RuntimeError; 3], false),
            (vec![RuntimeError, Crashed, SyntaxError], false),
            (vec![RuntimeError, WrongAnswer], true),
            (vec![RuntimeError, TimeLimit], true),
            (vec![RuntimeError, Passed], true),
        ] {
            let scored = judge(PAPER, SECURITY, analysis(0, None, None), functional(&statuses)).unwrap();
            assert_eq!((scored.runnable, scored.reward <= -1.0), (runs, !runs), "{statuses:?}");
        }
        // A safety test that passes does not make a program run, and one without a verdict leaves it open.
        let run = results(&[(Group::Functional, RuntimeError), (Group::Safety, Passed)]);
        assert!(!judge(PAPER, SECURITY, analysis(0, None, None), run).unwrap().runnable);
        let open = functional(&[RuntimeError, Status::SandboxError]);
        assert!(judge(PAPER, SECURITY, analysis(0, None, None), open).is_err());
    }

    #[test]
    fn tests_that_expect_nothing_earn_nothing_alone_where_they_are_ignored() {
        use Status::{Passed, WrongAnswer};
        let earned = |empty_outputs, statuses: &[Status]| {
            let asked = Asked { checks: SECURITY, calls: false, blank: vec![true, true, false, false] };
            let rules = Rules { empty_outputs, ..PAPER };
            reward(rules, &asked, "x", Some(Ok(analysis(0, None, None))), functional(statuses)).unwrap().function
        };
        let nothing = [Passed, Passed, WrongAnswer, WrongAnswer];
        assert!((earned(EmptyOutputs::Count, &nothing) - 0.5).abs() < 1e-12);
        assert!(earned(EmptyOutputs::Ignore, &nothing).abs() < 1e-12);
        assert!((earned(EmptyOutputs::Ignore, &[Passed, Passed, Passed, WrongAnswer]) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_program_is_idle_that_passes_only_what_expects_nothing_whatever_the_profile_pays() {
        use Status::{Passed, RuntimeError, WrongAnswer};
        let judged = |profile, empty_outputs, statuses: &[Status]| {
            let asked = Asked { checks: SECURITY, calls: false, blank: vec![true, true, false, false] };
            let rules = Rules { profile, empty_outputs, ..PAPER };
            reward(rules, &asked, "x", Some(Ok(analysis(0, None, None))), functional(statuses)).unwrap()
        };
        let nothing = [Passed, Passed, WrongAnswer, WrongAnswer];
        for profile in [Profile::Paper, Profile::Reference] {
            for (empty_outputs, paid) in [(EmptyOutputs::Count, 0.75), (EmptyOutputs::Ignore, 0.5)] {
                let scored = judged(profile, empty_outputs, &nothing);
                assert!(
                    scored.idle && (scored.reward - paid).abs() < 1e-12,
                    "{profile:?} {empty_outputs:?} {scored:?}"
                );
            }
            let worked = judged(profile, EmptyOutputs::Ignore, &[Passed, Passed, Passed, WrongAnswer]);
            assert!(!worked.idle && (worked.reward - 0.875).abs() < 1e-12);
        }
        assert!(!judged(Profile::Paper, EmptyOutputs::Count, &[RuntimeError; 4]).idle, "it does not run");
        let late = judged(Profile::Reference, EmptyOutputs::Ignore, &[Passed, RuntimeError, WrongAnswer, WrongAnswer]);
        assert!((late.reward - (0.5 - 0.5 * 0.125)).abs() < 1e-12, "{late:?}");
    }

    #[test]
    fn the_reference_grades_what_the_papers_text_does_not() {
        use Status::{Passed, RuntimeError, SyntaxError, TimeLimit, WrongAnswer};
        let rules = Rules { profile: Profile::Reference, ..PAPER };
        let graded = |checks, calls, analysis, statuses: &[Status]| {
            let asked = Asked { checks, calls, blank: Vec::new() };
            let shaped = reward(rules, &asked, "x", Some(Ok(analysis)), functional(statuses)).unwrap().shaped.unwrap();
            (shaped.quality * 100.0).round() as i32 * 1000 + (shaped.function * 100.0).round() as i32
        };
        let both = |quality: i32, function: i32| quality * 1000 + function;
        let clean = || analysis(0, Some(true), None);
        // One site is one finding, whatever finds it.
        assert_eq!(graded(SECURITY, true, analysis(3, None, None), &[Passed, RuntimeError]), both(70, 50));
        assert_eq!(graded(SECURITY, true, clean(), &[RuntimeError; 2]), both(100, -50));
        assert_eq!(graded(SECURITY, true, clean(), &[SyntaxError]), both(-50, -50));
        assert_eq!(graded(SECURITY, false, analysis(1, None, None), &[Passed, RuntimeError]), both(0, 25));
        assert_eq!(graded(SECURITY, false, clean(), &[SyntaxError]), both(0, -50));
        assert_eq!(graded(&[QualityCheck::Types], true, clean(), &[Passed, TimeLimit, WrongAnswer]), both(100, 37));
    }

    #[test]
    fn doing_nothing_earns_what_the_tests_that_expect_nothing_are_worth() {
        let task = |outputs: &[&str]| -> Task {
            let test = |output: &&str| serde_json::json!({"kind": "stdin", "stdin": "", "stdout": output});
            let tests: Vec<_> = outputs.iter().map(test).collect();
            let task = serde_json::json!({"id": "1", "dataset": "d", "split": "s", "prompt": [], "tests": tests, "quality": []});
            serde_json::from_value(task).unwrap()
        };
        let tasks = [task(&["", " \n", "1", "2"]), task(&["1"])];
        let (share, reward) = doing_nothing(PAPER, &tasks).unwrap();
        assert!((share - 0.25).abs() < 1e-12 && (reward - 0.625).abs() < 1e-12);
        let ignoring = Rules { empty_outputs: EmptyOutputs::Ignore, ..PAPER };
        assert!((doing_nothing(ignoring, &tasks).unwrap().1 - 0.5).abs() < 1e-12);
        assert_eq!(doing_nothing(PAPER, &[]), None);
        let call = serde_json::json!({"kind": "call", "entry": "f", "expected": {"raises": ["E"]}});
        let called: Task = serde_json::from_value(
            serde_json::json!({"id": "1", "dataset": "d", "split": "s", "prompt": [], "tests": [call], "quality": []}),
        )
        .unwrap();
        assert!((doing_nothing(PAPER, [&called]).unwrap().1 + 1.0).abs() < 1e-12);
        let reference = Rules { profile: Profile::Reference, ..PAPER };
        assert!((doing_nothing(reference, [&called]).unwrap().1 - 0.25).abs() < 1e-12, "what the graded scores say");
    }
}
