//! Time on the wall that counts against a test.
//!
//! What a busy machine keeps from a test is not charged to it: of the time between two looks, as much as the one of its threads that
//! waited longest was runnable without running. What it used itself is charged in any case, so that a test whose processes
//! keep the CPU from each other gains nothing. It can neither lower its priority nor choose its CPU (see `jail::seccomp`).
//!
//! The kernel adds a wait to a thread's account when it is over. One that lasts longer than from look to look has been charged by then, and
//! is given back: of each look once.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Scheduled;

/// What has been charged so far, and the last look.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    charged: Duration,
    wall: Duration,
    cpu: Duration,
    /// At the last look, and what each had at the one before.
    threads: HashMap<i32, (Scheduled, Option<Scheduled>)>,
    looks: Vec<Look>,
}

/// The time between two looks.
#[derive(Debug)]
struct Look {
    passed: Duration,
    /// What was charged of it and not used.
    idle: Duration,
}

impl Waited {
    /// A look: time since the start, CPU time so far, and how each thread has been scheduled so far.
    pub(crate) fn look(&mut self, wall: Duration, cpu: Duration, threads: impl Iterator<Item = (i32, Scheduled)>) {
        let before = std::mem::take(&mut self.threads);
        let with_last = |(thread, now)| (thread, (now, before.get(&thread).map(|(last, _)| *last)));
        self.threads = threads.map(with_last).collect();
        let since =
            |(now, last): &(Scheduled, Option<Scheduled>)| now.starved.saturating_sub(last.unwrap_or_default().starved);
        let longest = self.threads.values().map(since).max().unwrap_or_default();
        let passed = wall.saturating_sub(self.wall);
        let used = cpu.saturating_sub(self.cpu).min(passed);
        self.give_back(longest.saturating_sub(passed));
        let charge = passed.saturating_sub(longest).max(used);
        self.charged += charge;
        self.looks.push(Look { passed, idle: charge.saturating_sub(used) });
        (self.wall, self.cpu) = (wall, cpu);
    }

    /// So much of the time before the last look was a wait that has ended since.
    fn give_back(&mut self, mut wait: Duration) {
        for look in self.looks.iter_mut().rev() {
            if wait.is_zero() {
                return;
            }
            let back = look.idle.min(wait);
            look.idle -= back;
            self.charged -= back;
            wait = wait.saturating_sub(look.passed);
        }
    }

    /// Whether a thread has not run from one look to the next. Where it is runnable, it waits.
    pub(crate) fn stands(&self, thread: i32) -> bool {
        self.threads.get(&thread).is_some_and(|(now, last)| last.is_some_and(|last| last == *now))
    }

    /// So far.
    pub(crate) fn charged(&self) -> Duration {
        self.charged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks a tenth of a second apart: CPU time used since, and how long each thread was kept waiting since it began.
    fn charged(looks: &[(u64, &[(i32, u64)])]) -> u128 {
        let (mut waited, mut cpu) = (Waited::default(), 0);
        for (at, (used, threads)) in (1..).zip(looks) {
            cpu += used;
            let scheduled = |starved| Scheduled { ran: Duration::ZERO, starved: Duration::from_millis(starved) };
            let threads = threads.iter().map(|(thread, starved)| (*thread, scheduled(*starved)));
            waited.look(Duration::from_millis(at * 100), Duration::from_millis(cpu), threads);
        }
        waited.charged().as_millis()
    }

    #[test]
    fn sleeping_is_charged_and_waiting_for_a_cpu_is_not() {
        assert_eq!(charged(&[(0, &[(1, 0)]), (0, &[(1, 0)])]), 200);
        assert_eq!(charged(&[(10, &[(1, 90)]), (20, &[(1, 170)])]), 30);
        assert_eq!(charged(&[(0, &[(1, 40)])]), 60);
    }

    #[test]
    fn a_family_waits_as_long_as_the_one_that_waits_longest() {
        // The first sleeps until its children are done, which get a tenth of a CPU; in the end one is new and one is gone.
        assert_eq!(charged(&[(10, &[(1, 0), (2, 90), (3, 80)]), (10, &[(1, 0), (2, 180), (4, 90)])]), 20);
    }

    #[test]
    fn a_wait_over_several_looks_is_given_back_when_it_is_over() {
        let waits: [(u64, &[(i32, u64)]); 5] =
            [(0, &[(1, 0)]), (0, &[(1, 0)]), (0, &[(1, 0)]), (5, &[(1, 380)]), (0, &[(1, 380)])];
        assert_eq!(charged(&waits[..3]), 300);
        assert_eq!(charged(&waits[..4]), 25);
        assert_eq!(charged(&waits), 125);
    }

    #[test]
    fn no_time_is_given_back_twice_or_where_it_was_used() {
        // Two that waited for the same time, and one that ran meanwhile.
        assert_eq!(charged(&[(0, &[(1, 0), (2, 0)]), (0, &[(1, 200), (2, 0)]), (0, &[(1, 200), (2, 300)])]), 0);
        assert_eq!(charged(&[(60, &[(1, 0)]), (0, &[(1, 200)])]), 60);
        // Asleep at first, then waiting.
        assert_eq!(charged(&[(0, &[(1, 0)]), (0, &[(1, 0)]), (0, &[(1, 150)])]), 150);
    }

    #[test]
    fn what_a_family_takes_from_itself_is_charged() {
        assert_eq!(charged(&[(200, &[(1, 90), (2, 90), (3, 90)])]), 100);
        assert_eq!(charged(&[(90, &[(1, 99), (2, 10)])]), 90);
    }
}
