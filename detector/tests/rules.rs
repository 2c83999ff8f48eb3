//! Every rule finds its bad examples and leaves its good ones alone.

use real_detector::rules::registry;
use real_detector::{Options, analyze};

#[test]
fn every_rule_finds_its_bad_examples_and_no_good_one() {
    let registry = registry().expect("rule files are sound");
    assert!(!registry.rules.is_empty());
    let mut wrong = vec![];
    for rule in &registry.rules {
        assert!(!rule.bad.is_empty() && !rule.good.is_empty(), "{}: examples of both kinds are needed", rule.id);
        let options = Options { cwes: Some(vec![rule.cwe]), ..Options::default() };
        for (expected, examples) in [(true, &rule.bad), (false, &rule.good)] {
            for (i, code) in examples.iter().enumerate() {
                let findings = analyze(code, &options).unwrap_or_else(|error| panic!("{}: {error:?}\n{code}", rule.id));
                let found = findings.iter().any(|finding| finding.rule == rule.id);
                if found != expected {
                    wrong.push(format!("{} {} {i}", rule.id, if expected { "bad" } else { "good" }));
                }
                for finding in &findings {
                    assert!(finding.trace.len() >= 2, "{}: no way from a source to {finding:?}", rule.id);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
