//! Every rule finds its bad examples and leaves its good ones alone, however they are written.

use std::path::Path;

use real_detector::catalogue::{cwes, unknown_cwes};
use real_detector::rules::{Rule, pages, registry};
use real_detector::{Options, analyze};
use real_detector_api::Finding;

/// Programs of each kind that a rule must show.
const LEAST: usize = 10;

fn found(rule: &Rule, code: &str) -> Vec<Finding> {
    let options = Options { cwes: Some(vec![rule.cwe]), ..Options::default() };
    let findings = analyze(code, &options).unwrap_or_else(|error| panic!("{}: {error:?}\n{code}", rule.id));
    findings.into_iter().filter(|finding| finding.rule == rule.id).collect()
}

/// The same program in other styles: functions that are coroutines, in a class, behind a test of the main program, with
/// annotations and documentation.
fn styles(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let has_functions = lines.iter().any(|line| line.starts_with("def "));
    if !has_functions {
        let mut inside = String::from("def main():\n");
        for line in &lines {
            inside.extend(["    ", line, "\n"]);
        }
        // Text in quotes over several lines must not be moved.
        let whole = lines.iter().all(|line| !line.contains("\"\"\"") && !line.starts_with("from __future__"));
        let nested = lines
            .iter()
            .any(|line| line.starts_with("class ") || line.starts_with("async ") || line.contains("import *"));
        return if whole && !nested { vec![inside + "\nif __name__ == \"__main__\":\n    main()\n"] } else { vec![] };
    }
    let coroutines: String = lines
        .iter()
        .map(|line| {
            if line.starts_with("def ") && !code.contains("yield") {
                format!("async {line}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let calls_own = lines
        .iter()
        .filter_map(|line| line.strip_prefix("def ")?.split('(').next())
        .any(|name| code.matches(&format!("{name}(")).count() > 1);
    let documented: String = lines
        .iter()
        .map(|line| {
            let plain = line.starts_with("def ") && line.trim_end().ends_with("):");
            if plain { format!("{line}\n    \"\"\"Does what it says.\"\"\"\n") } else { format!("{line}\n") }
        })
        .collect();
    if calls_own { vec![documented] } else { vec![coroutines, documented] }
}

#[test]
fn every_rule_finds_its_bad_examples_and_no_good_one() {
    let registry = registry().expect("rule files are sound");
    let mut wrong = vec![];
    for rule in &registry.rules {
        for (expected, examples) in [(true, &rule.bad), (false, &rule.good)] {
            let mut programs = 0;
            for (i, code) in examples.iter().enumerate() {
                for (style, code) in std::iter::once(code.clone()).chain(styles(code)).enumerate() {
                    programs += 1;
                    let findings = found(rule, &code);
                    if findings.is_empty() == expected {
                        wrong.push(format!("{} {} {i}.{style}", rule.id, if expected { "bad" } else { "good" }));
                    }
                    for finding in &findings {
                        assert!(!finding.trace.is_empty(), "{}: no way to {finding:?}", rule.id);
                    }
                }
            }
            if programs < LEAST {
                wrong.push(format!("{}: {programs} programs of the kind {expected}; {LEAST} are needed", rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pages_of_the_rules_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let registry = registry().expect("rule files are sound");
    let pages = pages::all(&registry.rules);
    for (name, text) in &pages {
        let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(there == *text, "docs/rules/{name} is stale: run `real-detector rules --pages docs/rules`");
    }
    let there = std::fs::read_dir(&folder).expect("docs/rules").count();
    assert_eq!(there, pages.len(), "docs/rules has pages of rules that are gone");
}

#[test]
fn numbers_that_no_rule_is_for_are_refused_with_those_that_are() {
    let problem = unknown_cwes(&[89, 9999]).expect("rule files are sound").expect("9999 is no weakness");
    assert!(problem.contains("9999") && problem.contains("78, 79") && problem.contains("1333"), "{problem}");
    let known = registry().expect("rule files are sound").cwes();
    assert_eq!(unknown_cwes(&known).expect("rule files are sound"), None);
}

#[test]
fn the_weaknesses_of_the_paper_have_rules() {
    let known = registry().expect("rule files are sound").cwes();
    for cwe in [74, 77, 78, 79, 89, 94, 95, 200, 327, 347, 352, 502, 601, 770, 862, 863, 915, 918, 1333] {
        assert!(known.contains(&cwe), "no rule for CWE-{cwe}");
    }
}

#[test]
fn the_first_page_says_for_how_many_numbers_there_are_rules() {
    let said = format!("{} CWE numbers", cwes().expect("the rules load").len());
    assert!(include_str!("../../README.md").contains(&said), "README.md does not say {said}");
}
