//! pass@k.

/// Unbiased estimate of the probability that at least one of `k` answers is right, where `right` of `n` were:
/// `1 - C(n - right, k) / C(n, k)` (Chen et al. 2021, "Evaluating Large Language Models Trained on Code", §2.1), as a product
/// that neither overflows nor cancels. `None` where fewer than `k` were given.
pub fn pass_at_k(n: usize, right: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || right > n {
        return None;
    }
    let wrong = n - right;
    if wrong < k {
        return Some(1.0);
    }
    Some(1.0 - (wrong + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_binomial_coefficients() {
        let golden = [
            (10, 3, 1, 0.3),
            (10, 3, 5, 0.916_666_666_666_666_6),
            (10, 0, 5, 0.0),
            (10, 8, 5, 1.0),
            (200, 7, 100, 0.992_991_117_241_812_3),
            (5, 1, 5, 1.0),
        ];
        for (n, right, k, expected) in golden {
            assert!((pass_at_k(n, right, k).unwrap() - expected).abs() < 1e-12, "{n} {right} {k}");
        }
    }

    #[test]
    fn it_is_the_share_of_all_choices_that_hold_a_right_answer() {
        let (n, k) = (6_u32, 3);
        for right in 0..=n {
            let choices: Vec<u32> = (0..1_u32 << n).filter(|choice| choice.count_ones() == k).collect();
            let good = choices.iter().filter(|choice| *choice & ((1 << right) - 1) != 0).count();
            let expected = good as f64 / choices.len() as f64;
            assert!((pass_at_k(n as usize, right as usize, k as usize).unwrap() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn more_answers_than_there_are_give_no_result() {
        assert_eq!((pass_at_k(4, 2, 5), pass_at_k(4, 2, 0), pass_at_k(0, 0, 1)), (None, None, None));
    }
}
