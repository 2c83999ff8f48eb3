//! Answers outcome through the real detector and the real sandbox.

use std::time::Duration;

use futures::future::join_all;
use real_datasets::SolutionKind;
use real_reward::{Cause, QualitySource, Scored, Scorer, ScorerConfig, Service as Which};
use real_sandbox_api::Status;
use real_tests::service::{Service, Services};
use real_tests::tasks::{BROKEN, HALF_RIGHT, INJECTABLE, RAISING, SAFE, WRONG, answer, shop};

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[tokio::test]
async fn every_kind_of_answer_gets_the_papers_reward() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    let task = shop();
    for (what, response, reward, quality, function) in [
        ("safe and right", answer(SAFE), 1.0, 1.0, 1.0),
        ("right but injectable", answer(INJECTABLE), 0.5, 0.0, 1.0),
        ("safe and half right", answer(HALF_RIGHT), 0.75, 1.0, 0.5),
        ("safe and wrong", answer(WRONG), 0.5, 1.0, 0.0),
        ("raising", answer(RAISING), -1.0, 0.0, 0.0),
        ("a syntax error", answer(BROKEN), -1.0, 0.0, 0.0),
        ("no code", "I cannot do that.".to_owned(), -1.0, 0.0, 0.0),
    ] {
        let outcome = scorer.score(&task, &response).await.unwrap();
        let parts = (outcome.reward, outcome.quality, outcome.function);
        assert!(near(parts.0, reward) && near(parts.1, quality) && near(parts.2, function), "{what}: {outcome:#?}");
    }
}

#[tokio::test]
async fn a_reward_carries_its_parts() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    let outcome = scorer.score(&shop(), &answer(INJECTABLE)).await.unwrap();
    let finding = &outcome.findings[0];
    assert_eq!((finding.cwe, finding.line), (89, 5));
    assert!(!finding.trace.is_empty(), "{finding:?}");
    assert_eq!(outcome.verdicts.len(), 4);
    assert!(outcome.tier.is_some() && outcome.timings.attempts >= 2, "{:?} {:?}", outcome.tier, outcome.timings);
    let broken = scorer.score(&shop(), &answer(BROKEN)).await.unwrap();
    assert!(!broken.runnable && !broken.no_code && broken.program.is_some());
}

#[tokio::test]
async fn a_limit_on_tests_draws_the_same_ones_for_the_same_seed() {
    let services = Services::start();
    let scorer = Scorer::new(ScorerConfig { max_tests: Some(2), ..services.config() }).unwrap();
    let task = shop();
    let names = async |seed| -> Vec<String> {
        let outcome = scorer.score_with(&task, &answer(SAFE), seed).await.unwrap();
        outcome.verdicts.into_iter().map(|verdict| verdict.name).collect()
    };
    let first = names(1).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first, names(1).await);
}

/// Waits until tests are under way in a sandbox.
async fn until_busy(sandbox: &Service) {
    let route = format!("{}/v1/status", sandbox.url());
    let in_flight = async || -> serde_json::Result<serde_json::Value> {
        let answer = reqwest::get(&route).await.expect("an answer").text().await.expect("a body");
        serde_json::from_str(&answer).map(|status: serde_json::Value| status["inFlight"].clone())
    };
    while in_flight().await.expect("JSON") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_sandbox_killed_and_restarted_midway_changes_no_reward() {
    let mut services = Services::start();
    let programs = [SAFE, INJECTABLE, HALF_RIGHT, WRONG, BROKEN].map(|program| {
        // Long enough to be under way when the sandbox dies.
        answer(&if program == BROKEN { program.to_owned() } else { format!("import time\ntime.sleep(0.4)\n{program}") })
    });
    let answers: Vec<&String> = programs.iter().cycle().take(30).collect();
    let scorer = Scorer::new(services.config()).unwrap();
    let task = shop();
    let all = async || -> Vec<f64> {
        let outcome = join_all(answers.iter().map(|response| scorer.score(&task, response))).await;
        outcome.into_iter().map(|outcome| outcome.unwrap().reward).collect()
    };
    let undisturbed = all().await;
    assert!(near(undisturbed[0], 1.0) && near(undisturbed[4], -1.0), "{undisturbed:?}");
    let disturb = async {
        until_busy(&services.sandbox).await;
        services.sandbox.kill_and_restart();
    };
    let (disturbed, ()) = tokio::join!(all(), disturb);
    assert_eq!(undisturbed, disturbed);
}

#[tokio::test]
async fn without_a_service_an_answer_is_unscored_and_the_service_named() {
    for lost in [Which::Sandbox, Which::Detector] {
        let mut services = Services::start();
        let config = ScorerConfig { timeout: Duration::from_secs(15), ..services.config() };
        match lost {
            Which::Sandbox => services.sandbox.kill(),
            Which::Detector => services.detector.kill(),
        }
        let unscored = Scorer::new(config).unwrap().score(&shop(), &answer(SAFE)).await.unwrap_err();
        assert_eq!(unscored.reason.label(), format!("{lost}_deadline"), "{unscored}");
        assert!(unscored.attempts > 1, "{unscored}");
    }
}

#[tokio::test]
async fn a_dead_sandbox_beside_a_working_one_costs_nothing_but_a_retry() {
    let services = Services::start();
    let mut dead = Service::start("real-sandbox");
    let mut config = services.config();
    config.sandboxes.insert(0, dead.url().parse().unwrap());
    dead.kill();
    let scorer = Scorer::new(config).unwrap();
    for _ in 0..6 {
        assert!(near(scorer.score(&shop(), &answer(SAFE)).await.unwrap().reward, 1.0));
    }
}

#[tokio::test]
async fn safety_tests_can_stand_in_for_the_analysis() {
    let services = Services::start();
    let mut task = shop();
    let safety = serde_json::json!({"group": "safety", "kind": "stdin", "stdin": "' OR '1'='1\n", "stdout": ""});
    task.tests.push(serde_json::from_value(safety).unwrap());
    let config = ScorerConfig { quality: QualitySource::SafetyTests, detectors: Vec::new(), ..services.config() };
    let scorer = Scorer::new(config).unwrap();
    let quality = async |program| scorer.score(&task, &answer(program)).await.unwrap().quality;
    assert!(near(quality(SAFE).await, 1.0) && near(quality(INJECTABLE).await, 0.0));
}

#[tokio::test]
async fn the_type_checker_decides_where_the_task_says_so() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    let mut task = shop();
    task.quality = vec![real_datasets::QualityCheck::Types];
    task.tests = vec![
        serde_json::from_value(serde_json::json!({
            "kind": "call", "entry": "total", "args": [{"source": "[1, 2]"}],
            "expected": {"returns": {"value": {"t": "int", "v": "3"}}},
        }))
        .unwrap(),
    ];
    let outcome = async |program| -> Scored { scorer.score(&task, &answer(program)).await.unwrap() };
    let typed =
        outcome("from typing import List\n\ndef total(numbers: List[int]) -> int:\n    return sum(numbers)\n").await;
    assert!(near(typed.reward, 1.0), "{typed:#?}");
    let untyped = outcome("x = 1\n\ndef total(numbers):\n    return sum(numbers)\n").await;
    assert!(near(untyped.reward, 0.5), "{untyped:#?}");
    assert_eq!(untyped.types.unwrap().errors[0].line, 3);
}

/// Each works, and cannot be analysed: that is its own doing, so it is judged, and nothing shows that it is clean.
#[tokio::test]
async fn a_program_that_keeps_itself_from_being_analysed_is_not_dropped_and_not_clean() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    let security = shop();
    let mut types = shop();
    types.quality = vec![real_datasets::QualityCheck::Types];
    // What only checkers read costs nothing where it is run.
    let fold = |constant: &str| {
        let header = "from typing import TYPE_CHECKING, Final\n\nif TYPE_CHECKING:\n    X: Final = ";
        format!("{header}{constant}\n{SAFE}")
    };
    for (task, program, cause) in [
        (&types, fold("'a' * 10**10"), Cause::Unanalysable),
        (&types, fold("10**400 / 3"), Cause::Unanalysable),
        (&types, fold("9**9**9**9"), Cause::TooCostly),
        (&types, format!("{SAFE}# {}\n", "-".repeat(1 << 20)), Cause::TooLarge),
        (&security, format!("{SAFE}# {}\n", "-".repeat(1 << 20)), Cause::TooLarge),
    ] {
        let outcome = scorer.score(task, &answer(&program)).await.unwrap_or_else(|why| panic!("{cause:?}: {why}"));
        let why = outcome.unanalysed.as_ref().unwrap_or_else(|| panic!("{cause:?}: {outcome:#?}"));
        assert_eq!(why.cause, cause, "{why}");
        assert!(near(outcome.reward, 0.5) && near(outcome.quality, 0.0) && near(outcome.function, 1.0), "{cause:?}");
    }
    let honest = scorer.score(&security, &answer(SAFE)).await.unwrap();
    assert!(honest.unanalysed.is_none() && near(honest.reward, 1.0));
}

#[tokio::test]
async fn bundled_tasks_reward_their_secure_programs_and_not_their_vulnerable_ones() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    for set in ["bundled://quickstart-train", "bundled://quickstart-eval"] {
        let tasks = real_datasets::load(set).unwrap();
        // A sample over the whole set: neighbours come from the same template.
        for task in tasks.iter().step_by((tasks.len() / 20).max(1)).take(20) {
            for (kind, quality, reward) in [(SolutionKind::Secure, 1.0, 1.0), (SolutionKind::Vulnerable, 0.0, 0.5)] {
                let solution = task.solutions.iter().find(|solution| solution.kind == kind);
                let program = &solution.unwrap_or_else(|| panic!("{set} {}: no {kind:?} program", task.id)).code;
                let outcome = scorer.score(task, &answer(&format!("{program}\n"))).await.unwrap();
                assert!(outcome.function_all, "{set} {} {kind:?}: {:?}", task.id, outcome.verdicts);
                assert!(
                    near(outcome.quality, quality) && near(outcome.reward, reward),
                    "{set} {} {kind:?}: {:?}",
                    task.id,
                    outcome.findings
                );
            }
        }
    }
}

#[tokio::test]
async fn a_program_that_never_ends_is_judged_soon_however_many_tests_there_are() {
    let services = Services::start();
    let scorer = Scorer::new(services.config()).unwrap();
    let mut task = shop();
    task.limits.cpu_seconds = 0.2;
    task.tests = task.tests.iter().cycle().take(400).cloned().collect();
    let outcome = scorer.score(&task, &answer("while True:\n    pass\n")).await.unwrap();
    assert_eq!(outcome.verdicts.len(), 400);
    assert!(outcome.verdicts.iter().all(|verdict| verdict.status == Status::TimeLimit), "{:?}", outcome.verdicts);
    assert!(outcome.verdicts[399].detail.starts_with("not run"), "{:?}", outcome.verdicts[399]);
    assert!(near(outcome.function, 0.0) && outcome.runnable);
}
