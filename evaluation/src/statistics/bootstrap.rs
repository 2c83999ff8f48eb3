//! Percentile bootstrap (Efron 1979).

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Resamplings: the ends of an interval then vary by a few thousandths of its width from seed to seed.
pub const REPLICATES: usize = 10_000;

/// The 95 % interval of the mean of `values`: the 2.5 % and 97.5 % quantiles of the means of `replicates` resamplings with
/// replacement. The same seed gives the same interval on every machine.
///
/// # Panics
/// Without values or replicates.
pub fn interval(values: &[f64], seed: u64, replicates: usize) -> (f64, f64) {
    assert!(!values.is_empty() && replicates > 0, "there is nothing to resample");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || {
        let sum: f64 = (0..values.len()).map(|_| values[below(random.next_u64(), values.len())]).sum();
        sum / values.len() as f64
    };
    let mut means: Vec<f64> = (0..replicates).map(|_| draw()).collect();
    means.sort_by(f64::total_cmp);
    (quantile(&means, 0.025), quantile(&means, 0.975))
}

/// 64 random bits as a number below `bound`, by the upper half of their product: its bias is below bound / 2^64.
fn below(bits: u64, bound: usize) -> usize {
    ((u128::from(bits) * bound as u128) >> 64) as usize
}

/// Quantile of sorted values, linear between neighbours (definition 7 of Hyndman and Fan 1996, numpy's default).
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(ones: usize, n: usize) -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i < ones))).collect()
    }

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        // numpy.quantile([1, 2, 4, 8], [0, .1, .5, .975]) is [1, 1.3, 3, 7.7].
        for (at, expected) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (0.975, 7.7)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], at) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_the_binomial_distribution_it_resamples() {
        // The bootstrap of k ones of n is Binomial(n, k/n) / n; its exact 2.5 % and 97.5 % quantiles, by summation:
        for (ones, n, low, high) in [(13, 20, 9.0, 17.0), (250, 339, 234.0, 266.0)] {
            let n_tasks = n as f64;
            let (found_low, found_high) = interval(&shares(ones, n), 7, REPLICATES);
            let step = if n == 20 { 1e-9 } else { 1.0 + 1e-9 };
            assert!((found_low * n_tasks - low).abs() <= step, "{} of {n}", found_low * n_tasks);
            assert!((found_high * n_tasks - high).abs() <= step, "{} of {n}", found_high * n_tasks);
        }
    }

    #[test]
    fn a_seed_gives_one_interval_and_the_order_of_tasks_matters_little() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i % 7) / 6.0).collect();
        let mut turned = values.clone();
        turned.reverse();
        let (one, again, other) = (interval(&values, 3, 2000), interval(&values, 3, 2000), interval(&turned, 3, 2000));
        assert_eq!(one, again);
        assert!((one.0 - other.0).abs() < 0.01 && (one.1 - other.1).abs() < 0.01, "{one:?} {other:?}");
    }
}
