//! The fixpoint engine, written once for all analyses over SSA.
//!
//! An analysis gives a join semi-lattice of facts and says what each instruction makes of the facts of its operands. The
//! engine visits blocks in reverse post-order, only those that control reaches, and visits again what depends on a fact
//! that grew, until nothing does (sparse conditional propagation after Wegman and Zadeck, TOPLAS 1991). It terminates
//! where the lattice has no infinite ascending chain, or where `widen` cuts them.

use std::collections::{BTreeSet, HashSet};

use crate::ssa::{BlockId, Function, Op, Terminator, ValueId};

/// A set of facts with a least upper bound. `Default` is the least element: nothing is known to come here.
pub trait Lattice: Clone + Default + PartialEq {
    /// Makes `self` the least upper bound of both; says whether it grew.
    fn join(&mut self, other: &Self) -> bool;

    /// Cuts an ascending chain: gives a bound from which only finitely many more steps are possible.
    #[must_use]
    fn widen(&self) -> Self;
}

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

    /// Asked now and then; the engine stops early on true.
    fn expired(&self) -> bool;
}

/// How often a value may grow before it is widened.
const PATIENCE: u8 = 12;

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
}

/// Blocks that the entry reaches, each before those it leads to (loops aside).
pub fn reverse_post_order(function: &Function) -> Vec<BlockId> {
    let mut seen = vec![false; function.blocks.len()];
    let mut order = vec![];
    if function.blocks.is_empty() {
        return order;
    }
    let mut stack = vec![(BlockId(0), function.successors(BlockId(0)), 0)];
    seen[0] = true;
    while let Some((block, successors, next)) = stack.last_mut() {
        if let Some(&to) = successors.get(*next) {
            *next += 1;
            if !std::mem::replace(&mut seen[to.0 as usize], true) {
                stack.push((to, function.successors(to), 0));
            }
        } else {
            order.push(*block);
            stack.pop();
        }
    }
    order.reverse();
    order
}

/// Runs an analysis to its fixpoint.
pub fn solve<A: Analysis>(analysis: &mut A, function: &Function) -> Solution<A::Fact> {
    let order = reverse_post_order(function);
    let mut rank = vec![usize::MAX; function.blocks.len()];
    for (i, block) in order.iter().enumerate() {
        rank[block.0 as usize] = i;
    }
    let uses = block_uses(function);
    let mut facts: Vec<A::Fact> = vec![A::Fact::default(); function.values.len()];
    let mut growth = vec![0u8; function.values.len()];
    let mut frontier =
        Frontier { reached: vec![false; function.blocks.len()], rank, edges: HashSet::new(), work: BTreeSet::new() };
    if !order.is_empty() {
        frontier.reached[0] = true;
        frontier.work.insert(0);
    }
    while let Some(at) = frontier.work.pop_first() {
        if analysis.expired() {
            break;
        }
        let id = order[at];
        let block = &function.blocks[id.0 as usize];
        for &handler in &block.handlers {
            frontier.reach(id, handler);
        }
        let mut passes = true;
        for &value in block.phis.iter().chain(&block.instructions) {
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
                op => analysis.transfer(value, op, &facts),
            };
            let Some(new) = new else {
                passes = false;
                break;
            };
            let grown = &mut growth[value.0 as usize];
            let fact = &mut facts[value.0 as usize];
            let before = (*grown >= PATIENCE).then(|| fact.clone());
            if fact.join(&new) {
                *grown = grown.saturating_add(1);
                if let Some(before) = before {
                    *fact = fact.widen();
                    // What only comes and goes with widening is no growth.
                    if *fact == before {
                        continue;
                    }
                }
                for user in &uses[value.0 as usize] {
                    if frontier.reached[user.0 as usize] {
                        frontier.work.insert(frontier.rank[user.0 as usize]);
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
    let mut returned = A::Fact::default();
    let mut returns = vec![];
    for block in &order {
        if let (true, Terminator::Return(value)) =
            (frontier.reached[block.0 as usize], &function.blocks[block.0 as usize].terminator)
        {
            returned.join(&facts[value.0 as usize]);
            returns.push(*value);
        }
    }
    Solution { facts, reached: frontier.reached, returned, returns }
}

/// Blocks whose instructions or test use a value.
fn block_uses(function: &Function) -> Vec<Vec<BlockId>> {
    let mut uses: Vec<Vec<BlockId>> = vec![vec![]; function.values.len()];
    for instruction in &function.values {
        instruction.op.operands(|operand| {
            let blocks = &mut uses[operand.0 as usize];
            if blocks.last() != Some(&instruction.block) {
                blocks.push(instruction.block);
            }
        });
    }
    for (i, block) in function.blocks.iter().enumerate() {
        if let Terminator::Branch { condition, .. } = block.terminator {
            uses[condition.0 as usize].push(BlockId(i as u32));
        }
    }
    uses
}

/// What control reaches so far, and what is to be visited.
struct Frontier {
    reached: Vec<bool>,
    rank: Vec<usize>,
    edges: HashSet<(BlockId, BlockId)>,
    work: BTreeSet<usize>,
}

impl Frontier {
    /// Opens an edge. A block that another edge reaches is visited again, for its φ-nodes.
    fn reach(&mut self, from: BlockId, to: BlockId) {
        if self.edges.insert((from, to)) {
            self.reached[to.0 as usize] = true;
            self.work.insert(self.rank[to.0 as usize]);
        }
    }
}
