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

/// The 95 % Clopper–Pearson interval of a share that was 1 (or 0) in all `n` tasks.
pub fn bounds_where_all_agree(ones: bool, n: usize) -> (f64, f64) {
    let end = 0.025_f64.powf(1.0 / n as f64);
    if ones { (end, 1.0) } else { (0.0, 1.0 - end) }
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
        let (low, high) = bounds_where_all_agree(true, 20);
        assert!((low - 0.831_566_5).abs() < 1e-6 && high >= 1.0, "{low}");
        assert!((low.powi(20) - 0.025).abs() < 1e-12);
    }
}
