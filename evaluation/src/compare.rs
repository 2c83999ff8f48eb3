//! Two evaluations of the same tasks beside each other.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::row::{Judged, Row, ScoredRow};
use crate::statistics::{interval_of_mean, mean, sign_test};
use crate::summary::{Group, by_task, of_task, one};

/// What an answer is worth by a measure; `None` where the measure says nothing of it.
type Worth = fn(&ScoredRow) -> Option<f64>;

/// What is compared.
const MEASURES: [(&str, Worth); 5] = [
    ("Function", |row| Some(one(row.works()))),
    ("Quality", |row| Some(one(row.is_clean()))),
    ("Func.-Qual.", |row| Some(one(row.is_both()))),
    ("safety tests", |row| row.is_safe().map(one)),
    ("tests passed", |row| Some(row.function)),
];

/// Means that differ by less are the same: sums of the same answers in another order.
const SAME: f64 = 1e-9;

/// What became of the tasks that both have answers to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Tasks that both have answers to; nothing else is compared.
    pub tasks: usize,
    /// Tasks that only the first has answers to.
    pub only_first: usize,
    /// Tasks that only the second has answers to.
    pub only_second: usize,
    /// A line a measure; none that neither says anything about.
    pub measures: Vec<Measure>,
    /// Tasks whose Func.-Qual. rose, the largest rise first.
    pub better: Vec<Change>,
    /// Tasks whose Func.-Qual. fell, the largest fall first.
    pub worse: Vec<Change>,
}

/// A measure in both.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measure {
    /// Its name.
    pub name: &'static str,
    /// Mean over the common tasks in the first.
    pub first: f64,
    /// In the second.
    pub second: f64,
    /// Second less first.
    pub difference: f64,
    /// Lower end of the difference's 95 % interval (bootstrap over tasks, both answers of a task together).
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Tasks that are better in the second.
    pub better: usize,
    /// Tasks that are worse in it.
    pub worse: usize,
    /// Two-sided p-value of McNemar's exact test, or with several answers a task of the sign test.
    pub p: f64,
}

/// A task that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The task's id.
    pub id: String,
    /// Share of its answers that are both in the first.
    pub first: f64,
    /// In the second.
    pub second: f64,
    /// What the answer of the first was, in words.
    pub was: String,
    /// What the answer of the second is.
    pub is: String,
}

/// Compares the rows of two evaluations of the same data set.
pub fn compare(first: &[Row], second: &[Row], seed: u64) -> Comparison {
    let (first, second) = (by_task(first), by_task(second));
    let common: BTreeMap<&str, (&Group<'_>, &Group<'_>)> =
        first.iter().filter_map(|(id, group)| Some((*id, (group, second.get(id)?)))).collect();
    let measures = MEASURES.into_iter().filter_map(|(name, of)| measure(name, of, &common, seed)).collect();
    let (mut better, mut worse) = (Vec::new(), Vec::new());
    for (id, (before, after)) in &common {
        let both = |group: &Group<'_>| of_task(group, |row| Some(one(row.is_both())));
        let (Some(was), Some(is)) = (both(before), both(after)) else { continue };
        let change = || Change {
            id: (*id).to_owned(),
            first: was,
            second: is,
            was: in_words(before, is > was),
            is: in_words(after, is < was),
        };
        if is > was + SAME {
            better.push(change());
        } else if is < was - SAME {
            worse.push(change());
        }
    }
    let size = |change: &Change| -(change.second - change.first).abs();
    for changes in [&mut better, &mut worse] {
        changes.sort_by(|a, b| size(a).total_cmp(&size(b)));
    }
    Comparison {
        tasks: common.len(),
        only_first: first.len() - common.len(),
        only_second: second.len() - common.len(),
        measures,
        better,
        worse,
    }
}

fn measure(
    name: &'static str,
    of: Worth,
    common: &BTreeMap<&str, (&Group<'_>, &Group<'_>)>,
    seed: u64,
) -> Option<Measure> {
    let pairs: Vec<(f64, f64)> =
        common.values().filter_map(|(before, after)| Some((of_task(before, of)?, of_task(after, of)?))).collect();
    let column = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).collect::<Vec<f64>>();
    let differences = column(|(before, after)| after - before);
    let difference = mean(&differences)?;
    let (low, high) = interval_of_mean(&differences, (-1.0, 1.0), seed)?;
    let better = differences.iter().filter(|difference| **difference > SAME).count();
    let worse = differences.iter().filter(|difference| **difference < -SAME).count();
    let (first, second) = (mean(&column(|pair| pair.0))?, mean(&column(|pair| pair.1))?);
    Some(Measure { name, first, second, difference, low, high, better, worse, p: sign_test(better, worse) })
}

/// What is to be said of the first answer of a group, or, where `at_fault`, of its first one that is not both.
fn in_words(group: &[&ScoredRow], at_fault: bool) -> String {
    let chosen = group.iter().find(|row| row.is_both() != at_fault).or(group.first());
    chosen.map_or_else(|| "no answer".to_owned(), |row| verdict(row))
}

/// A row in a few words: what keeps it from being both.
pub fn verdict(row: &ScoredRow) -> String {
    if row.no_code {
        return "no code block".to_owned();
    }
    let mut faults = Vec::new();
    let failed: Vec<_> =
        row.verdicts.iter().filter(|verdict| verdict.status != real_sandbox_api::Status::Passed).collect();
    if !row.works() {
        let tests = |group| row.verdicts.iter().filter(|verdict| verdict.group == group).count();
        let functional = real_sandbox_api::Group::Functional;
        let mine: Vec<_> = failed.iter().filter(|verdict| verdict.group == functional).collect();
        let first = mine.first().map(|verdict| format!(" ({})", status(verdict.status))).unwrap_or_default();
        faults.push(match tests(functional) {
            0 => "does not run".to_owned(),
            all => format!("{} of {all} tests fail{first}", mine.len()),
        });
    }
    let mut cwes: Vec<u32> = row.findings.iter().map(|finding| finding.cwe).collect();
    cwes.sort_unstable();
    cwes.dedup();
    faults.extend(cwes.iter().map(|cwe| format!("CWE-{cwe}")));
    if let Some(types) = row.types.as_ref().filter(|types| !types.clean) {
        faults.push(format!("{} type errors", types.errors.len()));
    }
    if !row.is_clean() && cwes.is_empty() && row.types.as_ref().is_none_or(|types| types.clean) {
        faults.push("not clean".to_owned());
    }
    if faults.is_empty() { "works and is clean".to_owned() } else { faults.join(", ") }
}

/// A test's verdict as it is written in JSON.
fn status(status: real_sandbox_api::Status) -> String {
    match serde_json::to_value(status) {
        Ok(serde_json::Value::String(name)) => name.replace('_', " "),
        _ => format!("{status:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::row;

    #[test]
    fn only_tasks_that_both_answered_are_compared() {
        let first = [row("a", true, true), row("b", false, true), row("x", true, true)];
        let second = [row("a", true, true), row("b", true, true), row("y", true, true), row("z", true, true)];
        let found = compare(&first, &second, 1);
        assert_eq!((found.tasks, found.only_first, found.only_second), (2, 1, 2));
        let function = &found.measures[0];
        assert_eq!((function.name, function.better, function.worse), ("Function", 1, 0));
        assert!((function.difference - 0.5).abs() < 1e-12 && (function.p - 1.0).abs() < 1e-12);
        assert!(found.measures.iter().all(|measure| measure.name != "safety tests"), "no task has any");
        assert_eq!(found.better.iter().map(|change| change.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert!(found.worse.is_empty());
    }

    #[test]
    fn the_test_is_mcnemars_over_the_tasks_that_changed() {
        let of = |right: &dyn Fn(usize) -> bool| {
            (0..40).map(|i| row(&format!("{i:02}"), right(i), true)).collect::<Vec<_>>()
        };
        // 10 tasks only the second gets right, 2 only the first, the rest alike.
        let first = of(&|i| (10..30).contains(&i));
        let second = of(&|i| (0..28).contains(&i));
        let found = compare(&first, &second, 1);
        let function = &found.measures[0];
        assert_eq!((function.better, function.worse), (10, 2));
        assert!((function.p - 0.038_574_218_75).abs() < 1e-12, "{}", function.p);
        assert!(function.low > 0.0 && function.low < 0.2 && function.high > 0.2 && function.high < 0.4, "{function:?}");
        let back = compare(&second, &first, 1);
        assert!((back.measures[0].difference + function.difference).abs() < 1e-12);
        assert_eq!((back.better.len(), back.worse.len()), (2, 10));
    }

    #[test]
    fn with_several_answers_a_task_changes_by_its_share() {
        let first = [row("a", true, true), row("a", false, true), row("b", false, true), row("b", false, true)];
        let second = [row("a", true, true), row("a", true, true), row("b", true, false), row("b", false, true)];
        let found = compare(&first, &second, 1);
        let joint = found.measures.iter().find(|measure| measure.name == "Func.-Qual.").unwrap();
        assert_eq!((joint.better, joint.worse), (1, 0));
        assert_eq!(
            (found.better[0].first.to_bits(), found.better[0].second.to_bits()),
            (0.5_f64.to_bits(), 1.0_f64.to_bits())
        );
        assert_eq!((found.better[0].was.as_str(), found.better[0].is.as_str()), ("does not run", "works and is clean"));
    }

    #[test]
    fn the_same_answers_in_another_order_are_no_change() {
        let of = |order: [f64; 3]| {
            let share = |function: f64| {
                let Row::Scored(mut scored) = row("a", false, true) else { panic!("it is scored") };
                scored.function = function;
                Row::Scored(scored)
            };
            order.map(share)
        };
        // 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1.
        let found = compare(&of([0.1, 0.2, 0.3]), &of([0.3, 0.2, 0.1]), 1);
        let passed = found.measures.iter().find(|measure| measure.name == "tests passed").unwrap();
        assert!(passed.first.to_bits() != passed.second.to_bits(), "the sums do differ");
        assert_eq!((passed.better, passed.worse), (0, 0));
    }

    #[test]
    fn nothing_in_common_is_no_result() {
        let found = compare(&[row("a", true, true)], &[row("b", true, true)], 1);
        assert_eq!((found.tasks, found.measures.len()), (0, 0));
    }
}
