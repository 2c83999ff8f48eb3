//! When a crashed service is started again, and when it is given up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Crashes within this time count together.
const WINDOW: Duration = Duration::from_mins(5);
/// Crashes within the window that end the patience.
const MOST: usize = 6;
/// Wait before the first restart; doubles with each further crash in the window.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Recent crashes of one service.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    recent: VecDeque<Instant>,
}

/// What to do after a crash.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Start it again after this long.
    RestartAfter(Duration),
    /// It crashed this often within the window: no use.
    GiveUp(usize),
}

impl Crashes {
    /// Records a crash.
    pub(super) fn record(&mut self, now: Instant) -> Reaction {
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|&first| now.duration_since(first) > WINDOW) {
            self.recent.pop_front();
        }
        match self.recent.len() {
            n if n >= MOST => Reaction::GiveUp(n),
            n => Reaction::RestartAfter(FIRST_WAIT * (1 << (n - 1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_until_patience_ends() {
        let (mut crashes, now) = (Crashes::default(), Instant::now());
        let waits: Vec<Reaction> = (0..MOST).map(|_| crashes.record(now)).collect();
        assert_eq!(waits[0], Reaction::RestartAfter(Duration::from_millis(200)));
        assert_eq!(waits[1], Reaction::RestartAfter(Duration::from_millis(400)));
        assert_eq!(waits[MOST - 1], Reaction::GiveUp(MOST));
    }

    #[test]
    fn crashes_far_apart_are_forgiven() {
        let (mut crashes, start) = (Crashes::default(), Instant::now());
        for day in 0..20 {
            let reaction = crashes.record(start + Duration::from_hours(24) * day);
            assert_eq!(reaction, Reaction::RestartAfter(FIRST_WAIT));
        }
    }
}
