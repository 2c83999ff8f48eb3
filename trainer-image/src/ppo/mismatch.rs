//! How far the probabilities of generation are from those of training. Both are the same policy's, by other kernels and in
//! other batches; PPO takes the ratio of old and new for that of what was sampled, so the difference has to be small.

use tch::{Kind, Tensor};

use crate::metrics::Metrics;

/// `rollout/kl`: mean of `log p − log q` over the answers' tokens, nats a token, p by generation and q by training (the k1
/// estimate of the divergence, since p drew the tokens); and `rollout/max_ratio`: the largest of p/q and q/p.
///
/// `generated` holds the log-probabilities of each answer's tokens, in the order of the rows of `recomputed` and `mask`
/// `[B, R]`.
///
/// # Errors
/// An answer has another number of log-probabilities than tokens.
pub fn metrics<'a>(
    generated: impl Iterator<Item = &'a [f32]>,
    recomputed: &Tensor,
    mask: &Tensor,
) -> anyhow::Result<Metrics> {
    let (rows, columns) = recomputed.size2()?;
    let lengths: Vec<i64> = Vec::try_from(mask.sum_dim_intlist([1].as_slice(), false, Kind::Int64))?;
    let mut matrix = vec![0.0_f32; (rows * columns) as usize];
    for (row, log_probs) in generated.enumerate() {
        let expected = lengths.get(row).copied().unwrap_or_default();
        anyhow::ensure!(
            log_probs.len() as i64 == expected,
            "answer {row} has {} log-probabilities and {expected} tokens",
            log_probs.len()
        );
        let start = row * columns as usize;
        matrix[start..start + log_probs.len()].copy_from_slice(log_probs);
    }
    let generated = Tensor::from_slice(&matrix).reshape([rows, columns]).to_device(recomputed.device());
    let difference = (generated - recomputed) * mask;
    let mut metrics = Metrics::default();
    let tokens = mask.sum(Kind::Double).double_value(&[]).max(1.0);
    metrics.set("rollout/kl", difference.sum(Kind::Double).double_value(&[]) / tokens);
    metrics.set("rollout/max_ratio", difference.abs().max().double_value(&[]).exp());
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_count_and_the_ratio_is_taken_in_both_directions() {
        let recomputed = Tensor::from_slice2(&[[-1.0_f32, -2.0, 0.0], [-3.0, 0.0, 0.0]]);
        let mask = Tensor::from_slice2(&[[1.0_f32, 1.0, 0.0], [1.0, 0.0, 0.0]]);
        let generated = [vec![-1.0_f32, -2.5], vec![-2.75]];
        let metrics = metrics(generated.iter().map(Vec::as_slice), &recomputed, &mask).expect("a number a token");
        assert!((metrics.get("rollout/kl").expect("a mean") - -0.25 / 3.0).abs() < 1e-9);
        assert!((metrics.get("rollout/max_ratio").expect("a ratio") - 0.5_f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn a_log_probability_too_few_is_an_error() {
        let ones = Tensor::ones([1, 2], (Kind::Float, tch::Device::Cpu));
        assert!(metrics([[0.0_f32].as_slice()].into_iter(), &ones, &ones).is_err());
    }
}
