//! From verdicts to a reward: the arithmetic of the paper, without I/O.

use real_datasets::QualityCheck;
use real_detector_api::{Analysis, AnalysisErrorKind};
use real_sandbox_api::{Group, Status, TestResult, Tier};

use crate::{Profile, QualitySource, Reason, Scored, ScorerConfig, Service, Timings};

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
}

impl From<&ScorerConfig> for Rules {
    fn from(config: &ScorerConfig) -> Self {
        Self { alpha: config.alpha, profile: config.profile, penalty: config.penalty, quality: config.quality }
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
        function_all: false,
        no_code: true,
        runnable: false,
        program: None,
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
/// says or fails to say; where the program runs but the detector cannot parse it, that is a failure of ours.
/// `analysis` is absent where safety tests decide quality.
///
/// # Errors
/// A [`Reason`] where something needed for the reward is missing because of us.
pub fn reward(
    rules: Rules,
    checks: &[QualityCheck],
    program: &str,
    analysis: Option<Result<Analysis, Reason>>,
    run: TestRun,
) -> Result<Scored, Reason> {
    let runnable = runs(&run)?;
    let base = Scored { no_code: false, runnable, program: Some(program.to_owned()), tier: run.tier, ..no_code(rules) };
    if !runnable {
        return Ok(Scored { verdicts: run.results, ..base });
    }
    let (function, function_all) = function(&run.results);
    let (quality, findings, types) = match (rules.quality, analysis) {
        (QualitySource::SafetyTests, _) => (safety(&run.results), Vec::new(), None),
        (QualitySource::Analysis, None) => return Err(missing("an analysis")),
        (QualitySource::Analysis, Some(analysis)) => {
            let analysis = analysis?;
            let clean = clean(checks, &analysis)?;
            (clean, analysis.findings, analysis.types)
        }
    };
    let quality = f64::from(u8::from(quality));
    let Profile::Paper = rules.profile;
    let reward = rules.alpha * quality + (1.0 - rules.alpha) * function;
    Ok(Scored { reward, quality, function, function_all, findings, types, verdicts: run.results, ..base })
}

/// Whether the program ran: some test came to a verdict other than a syntax error.
fn runs(run: &TestRun) -> Result<bool, Reason> {
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

/// Share of functional tests passed, and whether that is all of them.
fn function(results: &[TestResult]) -> (f64, bool) {
    let functional = || results.iter().filter(|result| result.group == Group::Functional);
    let (passed, all) = (functional().filter(|r| r.status == Status::Passed).count(), functional().count());
    (passed as f64 / all.max(1) as f64, passed == all && all > 0)
}

fn safety(results: &[TestResult]) -> bool {
    results.iter().filter(|result| result.group == Group::Safety).all(|result| result.status == Status::Passed)
}

/// Whether every check that the task names is clean.
fn clean(checks: &[QualityCheck], analysis: &Analysis) -> Result<bool, Reason> {
    if let Some(error) = &analysis.error {
        return match error.kind {
            // Nothing shows that it is clean.
            AnalysisErrorKind::TooLarge => Ok(false),
            AnalysisErrorKind::Syntax => Err(Reason::ParserDisagrees(error.message.clone())),
            kind @ (AnalysisErrorKind::Deadline | AnalysisErrorKind::Internal) => {
                Err(Reason::Analysis { kind, message: error.message.clone() })
            }
        };
    }
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
    use real_detector_api::{AnalysisError, Finding, TypesVerdict};

    use super::*;

    const PAPER: Rules = Rules { alpha: 0.5, profile: Profile::Paper, penalty: -1.0, quality: QualitySource::Analysis };
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
            types: types.map(|clean| TypesVerdict { clean, errors: Vec::new(), unchecked: Vec::new() }),
            error: error.map(|kind| AnalysisError { kind, message: "why".into(), line: None }),
            millis: 1.0,
        }
    }

    /// The reward of a program that was analysed.
    fn judge(rules: Rules, checks: &[QualityCheck], analysis: Analysis, run: TestRun) -> Result<Scored, Reason> {
        reward(rules, checks, "x", Some(Ok(analysis)), run)
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
        assert!(!reward(PAPER, SECURITY, "x", lost, run).unwrap().runnable);
        let disagrees = analysis(0, None, Some(AnalysisErrorKind::Syntax));
        let error = judge(PAPER, SECURITY, disagrees, functional(&[Status::Passed])).unwrap_err();
        assert_eq!(error, Reason::ParserDisagrees("why".into()));
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
    fn a_program_too_large_to_analyse_is_not_clean() {
        let large = analysis(0, None, Some(AnalysisErrorKind::TooLarge));
        let scored = judge(PAPER, SECURITY, large, functional(&[Status::Passed])).unwrap();
        assert!((scored.reward - 0.5).abs() < 1e-12);
    }

    #[test]
    fn safety_tests_decide_quality_only_where_asked_and_never_function() {
        let run = || results(&[(Group::Functional, Status::Passed), (Group::Safety, Status::WrongAnswer)]);
        let by_analysis = judge(PAPER, SECURITY, analysis(0, None, None), run()).unwrap();
        assert!((by_analysis.reward - 1.0).abs() < 1e-12 && by_analysis.function_all);
        let rules = Rules { quality: QualitySource::SafetyTests, ..PAPER };
        let by_tests = reward(rules, SECURITY, "x", None, run()).unwrap();
        assert!(by_tests.quality.abs() < 1e-12 && (by_tests.reward - 0.5).abs() < 1e-12);
    }
}
