//! Time on the wall that counts against a test.
//!
//! What a busy machine keeps from a test is not charged to it: of the time between two looks, as much as the one of its threads that
//! waited longest was runnable without running. What it used itself is charged in any case, so that a test whose processes
//! keep the CPU from each other gains nothing. It can neither lower its priority nor choose its CPU (see `jail::seccomp`).

use std::collections::HashMap;
use std::time::Duration;

/// What has been charged so far, and the last look.
#[derive(Debug, Default)]
pub(crate) struct Waited {
    charged: Duration,
    wall: Duration,
    cpu: Duration,
    starved: HashMap<i32, Duration>,
}

impl Waited {
    /// A look: time since the start, CPU time so far, and by thread how long it was kept waiting so far.
    pub(crate) fn look(&mut self, wall: Duration, cpu: Duration, threads: impl Iterator<Item = (i32, Duration)>) {
        let before = std::mem::replace(&mut self.starved, threads.collect());
        let since =
            |(thread, now): (&i32, &Duration)| now.saturating_sub(before.get(thread).copied().unwrap_or_default());
        let longest = self.starved.iter().map(since).max().unwrap_or_default();
        let passed = wall.saturating_sub(self.wall);
        let used = cpu.saturating_sub(self.cpu).min(passed);
        self.charged += passed.saturating_sub(longest).max(used);
        (self.wall, self.cpu) = (wall, cpu);
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
            let threads = threads.iter().map(|(thread, starved)| (*thread, Duration::from_millis(*starved)));
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
    fn what_a_family_takes_from_itself_is_charged() {
        assert_eq!(charged(&[(200, &[(1, 90), (2, 90), (3, 90)])]), 100);
        assert_eq!(charged(&[(90, &[(1, 99), (2, 10)])]), 90);
    }
}
