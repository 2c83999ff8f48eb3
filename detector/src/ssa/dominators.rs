//! Which blocks every way to a block passes (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm").

use super::{BlockId, Function};
use crate::dataflow::reverse_post_order;

/// Immediate dominators of the blocks that the entry reaches.
#[derive(Debug)]
pub struct Dominators {
    parents: Vec<Option<BlockId>>,
    depths: Vec<u32>,
}

impl Dominators {
    /// Computes the dominator tree of a function.
    pub fn new(function: &Function) -> Self {
        let order = reverse_post_order(function);
        let mut rank = vec![usize::MAX; function.blocks.len()];
        for (i, block) in order.iter().enumerate() {
            rank[block.0 as usize] = i;
        }
        let mut parents: Vec<Option<BlockId>> = vec![None; function.blocks.len()];
        let Some(&entry) = order.first() else { return Self { parents, depths: vec![] } };
        parents[entry.0 as usize] = Some(entry);
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &order[1..] {
                let mut new: Option<BlockId> = None;
                for &from in &function.blocks[block.0 as usize].predecessors {
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
        let mut depths = vec![0; function.blocks.len()];
        for &block in order.iter().skip(1) {
            if let Some(parent) = parents[block.0 as usize] {
                depths[block.0 as usize] = depths[parent.0 as usize] + 1;
            }
        }
        Self { parents, depths }
    }

    /// Whether every way from the entry to `block` passes `over`.
    pub fn dominates(&self, over: BlockId, block: BlockId) -> bool {
        let mut at = block;
        while self.depths[at.0 as usize] > self.depths[over.0 as usize] {
            let Some(parent) = self.parents[at.0 as usize] else { return false };
            at = parent;
        }
        at == over
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
