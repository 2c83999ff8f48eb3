//! What the engine needs to know about the code of a function, whatever the analysis.

use std::ops::Range;

use crate::ssa::{BlockId, Function, Instruction, Op, Terminator, ValueId, reverse_post_order};

/// How far a refinement is followed for facts that it may look at beside its operands, and how many of them.
const MAX_DEPTH: usize = 8;
const MAX_LOOKED_AT: usize = 64;

/// The order of visits, and who reads what.
#[derive(Debug)]
pub struct Graph {
    order: Vec<BlockId>,
    rank: Vec<usize>,
    /// Users of the n-th value are `users[first[n]..first[n + 1]]`.
    users: Vec<BlockId>,
    first: Vec<u32>,
    /// Ways into the n-th block have the numbers `ways_in[n]..ways_in[n + 1]`, in the order of its predecessors.
    ways_in: Vec<usize>,
    /// Ways out of the n-th block are `ways_out[first_out[n]..first_out[n + 1]]`: where they lead, and their numbers.
    ways_out: Vec<(BlockId, usize)>,
    first_out: Vec<u32>,
}

impl Graph {
    /// Reads a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut rank = vec![usize::MAX; function.blocks.len()];
        for (i, block) in order.iter().enumerate() {
            rank[block.0 as usize] = i;
        }
        let mut used: Vec<(u32, BlockId)> = Vec::with_capacity(2 * function.values.len());
        let (mut seen, mut searches, mut found) = (vec![0; function.values.len()], 0, vec![]);
        // In which block a use of a value was noted last.
        let mut noted = vec![u32::MAX; function.values.len()];
        for instruction in &function.values {
            let block = instruction.block;
            let is_join = matches!(instruction.op, Op::Phi(_) | Op::Join(_));
            let mut add = |operand: ValueId| {
                // Made before it is used, in the same visit.
                if (is_join || function.values[operand.0 as usize].block != block)
                    && std::mem::replace(&mut noted[operand.0 as usize], block.0) != block.0
                {
                    used.push((operand.0, block));
                }
            };
            instruction.op.operands(&mut add);
            searches += 1;
            looked_at(&function.values, &instruction.op, (&mut seen, searches), &mut found, &mut add);
        }
        for (i, block) in function.blocks.iter().enumerate() {
            if let Terminator::Branch { condition, .. } = block.terminator {
                used.push((condition.0, BlockId(i as u32)));
            }
        }
        let (users, first) = grouped(function.values.len(), &used);
        let mut ways_in = Vec::with_capacity(1 + function.blocks.len());
        let mut ways = Vec::with_capacity(2 * function.blocks.len());
        for (i, block) in function.blocks.iter().enumerate() {
            ways_in.push(ways.len());
            for from in &block.predecessors {
                ways.push((from.0, (BlockId(i as u32), ways.len())));
            }
        }
        ways_in.push(ways.len());
        let (ways_out, first_out) = grouped(function.blocks.len(), &ways);
        Self { order, rank, users, first, ways_in, ways_out, first_out }
    }

    /// Blocks in reverse post-order.
    pub fn order(&self) -> &[BlockId] {
        &self.order
    }

    /// The place of a block in that order.
    pub(super) fn rank(&self, block: BlockId) -> usize {
        self.rank[block.0 as usize]
    }

    /// Blocks that are to be visited again where a fact grew.
    pub(super) fn users(&self, value: ValueId) -> &[BlockId] {
        let at = value.0 as usize;
        &self.users[self.first[at] as usize..self.first[at + 1] as usize]
    }

    /// How many ways lead from block to block.
    pub(super) fn ways(&self) -> usize {
        self.ways_out.len()
    }

    /// Numbers of the ways into a block, in the order of its predecessors.
    pub(super) fn ways_in(&self, block: BlockId) -> Range<usize> {
        self.ways_in[block.0 as usize]..self.ways_in[block.0 as usize + 1]
    }

    /// Where the ways out of a block lead, with their numbers.
    pub(super) fn ways_out(&self, block: BlockId) -> &[(BlockId, usize)] {
        let at = block.0 as usize;
        &self.ways_out[self.first_out[at] as usize..self.first_out[at + 1] as usize]
    }
}

/// What belongs to each of `count` keys, one after the other, and where that of each begins.
fn grouped<T: Copy>(count: usize, pairs: &[(u32, T)]) -> (Vec<T>, Vec<u32>) {
    // While they are filled in, each key has its place one further on: where that of the key before it begins.
    let mut first = vec![0; count + 2];
    for (key, _) in pairs {
        first[*key as usize + 2] += 1;
    }
    for i in 2..first.len() {
        first[i] += first[i - 1];
    }
    let mut all: Vec<T> = pairs.iter().map(|(_, one)| *one).collect();
    for (key, one) in pairs {
        let at = &mut first[*key as usize + 1];
        all[*at as usize] = *one;
        *at += 1;
    }
    first.pop();
    (all, first)
}

/// The values that a refinement looks at through its test: a comparison says no more when what it compares with grows,
/// but what it says about another value changes.
///
/// `seen` says of each value in which search it was seen last; this is one more.
fn looked_at(
    values: &[Instruction],
    op: &Op,
    (seen, search): (&mut [u32], u32),
    found: &mut Vec<(ValueId, usize)>,
    add: &mut impl FnMut(ValueId),
) {
    let test = match op {
        Op::Refine { condition, .. } => *condition,
        Op::Survived { call, .. } | Op::Mutated(_, call) => *call,
        Op::EachElement { element, .. } => *element,
        _ => return,
    };
    found.clear();
    found.push((test, 0));
    let mut next = 0;
    while let Some(&(value, depth)) = found.get(next) {
        next += 1;
        add(value);
        if depth < MAX_DEPTH {
            values[value.0 as usize].op.operands(|operand| {
                if found.len() < MAX_LOOKED_AT && std::mem::replace(&mut seen[operand.0 as usize], search) != search {
                    found.push((operand, depth + 1));
                }
            });
        }
    }
}
