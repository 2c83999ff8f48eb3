//! Which blocks every way to a block passes (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm").

use super::{BlockId, Function, reverse_post_order};

/// The dominator tree of the blocks that the entry reaches.
#[derive(Debug)]
pub struct Dominators {
    /// By block: its number in a walk through the tree, and the last number below it. (0, 0) where nothing comes.
    ranges: Vec<(u32, u32)>,
}

impl Dominators {
    /// Computes the dominator tree of a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut rank = vec![usize::MAX; function.blocks.len()];
        for (i, block) in order.iter().enumerate() {
            rank[block.0 as usize] = i;
        }
        let mut ranges = vec![(0, 0); function.blocks.len()];
        let mut parents: Vec<Option<BlockId>> = vec![None; function.blocks.len()];
        let Some(&entry) = order.first() else { return Self { ranges } };
        parents[entry.0 as usize] = Some(entry);
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &order[1..] {
                let mut new: Option<BlockId> = None;
                // Backwards: many ways to one block come from a row of blocks, and neighbours meet at once.
                for &from in function.blocks[block.0 as usize].predecessors.iter().rev() {
                    if parents[from.0 as usize].is_none() {
                        continue;
                    }
                    new = Some(new.map_or(from, |other| meet(&parents, &rank, from, other)));
                }
                if new.is_some() && parents[block.0 as usize] != new {
                    parents[block.0 as usize] = new;
                    changed = true;
                }
            }
        }
        // Parents come before their children in the order: sizes of subtrees from the back, then numbers from the front.
        let mut sizes = vec![1u32; function.blocks.len()];
        for &block in order[1..].iter().rev() {
            if let Some(parent) = parents[block.0 as usize] {
                sizes[parent.0 as usize] += sizes[block.0 as usize];
            }
        }
        let mut next_child = vec![0u32; function.blocks.len()];
        for (i, &block) in order.iter().enumerate() {
            let at = block.0 as usize;
            let number = match parents[at] {
                Some(parent) if i > 0 => {
                    let number = next_child[parent.0 as usize];
                    next_child[parent.0 as usize] += sizes[at];
                    number
                }
                _ => 1,
            };
            ranges[at] = (number, number + sizes[at] - 1);
            next_child[at] = number + 1;
        }
        Self { ranges }
    }

    /// Whether every way from the entry to `block` passes `over`.
    pub fn dominates(&self, over: BlockId, block: BlockId) -> bool {
        let (number, _) = self.ranges[block.0 as usize];
        let (first, last) = self.ranges[over.0 as usize];
        over == block || (number > 0 && first <= number && number <= last)
    }
}

fn meet(parents: &[Option<BlockId>], rank: &[usize], mut a: BlockId, mut b: BlockId) -> BlockId {
    while a != b {
        let lower = if rank[a.0 as usize] > rank[b.0 as usize] { &mut a } else { &mut b };
        match parents[lower.0 as usize] {
            Some(parent) => *lower = parent,
            None => return *lower,
        }
    }
    a
}
