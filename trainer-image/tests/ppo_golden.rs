//! The formulas of PPO against vectors made by `tests/golden/make_ppo_golden.py`.

use real_trainer::ppo::advantage::{Estimator, Evidence};
use real_trainer::ppo::mismatch::Mismatch;
use real_trainer::ppo::recipe::Correction;
use real_trainer::ppo::{gae, kl, losses, masked};
use serde_json::Value;
use tch::{Kind, Tensor};

const TOLERANCE: f64 = 1e-5;

struct Golden(Value);

impl Golden {
    fn load() -> Self {
        Self(serde_json::from_str(include_str!("golden/ppo.json")).expect("golden/ppo.json is JSON"))
    }

    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("golden/ppo.json has a number {name}"))
    }

    fn matrix(&self, name: &str) -> Tensor {
        let rows: Vec<Vec<f32>> = serde_json::from_value(self.0[name].clone())
            .unwrap_or_else(|_| panic!("golden/ppo.json has a matrix {name}"));
        Tensor::from_slice2(&rows)
    }

    fn scores(&self) -> Tensor {
        let scores: Vec<f32> = serde_json::from_value(self.0["scores"].clone()).expect("golden/ppo.json has scores");
        Tensor::from_slice(&scores)
    }
}

fn assert_close(actual: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(actual.size(), expected.size(), "{what}");
    // Relative for the few large values (the exponent's bound makes ratios of e²⁰), absolute for the rest.
    let difference = ((actual - expected).abs() / expected.abs().clamp_min(1.0)).max();
    let difference = f64::try_from(difference).expect("a scalar");
    assert!(difference < TOLERANCE, "{what}: differs by {difference}");
}

#[test]
fn kl_estimates_and_token_rewards_are_the_golden_ones() {
    let golden = Golden::load();
    let (old, reference, mask) = (golden.matrix("old"), golden.matrix("reference"), golden.matrix("mask"));
    assert_close(&kl::k1(&old, &reference), &golden.matrix("k1"), "k1");
    assert_close(&kl::k2(&old, &reference), &golden.matrix("k2"), "k2");
    assert_close(&kl::k3(&old, &reference), &golden.matrix("k3"), "k3");
    let rewards =
        kl::token_rewards(&golden.scores(), &kl::k1(&old, &reference), &mask, golden.number("kl_coefficient"));
    assert_close(&rewards, &golden.matrix("rewards"), "token rewards");
}

#[test]
fn advantages_and_returns_are_the_golden_ones() {
    let golden = Golden::load();
    let (rewards, values, mask) = (golden.matrix("rewards"), golden.matrix("old_values"), golden.matrix("mask"));
    let (gamma, lambda) = (golden.number("gamma"), golden.number("lambda"));
    let (advantages, returns) = gae::gae(&rewards, &values, &mask, gamma, lambda);
    assert_close(&(advantages * &mask), &golden.matrix("advantages"), "advantages");
    assert_close(&(returns * &mask), &golden.matrix("returns"), "returns");
    let (undiscounted, _) = gae::gae(&rewards, &values, &mask, 1.0, 1.0);
    assert_close(&(undiscounted * &mask), &golden.matrix("undiscounted"), "undiscounted advantages");
    let evidence =
        Evidence { rewards: &rewards, values: Some(&values), mask: &mask, groups: &[0, 1, 2, 3, 4], greedy: None };
    let estimate = Estimator::Gae { gamma, lambda, whiten: true }.estimate(&evidence);
    assert_close(&estimate.advantages, &golden.matrix("whitened"), "whitened advantages");
}

#[test]
fn values_after_the_last_token_reach_no_advantage() {
    let golden = Golden::load();
    let (rewards, values, mask) = (golden.matrix("rewards"), golden.matrix("old_values"), golden.matrix("mask"));
    let disturbed = &values + (mask.ones_like() - &mask) * 100.0;
    let (expected, _) = gae::gae(&rewards, &values, &mask, 0.9, 0.8);
    let (actual, _) = gae::gae(&rewards, &disturbed, &mask, 0.9, 0.8);
    assert_close(&(actual * &mask), &(expected * &mask), "advantages");
}

#[test]
fn clipped_losses_are_the_golden_ones() {
    let golden = Golden::load();
    let mask = golden.matrix("mask");
    let tokens = f64::try_from(mask.sum(Kind::Float)).expect("a scalar");
    let policy = losses::policy(
        &golden.matrix("log_probs"),
        &golden.matrix("old"),
        &golden.matrix("whitened"),
        losses::Clip { low: golden.number("clip"), high: golden.number("clip"), dual: Some(3.0) },
    );
    assert_close(&(&policy.loss * &mask), &golden.matrix("policy_loss"), "policy loss");
    assert_close(&(&policy.clipped * &mask), &golden.matrix("policy_clipped"), "clipped tokens");
    let mean = losses::token_mean(&(&policy.loss * &mask), tokens);
    assert_close(&mean, &Tensor::from(golden.number("policy_mean") as f32), "mean policy loss");
    let value = losses::value(
        &golden.matrix("values"),
        &golden.matrix("old_values"),
        &golden.matrix("returns"),
        golden.number("value_clip"),
    );
    assert_close(&(&value.loss * &mask), &golden.matrix("value_loss"), "value loss");
    let mean = losses::token_mean(&(&value.loss * &mask), tokens);
    assert_close(&mean, &Tensor::from(golden.number("value_mean") as f32), "mean value loss");
}

#[test]
fn truncated_weights_and_the_loss_under_them_are_the_golden_ones() {
    let golden = Golden::load();
    let (old, generated, mask) = (golden.matrix("old"), golden.matrix("generated"), golden.matrix("mask"));
    let rows: Vec<Vec<f32>> = (0..mask.size()[0])
        .map(|row| {
            let length = mask.get(row).sum(Kind::Int64).int64_value(&[]);
            Vec::try_from(generated.get(row).narrow(0, 0, length)).expect("a row")
        })
        .collect();
    let mismatch = Mismatch::new(rows.iter().map(Vec::as_slice), &old, &mask).expect("a number a token");
    let cap = golden.number("weight_cap");
    for (by_sequence, name) in [(false, "weights_by_token"), (true, "weights_by_sequence")] {
        let (weights, _) = mismatch.weights(Correction { by_sequence, cap });
        assert_close(&(&weights * &mask), &golden.matrix(name), name);
    }
    let (weights, metrics) = mismatch.weights(Correction { by_sequence: false, cap });
    assert_close(&(golden.matrix("policy_loss") * &weights), &golden.matrix("policy_loss_weighted"), "weighted loss");
    let mean = masked::mean(&golden.matrix("weights_by_token"), &mask).double_value(&[]);
    assert!((metrics.get("rollout/weight_mean").expect("a mean") - mean).abs() < TOLERANCE);
}

#[test]
fn micro_batches_of_unequal_size_sum_to_the_mini_batch_mean() {
    let golden = Golden::load();
    let (loss, mask) = (golden.matrix("value_loss"), golden.matrix("mask"));
    let tokens = f64::try_from(mask.sum(Kind::Float)).expect("a scalar");
    let counted = &loss * &mask;
    let whole = losses::token_mean(&counted, tokens);
    let parts =
        losses::token_mean(&counted.narrow(0, 0, 3), tokens) + losses::token_mean(&counted.narrow(0, 3, 2), tokens);
    assert_close(&parts, &whole, "sum of micro-batches");
    assert_close(&whole, &masked::mean(&loss, &mask), "token mean");
}
