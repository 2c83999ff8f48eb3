//! How long to wait before trying again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(3);

/// Exponential with jitter: attempt 0 waits 25 to 50 ms, each further one up to twice as long, at most 3 s. `random` is
/// uniform in [0, 1); it keeps clients that failed together from coming back together.
pub(crate) fn delay(attempt: u32, random: f64) -> Duration {
    let full = FIRST.saturating_mul(2_u32.saturating_pow(attempt.min(16))).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_vary() {
        assert_eq!(delay(0, 0.0), Duration::from_millis(25));
        assert_eq!(delay(2, 1.0), Duration::from_millis(200));
        assert_eq!(delay(60, 1.0), LONGEST);
        assert!(delay(3, 0.1) < delay(3, 0.9));
    }
}
