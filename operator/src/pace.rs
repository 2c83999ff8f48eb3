//! At most so many of a kind of write a second, and each object gets its turn.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Turns, of which there are only so many a second. Whoever comes too early is given a time, in the order in which they come.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Between two turns.
    interval: Duration,
    /// How old a turn may be that nobody took.
    saved: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The first time that nobody has.
    free: Option<Instant>,
    /// Times that were given, by uid.
    given: HashMap<String, Instant>,
}

impl Pace {
    /// At most `a_second` turns in any second, a tenth of them at once.
    pub(crate) fn new(a_second: u32) -> Self {
        let state = State { free: None, given: HashMap::new() };
        let (at_once, interval) = (a_second / 10, Duration::from_secs(1) / (a_second - a_second / 10));
        Self { interval, saved: interval * at_once.saturating_sub(1), state: Mutex::new(state) }
    }

    /// How long the object with this uid has to wait; not at all where it is its turn, which is then over.
    pub(crate) fn wait(&self, uid: &str, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        let turn = state.given.remove(uid).unwrap_or_else(|| {
            let oldest = now.checked_sub(self.saved).unwrap_or(now);
            let turn = state.free.map_or(now, |free| free.max(oldest));
            state.free = Some(turn + self.interval);
            turn
        });
        if turn <= now {
            return None;
        }
        state.given.insert(uid.to_owned(), turn);
        Some(turn - now)
    }

    /// Forgets objects that are gone.
    pub(crate) fn retain(&self, exists: impl Fn(&str) -> bool) {
        self.lock().given.retain(|uid, _| exists(uid));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Times are whole at all times, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Writes of `jobs` that have news every ten seconds for a minute, by second and by job. Who has to wait comes again then,
    /// and whenever there is news.
    fn minute(jobs: usize) -> (BTreeMap<u64, usize>, HashMap<String, usize>) {
        let (pace, begun) = (Pace::new(200), Instant::now());
        let (mut seconds, mut told) = (BTreeMap::new(), HashMap::new());
        let mut due = BTreeSet::new();
        for job in 0..jobs {
            // As many each moment, as a poller asks them.
            let first = Duration::from_secs(10).mul_f64(job as f64 / jobs as f64);
            due.extend((0..6).map(|round| (first + Duration::from_secs(10 * round), job)));
        }
        while let Some((at, job)) = due.pop_first() {
            if at >= Duration::from_mins(1) {
                break;
            }
            let uid = job.to_string();
            match pace.wait(&uid, begun + at) {
                None => {
                    *seconds.entry(at.as_secs()).or_default() += 1;
                    *told.entry(uid).or_default() += 1;
                }
                Some(wait) => drop(due.insert((at + wait, job))),
            }
        }
        (seconds, told)
    }

    #[test]
    fn ten_thousand_jobs_are_told_of_in_two_hundred_writes_a_second_and_each_gets_its_turn() {
        let (seconds, told) = minute(10_000);
        assert!(seconds.values().all(|writes| *writes <= 200), "{seconds:?}");
        assert_eq!(told.len(), 10_000, "every job within a minute");
        assert!(told.values().all(|times| *times <= 2), "and none before all others had their turn");
    }

    #[test]
    fn a_thousand_jobs_wait_for_nothing() {
        let (_, told) = minute(1000);
        assert!(told.len() == 1000 && told.values().all(|times| *times == 6), "{told:?}");
    }

    #[test]
    fn a_crowd_after_a_quiet_time_is_let_through_and_no_more() {
        let (pace, now) = (Pace::new(200), Instant::now());
        assert_eq!(pace.wait("first", now), None);
        let later = now + Duration::from_secs(100);
        let through = (0..1000).filter(|job| pace.wait(&job.to_string(), later).is_none()).count();
        assert!(through == 20, "{through}");
        // Asking again moves nobody.
        assert_eq!(pace.wait("999", later), pace.wait("999", later));
        pace.retain(|uid| uid == "999");
        assert_eq!(pace.lock().given.len(), 1);
    }
}
