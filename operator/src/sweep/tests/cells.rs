//! Cells and their names.

use std::collections::BTreeSet;

use real_crds::v1alpha1::{AxisName, MatrixAxis, RealEvalSweep, Suite, SweepTarget};

use super::situation::{Situation, sweep};
use crate::sweep::cells::cells;
use crate::sweep::settings::combinations;
use crate::sweep::targets::resolve;

fn described(matrix: &[MatrixAxis]) -> Vec<String> {
    combinations(matrix).unwrap().into_iter().map(|named| named.label).collect()
}

/// An edit of a suite.
type Change = fn(&mut Suite);

#[test]
fn cells_are_called_by_what_is_varied() {
    let axis = |name, values: &[&str]| MatrixAxis { name, values: values.iter().map(|it| (*it).to_owned()).collect() };
    assert_eq!(described(&[]), [""]);
    let matrix = [axis(AxisName::Temperature, &["0", "0.8"]), axis(AxisName::Samples, &["1", "4"])];
    assert_eq!(described(&matrix), ["temperature=0", "temperature=0.8,samples=1", "temperature=0.8,samples=4"]);
    let template = [axis(AxisName::PromptTemplate, &["a/b: {prompt}"])];
    assert_eq!(described(&template), ["promptTemplate=a/b: {prompt}"], "a slash is no separator there");
}

/// Names of all cells of a sweep, as a set.
fn names(sweep: &RealEvalSweep, targets: &[SweepTarget]) -> BTreeSet<String> {
    let answers = combinations(&sweep.spec.matrix).unwrap();
    cells(sweep, targets, &answers).unwrap().into_iter().map(|cell| cell.name).collect()
}

#[test]
fn a_cell_has_the_same_name_in_whatever_order_it_is_seen() {
    let case = Situation::ready().job("research", "b", &[8, 16]);
    let targets = resolve(&case.sweep, &case.observed).targets;
    let all = names(&case.sweep, &targets);
    assert_eq!(all.len(), 8);
    let mut turned = case.clone();
    turned.observed.jobs.reverse();
    turned.sweep.spec.matrix[0].values.reverse();
    let mut again = resolve(&turned.sweep, &turned.observed).targets;
    assert_eq!(again, targets, "the order in which jobs are listed is no order");
    again.reverse();
    assert_eq!(names(&turned.sweep, &again), all);
    // What a result does not depend on is not part of the name; what it does is.
    turned.sweep.spec.suites[0].shards = 7;
    turned.sweep.spec.parallelism = 1;
    assert_eq!(names(&turned.sweep, &again), all);
    let change: [(&str, Change); 3] = [
        ("its tasks", |suite| suite.storage_uri = "bundled://other".into()),
        ("how many of them", |suite| suite.limit = 3),
        ("the image", |suite| suite.image = Some("real-trainer:2".into())),
    ];
    for (what, change) in change {
        let mut other = turned.sweep.clone();
        change(&mut other.spec.suites[0]);
        assert!(names(&other, &again).is_disjoint(&all), "{what}");
    }
    let mut rewarded = turned.sweep.clone();
    rewarded.spec.reward.cwes = vec![89];
    assert!(names(&rewarded, &again).is_disjoint(&all));
}

#[test]
fn ten_thousand_names_are_different_and_fit() {
    let name = format!("s{}", "x".repeat(47));
    let mut sweep = sweep(
        "{apiVersion: real-rl.dev/v1alpha1, kind: RealEvalSweep, metadata: {name: a}, spec: {runNamespace: a,
          rewardPoolRef: {name: a}, targets: {models: [{storageUri: a}]}, suites: [{name: a, storageUri: a}]}}",
    );
    sweep.metadata.name = Some(name);
    let seeds = |n: usize| (0..n).map(|seed| seed.to_string()).collect::<Vec<_>>();
    sweep.spec.matrix = vec![
        MatrixAxis { name: AxisName::Temperature, values: vec!["0.5".to_owned()] },
        MatrixAxis { name: AxisName::Seed, values: seeds(100) },
        MatrixAxis { name: AxisName::MaxResponseTokens, values: (1..=100).map(|n| n.to_string()).collect() },
    ];
    let target = SweepTarget { name: "m".into(), uri: "m".into(), checkpoint: None, time: None };
    let names = names(&sweep, &[target]);
    assert_eq!(names.len(), 10_000);
    // With the longest index of a pod.
    assert!(names.iter().all(|name| name.len() + "-1023".len() <= 63));
}

/// What is written for a cell: its Job, its result, and the status that tells it. Cells that end together share the last.
#[test]
fn two_hundred_cells_take_three_writes_each() {
    let axis = |name, values: std::ops::RangeInclusive<u64>| MatrixAxis {
        name,
        values: values.map(|value| value.to_string()).collect(),
    };
    let mut case = Situation::ready().edited(|spec| {
        let sampled = MatrixAxis { name: AxisName::Temperature, values: vec!["0.8".to_owned()] };
        spec.matrix = vec![sampled, axis(AxisName::Samples, 1..=10), axis(AxisName::Seed, 1..=10)];
        spec.parallelism = 8;
    });
    let (mut writes, mut done) = (0, 0);
    loop {
        let plan = case.plan();
        writes += plan.apply.len() + plan.create.len() + plan.record.len() + plan.delete.len();
        writes += usize::from(plan.status.is_some());
        case.carry_out(&plan);
        let idle = plan.create.is_empty() && plan.record.is_empty() && plan.status.is_none();
        if idle && done == case.observed.cells.len() {
            break;
        }
        if idle {
            // The worst order: each by itself.
            case = case.later(1).done(done, 4, done as u64 % 5);
            done += 1;
        }
    }
    let counts = case.sweep.status.as_ref().and_then(|status| status.counts.clone()).unwrap_or_default();
    assert_eq!((counts.total, counts.succeeded), (200, 200));
    assert!(writes <= 3 * 200 + 4, "{writes} writes");
}
