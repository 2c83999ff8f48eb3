//! When a name is resolved again.

use std::time::{Duration, Instant};

/// How often, while there is work.
const REFRESH: Duration = Duration::from_secs(3);
/// An answer of this age is not used without asking first: after a pause in the work the fleet may be another.
const STALE: Duration = Duration::from_secs(10);
/// How long a request waits for that.
const PATIENCE: Duration = Duration::from_secs(1);
/// Least time between two resolutions, for when something just failed.
const HURRY: Duration = Duration::from_millis(250);

/// When a name was resolved and is to be resolved next; one resolution at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    due: Instant,
    began: Option<Instant>,
    under_way: bool,
    /// Last time that there was an answer, of whatever kind.
    answered: Option<Instant>,
    failures: u32,
}

impl Schedule {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, began: None, under_way: false, answered: None, failures: 0 }
    }

    /// Whether to resolve now; if so, it counts as begun.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let begins = !self.under_way && now >= self.due;
        if begins {
            (self.began, self.under_way) = (Some(now), true);
        }
        begins
    }

    /// The resolution that was under way ended, with addresses or without.
    pub(super) fn end(&mut self, now: Instant, found: bool) {
        self.under_way = false;
        self.answered = Some(now);
        self.failures = if found { 0 } else { self.failures.saturating_add(1) };
        let pause = HURRY.saturating_mul(2_u32.saturating_pow(self.failures.saturating_sub(1).min(16)));
        self.due = now + if found { REFRESH } else { pause.min(REFRESH) };
    }

    /// The resolution that was under way is lost: its runtime ended.
    pub(super) fn lose(&mut self) {
        self.under_way = false;
    }

    /// An address failed: the next resolution may not wait for long.
    pub(super) fn hurry(&mut self, now: Instant) {
        let soonest = self.began.map_or(now, |began| now.max(began + HURRY));
        // Where the resolver is what fails, it keeps its pauses.
        if self.failures == 0 {
            self.due = self.due.min(soonest);
        }
    }

    /// Until when a request should wait for the answer that is under way, where what is known is too old.
    pub(super) fn worth_waiting(&self, now: Instant) -> Option<Instant> {
        let fresh = self.answered.is_some_and(|answered| now.saturating_duration_since(answered) < STALE);
        let until = self.began? + PATIENCE;
        (self.under_way && !fresh && until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_resolved_once_at_a_time_and_then_every_few_seconds() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert!(schedule.begin(now));
        assert!(!schedule.begin(now + REFRESH), "one is under way");
        schedule.end(now, true);
        assert!(!schedule.begin(now + REFRESH / 2));
        assert!(schedule.begin(now + REFRESH));
        schedule.lose();
        assert!(schedule.begin(now + REFRESH), "a lost one is no hindrance");
    }

    #[test]
    fn a_failed_address_brings_it_forward_but_no_storm() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert!(schedule.begin(now));
        schedule.end(now, true);
        schedule.hurry(now);
        assert!(!schedule.begin(now));
        assert!(schedule.begin(now + HURRY));
    }

    #[test]
    fn a_resolver_that_fails_is_asked_less_often() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            schedule.end(now, false);
            schedule.hurry(now);
            pauses.push(schedule.due - now);
        }
        assert_eq!(pauses[..3], [HURRY, HURRY * 2, HURRY * 4]);
        assert_eq!(pauses[7], REFRESH);
    }

    #[test]
    fn only_what_is_old_is_waited_for_and_not_for_long() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(schedule.worth_waiting(now), None, "nothing is under way");
        schedule.begin(now);
        assert_eq!(schedule.worth_waiting(now), Some(now + PATIENCE));
        assert_eq!(schedule.worth_waiting(now + PATIENCE), None);
        schedule.end(now, true);
        schedule.begin(now + REFRESH);
        assert_eq!(schedule.worth_waiting(now + REFRESH), None, "fresh enough");
        schedule.end(now + REFRESH, true);
        let later = now + REFRESH + STALE;
        schedule.begin(later);
        assert_eq!(schedule.worth_waiting(later), Some(later + PATIENCE));
    }
}
