//! The learning rate over the steps of a run.

use std::f64::consts::PI;

use real_crds::config::Schedule;

/// Factor of the peak learning rate at `step` (from 1) of `total`: linear over the warm-up, then as `schedule` says. It is
/// 1 in the first step after the warm-up and would be 0 in the step after the last: no step that is done is done for
/// nothing, and none has a rate above the peak.
pub fn factor(step: u64, warmup: u64, total: u64, schedule: Schedule) -> f64 {
    if step <= warmup {
        return step as f64 / warmup as f64;
    }
    let part = (step - warmup - 1) as f64 / total.saturating_sub(warmup).max(1) as f64;
    match schedule {
        Schedule::Constant => 1.0,
        Schedule::Cosine => 0.5 * (1.0 + (PI * part.min(1.0)).cos()),
        Schedule::Linear => 1.0 - part.min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Schedule; 3] = [Schedule::Constant, Schedule::Cosine, Schedule::Linear];

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_until_after_the_last_step() {
        for schedule in [Schedule::Cosine, Schedule::Linear] {
            let at = |step| factor(step, 10, 110, schedule);
            assert!((at(5) - 0.5).abs() < 1e-12 && (at(10) - 1.0).abs() < 1e-12 && (at(11) - 1.0).abs() < 1e-12);
            assert!((at(61) - 0.5).abs() < 1e-12 && at(111).abs() < 1e-12);
            assert!((11..=110).all(|step| at(step + 1) < at(step)));
        }
    }

    #[test]
    fn no_step_that_is_done_has_a_rate_of_zero_or_above_the_peak() {
        for schedule in ALL {
            for (warmup, total) in [(0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (3, 7), (0, 100), (100, 100)] {
                for step in 1..=total {
                    let factor = factor(step, warmup, total, schedule);
                    assert!(factor > 0.0 && factor <= 1.0, "{schedule:?}: {factor} at {step} of {total}");
                }
            }
        }
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak_rate() {
        assert!(ALL.iter().all(|schedule| (factor(1, 0, 100, *schedule) - 1.0).abs() < 1e-12));
        assert!([1, 7, 100].iter().all(|step| (factor(*step, 0, 100, Schedule::Constant) - 1.0).abs() < 1e-12));
    }
}
