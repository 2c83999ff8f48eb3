//! Exact tests and bounds of the binomial distribution.

/// Two-sided p-value of the exact sign test: that of `better` and `worse` pairs the smaller number is so small, or smaller, by
/// chance. For answers that are right or wrong this is McNemar's exact test (McNemar 1947). 1 where no pair differs.
pub fn sign_test(better: usize, worse: usize) -> f64 {
    let n = better + worse;
    let mut ln_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for i in 0..better.min(worse) {
        ln_term += (((n - i) as f64) / ((i + 1) as f64)).ln();
        tail += ln_term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// The 95 % interval of the mean of values within `range`, of which `n` independent ones were all `value`. With each end 2.5 % are left: as
/// much of the distribution as that does not let exclude may be at the end of the range. Of shares that are all 0 or all 1 it is Clopper and
/// Pearson's (1934).
pub fn bounds_where_all_agree(value: f64, (least, most): (f64, f64), n: usize) -> (f64, f64) {
    let known = 0.025_f64.powf(1.0 / n as f64);
    let with = |end: f64| known * value + (1.0 - known) * end;
    (with(least), with(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_binomial_sum_in_fractions() {
        // 2 · Σ C(b+c, i) / 2^(b+c) over i ≤ min(b, c), at most 1, summed in exact fractions.
        let golden = [
            (0, 0, 1.0),
            (1, 0, 1.0),
            (3, 3, 1.0),
            (5, 1, 0.21875),
            (10, 2, 0.038_574_218_75),
            (12, 25, 0.047_031_027_439_516_04),
            (100, 140, 0.011_664_092_317_677_663),
        ];
        for (better, worse, expected) in golden {
            for found in [sign_test(better, worse), sign_test(worse, better)] {
                assert!((found - expected).abs() < 1e-12, "{better} {worse}: {found}");
            }
        }
        assert!(sign_test(0, 100_000) < 1e-300 && sign_test(50_000, 50_000) > 0.99, "large numbers stay finite");
    }

    #[test]
    fn bounds_of_a_share_of_one_leave_what_the_number_of_tasks_cannot_exclude() {
        // P(all 20 right) is 2.5 % where one answer is right with probability 0.025^(1/20) = 0.8316.
        let (low, high) = bounds_where_all_agree(1.0, (0.0, 1.0), 20);
        assert!((low - 0.831_566_5).abs() < 1e-6 && high >= 1.0, "{low}");
        assert!((low.powi(20) - 0.025).abs() < 1e-12);
        // Three differences of −1: the chance of another one is at most 1 − 0.025^(1/3) = 0.7076, and it may be 1.
        let (low, high) = bounds_where_all_agree(-1.0, (-1.0, 1.0), 3);
        assert!((low + 1.0).abs() < 1e-12 && (high - 0.415_196).abs() < 1e-6, "{low} {high}");
    }
}
