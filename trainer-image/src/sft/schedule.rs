//! The learning rate over the steps of a run.

use std::f64::consts::PI;

use real_crds::config::Schedule;

/// Factor of the peak learning rate at `step` (from 1) of `total`: linear over the warm-up, then as `schedule` says.
pub fn factor(step: u64, warmup: u64, total: u64, schedule: Schedule) -> f64 {
    if step <= warmup {
        return step as f64 / warmup as f64;
    }
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => {
            let part = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
            0.5 * (1.0 + (PI * part.min(1.0)).cos())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_zero_at_the_last_step() {
        let at = |step| factor(step, 10, 110, Schedule::Cosine);
        assert!((at(5) - 0.5).abs() < 1e-12 && (at(10) - 1.0).abs() < 1e-12);
        assert!((at(60) - 0.5).abs() < 1e-12 && at(110).abs() < 1e-12);
        assert!((11..110).all(|step| at(step + 1) < at(step)));
    }

    #[test]
    fn without_warm_up_a_constant_rate_is_the_peak_from_the_first_step() {
        assert!([1, 7, 100].iter().all(|step| (factor(*step, 0, 100, Schedule::Constant) - 1.0).abs() < 1e-12));
    }
}
