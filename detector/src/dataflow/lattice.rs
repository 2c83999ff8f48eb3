//! Facts that can be joined.

/// A set of facts with a least upper bound. `Default` is the least element: nothing is known to come here.
pub trait Lattice: Clone + Default + PartialEq {
    /// Makes `self` the least upper bound of both; says whether it grew.
    fn join(&mut self, other: &Self) -> bool;

    /// [`Self::join`] for a fact that is widened as far as `to` says: it may keep less apart, and still only grows.
    fn join_within(&mut self, other: &Self, _to: Widening) -> bool {
        self.join(other)
    }

    /// Gives up detail. From [`Widening::Top`] only finitely many more steps are possible, and widening what is as wide
    /// already changes nothing.
    #[must_use]
    fn widen(&self, to: Widening) -> Self;

    /// How much memory it takes, in pieces of about 100 bytes.
    fn weight(&self) -> usize;
}

/// How much is given up so that an ascending chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Widening {
    /// Forms that are told apart become one.
    Shape,
    /// Nothing is kept but what grows a bounded number of times.
    Top,
}
