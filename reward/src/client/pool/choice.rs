//! Which endpoint gets the next request.

use std::time::Duration;

/// What is known about an endpoint when a request looks for one. Smaller is better, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// How long it must not be asked: it is broken, or told this request to come again later.
    pub(super) wait: Duration,
    /// It was broken, may be tried again, and somebody is at it.
    pub(super) on_probation: bool,
    /// How often it failed this request.
    pub(super) failed: u32,
    /// Requests under way.
    pub(super) outstanding: usize,
}

/// Place of the best one; among equals the first one from place `turn` on, so that a turn that grows goes round. None
/// without candidates.
pub(super) fn best(candidates: &[Candidate], turn: usize) -> Option<usize> {
    let count = candidates.len();
    (0..count).map(|offset| turn.wrapping_add(offset) % count).min_by_key(|place| candidates[*place])
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Candidate = Candidate { wait: Duration::ZERO, on_probation: false, failed: 0, outstanding: 0 };

    #[test]
    fn equals_take_turns() {
        let places: Vec<_> = (0..6).map(|turn| best(&[IDLE; 3], turn)).collect();
        assert_eq!(places, [0, 1, 2, 0, 1, 2].map(Some));
        assert_eq!(best(&[], 7), None);
        assert!(best(&[IDLE; 3], usize::MAX).is_some());
    }

    #[test]
    fn one_that_works_is_better_than_one_to_wait_for_and_a_new_one_than_one_that_failed() {
        let busy = Candidate { outstanding: 50, ..IDLE };
        let failed = Candidate { failed: 1, ..IDLE };
        let probed = Candidate { on_probation: true, outstanding: 1, ..IDLE };
        let broken = Candidate { wait: Duration::from_millis(1), ..IDLE };
        for turn in 0..4 {
            assert_eq!(best(&[broken, probed, failed, busy], turn), Some(3));
            assert_eq!(best(&[broken, probed, failed], turn), Some(2));
            assert_eq!(best(&[broken, probed], turn), Some(1));
        }
    }
}
