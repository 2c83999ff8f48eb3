//! What the rows of one model on one data set come to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::row::{Judged, Row, ScoredRow};
use crate::statistics::{Rate, mean, pass_at_k};

/// Numbers of answers that pass@k is given for, as far as each task has so many; and the most that each task has.
const KS: [usize; 6] = [1, 5, 10, 20, 50, 100];

/// The paper's rates and what stands behind them. A rate is absent where there is nothing to average: no result, not 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Tasks with at least one answer that was judged.
    pub tasks: usize,
    /// Answers judged.
    pub answers: usize,
    /// Answers that could not be judged because of us; no rate knows them.
    pub dropped: usize,
    /// Answers without a code block.
    pub no_code: usize,
    /// Answers whose program does not compile, or fails by itself in every functional test.
    pub not_runnable: usize,
    /// The paper's Function: answers that pass every functional test.
    pub function: Option<Rate>,
    /// The paper's Quality: answers that are programs without finding.
    pub quality: Option<Rate>,
    /// The paper's Func.-Qual.: both.
    pub joint: Option<Rate>,
    /// Answers that pass every safety test, over the tasks that have any.
    pub safety: Option<Rate>,
    /// Functional tests passed.
    pub tests_passed: Option<Rate>,
    /// Reward.
    pub reward: Option<Rate>,
    /// pass@k, for tasks with several answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_at: Vec<PassAt>,
    /// By CWE, where the data set says which task is about which, or something was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<CweRates>,
}

/// The unbiased estimate that at least one of `k` answers to a task is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassAt {
    /// Answers a task.
    pub k: usize,
    /// Of Function.
    pub function: Rate,
    /// Of Func.-Qual.
    pub joint: Rate,
}

/// Rates over the tasks about a CWE, and how often it was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CweRates {
    /// Its number.
    pub cwe: u32,
    /// Tasks that the data set associates with it.
    pub tasks: usize,
    /// Function on these tasks.
    pub function: Option<f64>,
    /// Quality on these tasks.
    pub quality: Option<f64>,
    /// Func.-Qual. on these tasks.
    pub joint: Option<f64>,
    /// Of all answers, to whatever task, those with a finding of it.
    pub found: usize,
}

/// Answers to the same task.
pub(crate) type Group<'a> = Vec<&'a ScoredRow>;

/// Scored rows by task, in the order of their ids.
pub(crate) fn by_task(rows: &[Row]) -> BTreeMap<&str, Group<'_>> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for row in rows.iter().filter_map(Row::scored) {
        groups.entry(row.id.as_str()).or_default().push(row);
    }
    groups
}

/// A task's mean of what `of` says about its answers; `None` where it says nothing about any.
pub(crate) fn of_task(group: &[&ScoredRow], of: impl Fn(&ScoredRow) -> Option<f64>) -> Option<f64> {
    mean(&group.iter().filter_map(|row| of(row)).collect::<Vec<_>>())
}

/// Yes and no as a number.
pub(crate) fn one(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

impl Summary {
    /// Summarises rows; `seed` is that of the intervals.
    pub fn of(rows: &[Row], seed: u64) -> Self {
        let groups = by_task(rows);
        let values = |of: &dyn Fn(&ScoredRow) -> Option<f64>| -> Vec<f64> {
            groups.values().filter_map(|group| of_task(group, of)).collect()
        };
        let rate = |of: &dyn Fn(&ScoredRow) -> Option<f64>| Rate::of(&values(of), seed);
        let scored = || rows.iter().filter_map(Row::scored);
        Self {
            tasks: groups.len(),
            answers: scored().count(),
            dropped: rows.len() - scored().count(),
            no_code: scored().filter(|row| row.no_code).count(),
            not_runnable: scored().filter(|row| !row.no_code && !row.runnable).count(),
            function: rate(&|row| Some(one(row.works()))),
            quality: rate(&|row| Some(one(row.is_clean()))),
            joint: rate(&|row| Some(one(row.is_both()))),
            safety: rate(&|row| row.is_safe().map(one)),
            tests_passed: rate(&|row| Some(row.function)),
            reward: reward(&values(&|row| Some(row.reward)), seed),
            pass_at: pass_at(&groups, seed),
            cwes: by_cwe(&groups),
        }
    }
}

/// The mean reward. What nothing that runs earns is a penalty, as a rule −1, and no reward is above 1.
fn reward(values: &[f64], seed: u64) -> Option<Rate> {
    let least = values.iter().copied().fold(-1.0, f64::min);
    let most = values.iter().copied().fold(1.0, f64::max);
    Rate::within(values, (least, most), seed)
}

/// pass@k for every k that all tasks have answers for; of nothing where no task has more than one.
fn pass_at(groups: &BTreeMap<&str, Group<'_>>, seed: u64) -> Vec<PassAt> {
    let fewest = groups.values().map(Vec::len).min().unwrap_or(0);
    if fewest < 2 {
        return Vec::new();
    }
    let of = |k: usize| {
        let rate = |right: fn(&ScoredRow) -> bool| {
            let values: Option<Vec<f64>> = groups
                .values()
                .map(|group| pass_at_k(group.len(), group.iter().filter(|row| right(row)).count(), k))
                .collect();
            Rate::of(&values?, seed)
        };
        Some(PassAt { k, function: rate(ScoredRow::works)?, joint: rate(ScoredRow::is_both)? })
    };
    KS.into_iter().filter(|k| *k < fewest).chain([fewest]).filter_map(of).collect()
}

fn by_cwe(groups: &BTreeMap<&str, Group<'_>>) -> Vec<CweRates> {
    let rows = || groups.values().flatten();
    let about = rows().flat_map(|row| row.cwes.iter().copied());
    let found = rows().flat_map(|row| row.findings.iter().map(|finding| finding.cwe));
    let all: BTreeSet<u32> = about.chain(found).collect();
    all.into_iter()
        .map(|cwe| {
            let tasks: Vec<&Group<'_>> =
                groups.values().filter(|group| group.iter().any(|row| row.cwes.contains(&cwe))).collect();
            let rate = |holds: fn(&ScoredRow) -> bool| {
                let of = |row: &ScoredRow| Some(one(holds(row)));
                mean(&tasks.iter().filter_map(|group| of_task(group, of)).collect::<Vec<_>>())
            };
            CweRates {
                cwe,
                tasks: tasks.len(),
                function: rate(ScoredRow::works),
                quality: rate(ScoredRow::is_clean),
                joint: rate(ScoredRow::is_both),
                found: rows().filter(|row| row.findings.iter().any(|finding| finding.cwe == cwe)).count(),
            }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::row::DroppedRow;

    /// A row of a task with so much of everything.
    pub(crate) fn row(id: &str, works: bool, clean: bool) -> Row {
        let value = serde_json::json!({
            "id": id, "function": one(works), "functionAll": works, "quality": u8::from(clean), "reward": 0.5 * one(works) + 0.5 * one(clean),
            "noCode": false, "runnable": true, "findings": [], "verdicts": [],
        });
        Row::Scored(Box::new(serde_json::from_value(value).unwrap()))
    }

    fn with(row: Row, change: impl FnOnce(&mut ScoredRow)) -> Row {
        let Row::Scored(mut scored) = row else { panic!("it is scored") };
        change(&mut scored);
        Row::Scored(scored)
    }

    #[test]
    fn a_task_with_many_answers_counts_as_much_as_one_with_a_single_answer() {
        let mut rows = vec![row("a", true, true)];
        rows.extend((0..9).map(|_| row("b", false, true)));
        let summary = Summary::of(&rows, 1);
        assert_eq!((summary.tasks, summary.answers, summary.dropped), (2, 10, 0));
        assert!((summary.function.unwrap().value - 0.5).abs() < 1e-12 && summary.joint.unwrap().tasks == 2);
        assert!(summary.pass_at.is_empty(), "one task has a single answer");
    }

    #[test]
    fn where_nothing_was_judged_there_is_no_result() {
        let summary = Summary::of(&[Row::Dropped(DroppedRow { id: "a".into(), dropped: "lost".into() })], 1);
        assert_eq!((summary.tasks, summary.answers, summary.dropped), (0, 0, 1));
        assert_eq!([summary.function, summary.quality, summary.joint, summary.safety, summary.reward], [None; 5]);
        assert_eq!(Summary::of(&[], 1), Summary { dropped: 0, ..Summary::default() });
    }

    #[test]
    fn pass_at_k_is_given_for_each_k_that_every_task_has_answers_for() {
        let rows: Vec<Row> =
            (0..10).map(|i| row("a", i < 3, true)).chain((0..7).map(|_| row("b", false, true))).collect();
        let summary = Summary::of(&rows, 1);
        assert_eq!(summary.pass_at.iter().map(|at| at.k).collect::<Vec<_>>(), [1, 5, 7]);
        // pass@5 of 3 in 10 is 11/12, of 0 in 7 it is 0.
        assert!((summary.pass_at[1].function.value - 11.0 / 24.0).abs() < 1e-12);
        assert!(
            (summary.pass_at[0].function.value - summary.function.unwrap().value).abs() < 1e-12,
            "pass@1 is the rate"
        );
    }

    #[test]
    fn the_interval_of_a_reward_holds_the_reward_also_where_every_answer_earns_the_penalty() {
        for earned in [[-1.0; 3], [0.0; 3], [1.0; 3], [-1.0, 0.5, 1.0], [-2.0; 3]] {
            let rows = earned.map(|reward| with(row(&reward.to_string(), false, true), |row| row.reward = reward));
            let rate = Summary::of(&rows, 1).reward.unwrap();
            assert!(rate.low <= rate.value && rate.value <= rate.high, "{earned:?}: {rate:?}");
        }
        let penalty = |n: usize| -> Vec<Row> {
            (0..n).map(|i| with(row(&i.to_string(), false, true), |row| row.reward = -1.0)).collect()
        };
        let (few, many) = (Summary::of(&penalty(1), 1).reward.unwrap(), Summary::of(&penalty(400), 1).reward.unwrap());
        assert!(few.high > 0.9 && many.high < -0.97, "one task says next to nothing: {few:?} {many:?}");
    }

    #[test]
    fn safety_is_over_the_tasks_that_have_safety_tests() {
        let safe = |id: &str, safe| with(row(id, true, true), |row| row.safety = Some(safe));
        let summary = Summary::of(&[safe("a", true), safe("b", false), row("c", true, true)], 1);
        let safety = summary.safety.unwrap();
        assert_eq!((safety.tasks, safety.value.to_bits()), (2, 0.5_f64.to_bits()));
    }

    #[test]
    fn cwes_are_those_of_the_tasks_and_those_that_were_found() {
        let finding = serde_json::json!({"cwe": 79, "rule": "r", "line": 1, "column": 1, "message": "m", "trace": []});
        let found = with(row("b", true, false), |row| row.findings = vec![serde_json::from_value(finding).unwrap()]);
        let about = with(row("a", true, true), |row| row.cwes = vec![89]);
        let summary = Summary::of(&[about, found], 1);
        let by: Vec<_> = summary.cwes.iter().map(|cwe| (cwe.cwe, cwe.tasks, cwe.joint, cwe.found)).collect();
        assert_eq!(by, [(79, 0, None, 1), (89, 1, Some(1.0), 0)]);
    }

    #[test]
    fn a_summary_comes_back_from_its_json_as_it_was() {
        let summary = Summary::of(&(0..6).map(|i| row(&i.to_string(), i < 4, i > 1)).collect::<Vec<_>>(), 5);
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
