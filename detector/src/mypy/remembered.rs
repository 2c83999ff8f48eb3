//! A bounded memory of programs.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The oldest is forgotten then.
const MOST: usize = 10_000;

/// Programs, by two hashes with secret keys: nobody can write a program that is taken for another.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    keys: [RandomState; 2],
    known: HashSet<[u64; 2]>,
    order: VecDeque<[u64; 2]>,
}

impl Remembered {
    fn name(&self, code: &str) -> [u64; 2] {
        self.keys.each_ref().map(|key| key.hash_one(code))
    }

    pub(super) fn holds(&self, code: &str) -> bool {
        !self.known.is_empty() && self.known.contains(&self.name(code))
    }

    pub(super) fn add(&mut self, code: &str) {
        let name = self.name(code);
        if self.known.insert(name) {
            self.order.push_back(name);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut memory = Remembered::default();
        assert!(!memory.holds("0"));
        for n in 0..=MOST {
            memory.add(&n.to_string());
            memory.add(&n.to_string());
        }
        assert!(!memory.holds("0") && memory.holds("1") && memory.holds(&MOST.to_string()));
        assert_eq!(memory.known.len(), MOST);
    }
}
