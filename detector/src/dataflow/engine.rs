//! Sparse conditional propagation over the blocks of one function.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

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
        edges: FxHashSet::default(),
        work: BTreeSet::new(),
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
                    for (operand, from) in operands.iter().zip(&block.predecessors) {
                        if frontier.edges.contains(&(*from, id)) {
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
            Terminator::Goto(to) => frontier.reach(id, *to),
            Terminator::Choice(ways) => ways.iter().for_each(|to| frontier.reach(id, *to)),
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
    edges: FxHashSet<(BlockId, BlockId)>,
    work: BTreeSet<usize>,
}

impl Frontier<'_> {
    /// The next block in order from a place on, from the first one on where there is none.
    fn next(&mut self, from: usize) -> Option<usize> {
        let next = self.work.range(from..).next().or_else(|| self.work.first()).copied()?;
        self.work.remove(&next);
        Some(next)
    }

    /// Opens an edge. A block that another edge reaches is visited again, for its φ-nodes.
    fn reach(&mut self, from: BlockId, to: BlockId) {
        if self.edges.insert((from, to)) {
            self.reached[to.0 as usize] = true;
            self.work.insert(self.graph.rank(to));
        }
    }
}
