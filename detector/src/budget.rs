//! What one analysis may spend. Every stage asks the same budget, so no stage can go on without the others' consent.

use std::cell::Cell;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How many questions go by between two looks at the clock, which are calls of the kernel.
const STRIDE: u32 = 256;

/// The analysis ran out of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// What an analysis has spent, in counts that are the same on every machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Instructions of the program in SSA form, and their operands.
    pub size: u64,
    /// Transfer functions evaluated.
    pub steps: u64,
    /// Most pieces of facts that were kept at one time, about 100 bytes each.
    pub weight: u64,
}

/// Processor time, and counts of what was done.
///
/// An analysis waits for nothing and stays in one thread, so its time is what this thread used: a busy machine makes none late. Time alone ends an analysis without a verdict. The counts make it coarser before that: beyond
/// [`Budget::is_coarse`] the solver keeps less apart, which is sound and cheap.
#[derive(Debug)]
pub struct Budget {
    deadline: Duration,
    until_clock: Cell<u32>,
    expired: Cell<bool>,
    steps: Cell<u64>,
    step_limit: Cell<u64>,
    size: Cell<u64>,
    most_weight: Cell<u64>,
    weight: Cell<u64>,
}

/// Processor time that this thread has used.
fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("Linux tells what a thread used");
    let of = |time: TimeVal| Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1_000);
    of(usage.user_time()) + of(usage.system_time())
}

/// Transfer functions evaluated, for each instruction and operand and for the smallest program, before the solver gets coarser.
const STEPS: (u64, u64) = (64, 50_000);
/// Pieces of facts (templates, parts, entries: about 100 bytes each) that are kept before the solver gets coarser.
const WEIGHT: u64 = 1 << 20;

impl Budget {
    /// A budget of this much processor time from now, for this thread.
    pub fn new(time: Duration) -> Self {
        Self {
            deadline: used().saturating_add(time),
            until_clock: Cell::new(0),
            expired: Cell::new(false),
            steps: Cell::new(0),
            step_limit: Cell::new(STEPS.1),
            size: Cell::new(0),
            most_weight: Cell::new(0),
            weight: Cell::new(0),
        }
    }

    /// Whether the time is over; cheap enough for every loop.
    pub fn is_expired(&self) -> bool {
        let left = self.until_clock.get();
        if left > 0 {
            self.until_clock.set(left - 1);
        } else if !self.expired.get() {
            self.until_clock.set(STRIDE);
            self.expired.set(used() >= self.deadline);
        }
        self.expired.get()
    }

    /// Goes on only while there is time.
    ///
    /// # Errors
    /// [`Expired`] where there is none.
    pub fn check(&self) -> Result<(), Expired> {
        if self.is_expired() { Err(Expired) } else { Ok(()) }
    }

    /// Says how large the program, or code that stands in a constant of it, is once it is lowered: its instructions and their
    /// operands.
    pub fn add_size(&self, size: usize) {
        self.size.set(self.size.get() + size as u64);
        self.step_limit.set(STEPS.1 + STEPS.0 * self.size.get());
    }

    /// What was spent so far.
    pub fn effort(&self) -> Effort {
        Effort { size: self.size.get(), steps: self.steps.get(), weight: self.most_weight.get() }
    }

    /// Counts a transfer function that was evaluated.
    pub fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }

    /// Counts pieces of a fact that is kept from now on.
    pub fn keep(&self, weight: usize) {
        let now = self.weight.get() + weight as u64;
        self.weight.set(now);
        self.most_weight.set(self.most_weight.get().max(now));
    }

    /// Counts back what was given up again.
    pub fn release(&self, weight: usize) {
        self.weight.set(self.weight.get().saturating_sub(weight as u64));
    }

    /// Whether so much was done or is kept that the rest of the program is to be looked at more coarsely.
    pub fn is_coarse(&self) -> bool {
        self.steps.get() > self.step_limit.get() || self.weight.get() > WEIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_is_over_stays_over_and_is_seen_within_a_stride() {
        let budget = Budget::new(Duration::ZERO);
        assert!((0..=STRIDE).any(|_| budget.is_expired()));
        assert_eq!(budget.check(), Err(Expired));
        assert_eq!(Budget::new(Duration::MAX).check(), Ok(()));
    }

    #[test]
    fn steps_beyond_those_of_the_instructions_make_it_coarse() {
        let budget = Budget::new(Duration::MAX);
        budget.add_size(10);
        (0..STEPS.1 + STEPS.0 * 10).for_each(|_| budget.step());
        assert!(!budget.is_coarse());
        budget.step();
        assert!(budget.is_coarse());
    }

    #[test]
    fn what_is_kept_beyond_the_limit_makes_it_coarse_until_it_is_given_up() {
        let budget = Budget::new(Duration::MAX);
        budget.keep(1 + WEIGHT as usize);
        assert!(budget.is_coarse());
        budget.release(1);
        assert!(!budget.is_coarse());
    }
}
