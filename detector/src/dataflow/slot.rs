//! A place that facts are joined into.

use super::lattice::{Lattice, Widening};
use crate::budget::Budget;

/// Growths after which a slot is widened to its shape, and then to the top of its kind.
///
/// The height of a slot is therefore at most [`TOP`] plus that of [`Widening::Top`], whatever the program does.
const SHAPE: u16 = 8;
const TOP: u16 = 24;
/// The same for how often the code that writes was looked at before. What is still moving then goes around in a circle: many
/// different writers, each looked at once or twice, are told apart for longer than one that feeds itself.
const SHAPE_ROUND: u32 = 3;
const TOP_ROUND: u32 = 6;

/// The same for values at the head of a loop that come around: what still grows there accumulates. All that the loop does
/// is done again for each growth, and in loops within loops for each of each.
const SHAPE_AROUND: u16 = 3;
const TOP_AROUND: u16 = 8;

impl Widening {
    /// How much detail is given up everywhere by now.
    pub fn of_budget(budget: &Budget) -> Option<Self> {
        budget.is_coarse().then_some(Self::Shape)
    }

    /// How much detail code may add to what others read in its n-th round (from 0), so that recursion ends soon.
    pub fn of_round(round: u32) -> Option<Self> {
        match round {
            TOP_ROUND.. => Some(Self::Top),
            SHAPE_ROUND.. => Some(Self::Shape),
            _ => None,
        }
    }
}

/// How often a fact has grown, which says how it goes on.
///
/// It is the only place that joins into a fact that is looked at more than once: join, then widening where the fact has
/// grown for long, then a comparison with what was there before. Only what it says grew is a reason to look again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growth(u16);

impl Growth {
    /// Joins `new` into `fact`; says whether it grew. Facts are widened from the start as far as `least` says.
    pub fn join<F: Lattice>(&mut self, fact: &mut F, new: &F, least: Option<Widening>) -> bool {
        let Some(to) = self.widening().max(least) else {
            let grew = fact.join(new);
            self.0 += u16::from(grew);
            return grew;
        };
        let mut joined = fact.clone();
        if !joined.join_within(new, to) {
            return false;
        }
        joined = joined.widen(to);
        // What only comes and goes with widening is no growth.
        if joined == *fact {
            return false;
        }
        *fact = joined;
        self.0 = self.0.saturating_add(1);
        true
    }

    /// How much detail is given up by now at the head of a loop.
    pub fn around(self) -> Option<Widening> {
        match self.0 {
            TOP_AROUND.. => Some(Widening::Top),
            SHAPE_AROUND.. => Some(Widening::Shape),
            _ => None,
        }
    }

    fn widening(self) -> Option<Widening> {
        match self.0 {
            TOP.. => Some(Widening::Top),
            SHAPE.. => Some(Widening::Shape),
            _ => None,
        }
    }
}

/// A place that facts are joined into, with its [`Growth`].
#[derive(Clone, Debug, Default)]
pub struct Slot<F> {
    fact: F,
    growth: Growth,
}

impl<F: Lattice> Slot<F> {
    /// The fact.
    pub fn get(&self) -> &F {
        &self.fact
    }

    /// Joins `new` in; says whether the fact grew. It is widened from the start as far as `least` says.
    pub fn join(&mut self, new: &F, least: Option<Widening>) -> bool {
        self.growth.join(&mut self.fact, new, least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets of numbers: shapes are their bounds, the top is all numbers.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Numbers {
        all: Vec<u32>,
        top: bool,
    }

    impl Lattice for Numbers {
        fn join(&mut self, other: &Self) -> bool {
            let before = self.clone();
            self.all.extend(&other.all);
            self.all.sort_unstable();
            self.all.dedup();
            self.top |= other.top;
            *self != before
        }

        fn widen(&self, to: Widening) -> Self {
            match to {
                Widening::Shape => {
                    let ends = self.all.first().into_iter().chain(self.all.last()).copied().collect();
                    Self { all: ends, top: self.top }
                }
                Widening::Top => Self { all: vec![], top: true },
            }
        }

        fn weight(&self) -> usize {
            self.all.len()
        }
    }

    fn one(number: u32) -> Numbers {
        Numbers { all: vec![number], top: false }
    }

    #[test]
    fn a_chain_without_end_is_cut() {
        let mut slot = Slot::<Numbers>::default();
        let growths = (0..10_000).filter(|number| slot.join(&one(*number), None)).count();
        assert_eq!(growths, usize::from(TOP) + 1);
        assert!(slot.get().top);
    }

    #[test]
    fn what_widening_takes_back_is_no_growth() {
        let mut slot = Slot::<Numbers>::default();
        (0..=u32::from(SHAPE)).for_each(|number| {
            slot.join(&one(2 * number), None);
        });
        assert!(!slot.join(&one(3), None), "{slot:?}");
        assert!(slot.join(&one(100), None), "{slot:?}");
    }

    #[test]
    fn a_coarse_slot_is_widened_from_the_start() {
        let mut slot = Slot::<Numbers>::default();
        (0..5).for_each(|number| {
            slot.join(&one(number), Some(Widening::Shape));
        });
        assert_eq!(slot.get().all, [0, 4]);
    }

    #[test]
    fn code_that_comes_around_often_adds_less_and_less() {
        let rounds: Vec<_> = (0..20).map(Widening::of_round).collect();
        assert!(rounds.is_sorted() && rounds[1].is_none() && rounds[19] == Some(Widening::Top), "{rounds:?}");
    }
}
