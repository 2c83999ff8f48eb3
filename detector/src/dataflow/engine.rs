//! Sparse conditional propagation over the blocks of one function.

use super::graph::Graph;
use super::lattice::{Lattice, Widening};
use super::slot::{Growth, Slot};
use crate::budget::Budget;
use crate::ssa::{BlockId, Function, Op, Terminator, ValueId};

/// Where control goes after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// Every successor is possible.
    All,
    /// Only where the tested value has this truth.
    Only(bool),
}

/// An analysis of one function.
pub trait Analysis {
    /// What is known about a value.
    type Fact: Lattice;

    /// The fact about the result of an instruction. None means that control never passes it.
    fn transfer(&mut self, value: ValueId, op: &Op, facts: &[Self::Fact]) -> Option<Self::Fact>;

    /// Which ways a test leaves open.
    fn branch(&self, condition: ValueId, facts: &[Self::Fact]) -> Ways;
}

/// Facts about one function.
#[derive(Clone, Debug)]
pub struct Solution<F> {
    /// Per value; the least element where control never comes.
    pub facts: Vec<F>,
    /// Blocks that control reaches.
    pub reached: Vec<bool>,
    /// Facts at `return`, joined.
    pub returned: F,
    /// Values returned where control comes.
    pub returns: Vec<ValueId>,
    weight: usize,
}

impl<F> Solution<F> {
    /// How much memory its facts take, in pieces of about 100 bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

/// Runs an analysis to its fixpoint, or until the budget's time is over: what it gives then is not to be used.
pub fn solve<A: Analysis>(analysis: &mut A, function: &Function, graph: &Graph, budget: &Budget) -> Solution<A::Fact> {
    let order = graph.order();
    let mut facts: Vec<A::Fact> = vec![A::Fact::default(); function.values.len()];
    let mut growth = vec![Growth::default(); function.values.len()];
    let mut weight = 0;
    let mut frontier = Frontier {
        reached: vec![false; function.blocks.len()],
        graph,
        open: vec![false; graph.ways()],
        work: Ranks::new(order.len()),
    };
    if !order.is_empty() {
        frontier.reached[0] = true;
        frontier.work.insert(0);
    }
    // In sweeps: what goes back in a loop waits until all that goes on was visited, so that many ways back cost one visit.
    let mut swept = 0;
    'blocks: while let Some(at) = frontier.next(swept) {
        swept = at + 1;
        let id = order[at];
        let block = &function.blocks[id.0 as usize];
        for &handler in &block.handlers {
            frontier.reach(id, handler);
        }
        let mut passes = true;
        let is_head = block.predecessors.iter().any(|from| graph.rank(*from) >= at && graph.rank(*from) != usize::MAX);
        for &value in block.phis.iter().chain(&block.instructions) {
            budget.step();
            if budget.is_expired() {
                break 'blocks;
            }
            let new = match function.op(value) {
                Op::Phi(operands) => {
                    let mut joined = A::Fact::default();
                    for (operand, way) in operands.iter().zip(graph.ways_in(id)) {
                        if frontier.open[way] {
                            joined.join(&facts[operand.0 as usize]);
                        }
                    }
                    Some(joined)
                }
                // What was never reached is the least element, so the ways need not be looked at.
                Op::Join(operands) => {
                    let mut joined = A::Fact::default();
                    for operand in operands {
                        joined.join(&facts[operand.0 as usize]);
                    }
                    Some(joined)
                }
                op => analysis.transfer(value, op, &facts),
            };
            let Some(new) = new else {
                passes = false;
                break;
            };
            let fact = &mut facts[value.0 as usize];
            let before = fact.weight();
            let growth = &mut growth[value.0 as usize];
            let around = if is_head && matches!(function.op(value), Op::Phi(_)) { growth.around() } else { None };
            if growth.join(fact, &new, Widening::of_budget(budget).max(around)) {
                let after = fact.weight();
                budget.release(before);
                budget.keep(after);
                weight = weight + after - before.min(weight);
                for user in graph.users(value) {
                    if frontier.reached[user.0 as usize] {
                        frontier.work.insert(graph.rank(*user));
                    }
                }
            }
        }
        if !passes {
            continue;
        }
        match &block.terminator {
            // Those to handlers are open already.
            Terminator::Goto(_) | Terminator::Choice(_) => frontier.reach_where(id, |_| true),
            Terminator::Branch { condition, then, otherwise } => {
                let ways = analysis.branch(*condition, &facts);
                if ways != Ways::Only(false) {
                    frontier.reach(id, *then);
                }
                if ways != Ways::Only(true) {
                    frontier.reach(id, *otherwise);
                }
            }
            Terminator::Return(_) | Terminator::Stop => {}
        }
    }
    let mut returned = Slot::<A::Fact>::default();
    let mut returns = vec![];
    for block in order {
        if let (true, Terminator::Return(value)) =
            (frontier.reached[block.0 as usize], &function.blocks[block.0 as usize].terminator)
        {
            returned.join(&facts[value.0 as usize], Widening::of_budget(budget));
            returns.push(*value);
        }
    }
    Solution { facts, reached: frontier.reached, returned: returned.get().clone(), returns, weight }
}

/// What control reaches so far, and what is to be visited.
struct Frontier<'a> {
    reached: Vec<bool>,
    graph: &'a Graph,
    /// By number of a way from block to block: whether control takes it.
    open: Vec<bool>,
    work: Ranks,
}

impl Frontier<'_> {
    /// The next block in order from a place on, from the first one on where there is none.
    fn next(&mut self, from: usize) -> Option<usize> {
        let next = self.work.next(from).or_else(|| self.work.next(0))?;
        self.work.remove(next);
        Some(next)
    }

    /// Opens the ways from a block to another.
    fn reach(&mut self, from: BlockId, to: BlockId) {
        self.reach_where(from, |block| block == to);
    }

    /// Opens ways out of a block. A block that another way reaches is visited again, for its φ-nodes.
    fn reach_where(&mut self, from: BlockId, meant: impl Fn(BlockId) -> bool) {
        for &(to, way) in self.graph.ways_out(from) {
            if meant(to) && !std::mem::replace(&mut self.open[way], true) {
                self.reached[to.0 as usize] = true;
                self.work.insert(self.graph.rank(to));
            }
        }
    }
}

/// A set of places in the order of visits, as bits.
struct Ranks {
    bits: Vec<u64>,
    count: usize,
}

impl Ranks {
    /// The empty set, for places below `size`.
    fn new(size: usize) -> Self {
        Self { bits: vec![0; size.div_ceil(64)], count: 0 }
    }

    fn insert(&mut self, rank: usize) {
        let (word, bit) = (&mut self.bits[rank / 64], 1 << (rank % 64));
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
    }

    fn remove(&mut self, rank: usize) {
        let (word, bit) = (&mut self.bits[rank / 64], 1 << (rank % 64));
        self.count -= usize::from(*word & bit != 0);
        *word &= !bit;
    }

    /// The least one from a place on.
    fn next(&self, from: usize) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let first = self.bits.get(from / 64)? & u64::MAX << (from % 64);
        let rest = self.bits[from / 64 + 1..].iter().copied();
        let (at, word) = std::iter::once(first).chain(rest).enumerate().find(|(_, word)| *word != 0)?;
        Some((from / 64 + at) * 64 + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn places_come_in_order_from_any_of_them_on() {
        let all: BTreeSet<usize> = [0, 1, 63, 64, 130, 191, 192].into();
        let mut ranks = Ranks::new(200);
        for rank in &all {
            ranks.insert(*rank);
        }
        for from in 0..260 {
            assert_eq!(ranks.next(from), all.range(from..).next().copied(), "{from}");
        }
        for rank in &all {
            ranks.remove(*rank);
        }
        assert_eq!((ranks.next(0), ranks.count), (None, 0));
    }
}
