//! Estimators and losses without a critic against vectors made by `tests/golden/make_estimator_golden.py`.

use real_crds::config::{KlEstimator, LossAggregation};
use real_trainer::ppo::advantage::{Estimator, Evidence};
use real_trainer::ppo::losses::{Aggregator, Clip, policy};
use real_trainer::ppo::{kl, masked};
use serde_json::Value;
use tch::{Kind, Tensor};

const TOLERANCE: f64 = 1e-5;

struct Golden(Value);

impl Golden {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("golden/estimators.json")).expect("golden/estimators.json is JSON"))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_value(self.0[name].clone()).unwrap_or_else(|e| panic!("golden/estimators.json, {name}: {e}"))
    }

    fn matrix(&self, name: &str) -> Tensor {
        Tensor::from_slice2(&self.read::<Vec<Vec<f32>>>(name))
    }
}

fn assert_close(actual: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(actual.size(), expected.size(), "{what}");
    let difference = ((actual - expected).abs() / expected.abs().clamp_min(1.0)).max().double_value(&[]);
    assert!(difference < TOLERANCE, "{what}: differs by {difference}");
}

#[test]
fn advantages_are_the_golden_ones() {
    let golden = Golden::load();
    let (rewards, mask) = (golden.matrix("rewards"), golden.matrix("mask"));
    let groups: Vec<usize> = golden.read("groups");
    let greedy = Tensor::from_slice(&golden.read::<Vec<f32>>("greedy"));
    let evidence = Evidence { rewards: &rewards, values: None, mask: &mask, groups: &groups, greedy: Some(&greedy) };
    let gamma = golden.read("gamma");
    for (name, estimator) in [
        ("grpo", Estimator::Group { scaled: true }),
        ("drGrpo", Estimator::Group { scaled: false }),
        ("rloo", Estimator::LeaveOneOut),
        ("reinforcePlusPlus", Estimator::Whitened { gamma }),
        ("remax", Estimator::GreedyBaseline),
    ] {
        assert_close(&estimator.estimate(&evidence).advantages, &golden.matrix(name), name);
    }
    let returns = Estimator::Whitened { gamma }.estimate(&evidence).returns;
    assert_close(&returns, &golden.matrix("returns"), "discounted returns");
}

#[test]
fn what_stands_at_padding_reaches_no_advantage() {
    let golden = Golden::load();
    let (rewards, mask) = (golden.matrix("rewards"), golden.matrix("mask"));
    let disturbed = &rewards + (mask.ones_like() - &mask) * 100.0;
    let groups: Vec<usize> = golden.read("groups");
    let greedy = Tensor::from_slice(&golden.read::<Vec<f32>>("greedy"));
    for estimator in [
        Estimator::Group { scaled: true },
        Estimator::LeaveOneOut,
        Estimator::Whitened { gamma: 0.9 },
        Estimator::GreedyBaseline,
    ] {
        let of = |rewards| {
            let evidence = Evidence { rewards, values: None, mask: &mask, groups: &groups, greedy: Some(&greedy) };
            estimator.estimate(&evidence).advantages
        };
        assert_close(&of(&disturbed), &of(&rewards), &format!("{estimator:?}"));
    }
}

#[test]
fn losses_are_aggregated_as_the_golden_ones_however_a_mini_batch_is_cut() {
    let golden = Golden::load();
    let (mask, old, log_probs) = (golden.matrix("mask"), golden.matrix("old"), golden.matrix("log_probs"));
    let clip = Clip { low: golden.read("low"), high: golden.read("high"), dual: Some(golden.read("dual")) };
    let loss = policy(&log_probs, &old, &golden.matrix("grpo"), clip).loss * &mask;
    assert_close(&loss, &golden.matrix("policy_loss"), "clipped losses");
    let divergence = kl::estimate(KlEstimator::K3, &log_probs, &golden.matrix("reference")) * &mask;
    assert_close(&divergence, &golden.matrix("k3"), "divergence");
    let both = &loss + &divergence * golden.read::<f64>("beta");
    let lengths: Vec<usize> = golden.read("lengths");
    for (name, kind) in [
        ("tokenMean", LossAggregation::TokenMean),
        ("sequenceMean", LossAggregation::SequenceMean),
        ("sequenceSum", LossAggregation::SequenceSum),
        ("fixedLength", LossAggregation::FixedLength),
    ] {
        let aggregator = Aggregator::new(kind, &lengths, golden.read("longest"));
        for (values, place) in [(&loss, "aggregates"), (&both, "with_kl")] {
            let expected = Tensor::from(golden.0[place][name].as_f64().expect("a number") as f32);
            for cut in [7, 3, 1] {
                let sum: f64 = (0..lengths.len())
                    .step_by(cut)
                    .map(|from| {
                        let count = cut.min(lengths.len() - from);
                        let rows = |t: &Tensor| t.narrow(0, from as i64, count as i64);
                        let counted = rows(values).masked_select(&rows(&mask).to_kind(Kind::Bool));
                        let weights = aggregator.weights(&lengths[from..from + count]);
                        aggregator.sum(&counted, weights.as_ref()).double_value(&[])
                    })
                    .sum();
                assert_close(
                    &Tensor::from(sum as f32),
                    &expected,
                    &format!("{name} of {place}, {cut} answers at a time"),
                );
            }
        }
    }
    let mean = Aggregator::new(LossAggregation::TokenMean, &lengths, 10);
    let counted = loss.masked_select(&mask.to_kind(Kind::Bool));
    assert_close(&mean.sum(&counted, None), &masked::mean(&loss, &mask), "token mean");
}
