//! What the engine needs to know about the code of a function, whatever the analysis.

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
}

impl Graph {
    /// Reads a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut rank = vec![usize::MAX; function.blocks.len()];
        for (i, block) in order.iter().enumerate() {
            rank[block.0 as usize] = i;
        }
        let mut uses: Vec<(ValueId, BlockId)> = Vec::with_capacity(2 * function.values.len());
        let (mut seen, mut searches) = (vec![0; function.values.len()], 0);
        for instruction in &function.values {
            let block = instruction.block;
            let is_join = matches!(instruction.op, Op::Phi(_) | Op::Join(_));
            let mut add = |operand: ValueId| {
                // Made before it is used, in the same visit.
                if is_join || function.values[operand.0 as usize].block != block {
                    uses.push((operand, block));
                }
            };
            instruction.op.operands(&mut add);
            searches += 1;
            looked_at(&function.values, &instruction.op, (&mut seen, searches), &mut add);
        }
        for (i, block) in function.blocks.iter().enumerate() {
            if let Terminator::Branch { condition, .. } = block.terminator {
                uses.push((condition, BlockId(i as u32)));
            }
        }
        uses.sort_unstable();
        uses.dedup();
        let mut first = vec![0; function.values.len() + 1];
        for (value, _) in &uses {
            first[value.0 as usize + 1] += 1;
        }
        for i in 1..first.len() {
            first[i] += first[i - 1];
        }
        Self { order, rank, users: uses.into_iter().map(|(_, block)| block).collect(), first }
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
}

/// The values that a refinement looks at through its test: a comparison says no more when what it compares with grows,
/// but what it says about another value changes.
///
/// `seen` says of each value in which search it was seen last; this is one more.
fn looked_at(values: &[Instruction], op: &Op, (seen, search): (&mut [u32], u32), add: &mut impl FnMut(ValueId)) {
    let test = match op {
        Op::Refine { condition, .. } => *condition,
        Op::Survived { call, .. } | Op::Mutated(_, call) => *call,
        Op::EachElement { element, .. } => *element,
        _ => return,
    };
    let mut found = vec![(test, 0)];
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
