//! Which tasks come when: shuffled per epoch, mixed by weight, the same for the same seed.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::seeds::{Purpose, stream};

/// Where a run is in one data set. All that resuming needs: permutations follow from the seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Passes over the data set that are complete.
    pub epoch: u64,
    /// Entries of the present pass that were handed out.
    pub position: u64,
}

/// State of [`DataOrder`] in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OrderState {
    /// Sizes of the data sets after filtering; another size means other data.
    pub sizes: Vec<usize>,
    /// A cursor a data set.
    pub cursors: Vec<Cursor>,
    /// Entries each data set is ahead of (or behind) its share.
    pub credit: Vec<f64>,
}

/// Hands out batches of (data set, index).
pub struct DataOrder {
    seed: u64,
    shares: Vec<f64>,
    state: OrderState,
    /// The present permutation of each data set.
    permutations: Vec<Vec<usize>>,
}

/// A checkpoint that belongs to other data.
#[derive(Debug, thiserror::Error)]
#[error(
    "the checkpoint was made with data sets of {expected:?} usable entries, these have {found:?}: resume with the same data or start afresh"
)]
pub struct OtherData {
    expected: Vec<usize>,
    found: Vec<usize>,
}

impl DataOrder {
    /// Starts at the first entry. `sets` holds (entries, weight) of each data set; both are greater than zero.
    pub fn new(seed: u64, sets: &[(usize, f64)]) -> Self {
        let total: f64 = sets.iter().map(|(_, weight)| weight).sum();
        let state = OrderState {
            sizes: sets.iter().map(|(size, _)| *size).collect(),
            cursors: vec![Cursor::default(); sets.len()],
            credit: vec![0.0; sets.len()],
        };
        let mut order =
            Self { seed, shares: sets.iter().map(|(_, w)| w / total).collect(), state, permutations: Vec::new() };
        order.permutations = (0..sets.len()).map(|set| order.permutation(set)).collect();
        order
    }

    /// Goes to where a checkpoint was.
    pub fn restore(&mut self, state: &OrderState) -> Result<(), OtherData> {
        if state.sizes != self.state.sizes {
            return Err(OtherData { expected: state.sizes.clone(), found: self.state.sizes.clone() });
        }
        self.state = state.clone();
        self.permutations = (0..state.sizes.len()).map(|set| self.permutation(set)).collect();
        Ok(())
    }

    /// What a checkpoint has to hold.
    pub fn state(&self) -> &OrderState {
        &self.state
    }

    /// Passes over the first data set, in parts: 1.5 is in the middle of the second.
    pub fn epoch(&self) -> f64 {
        let cursor = self.state.cursors[0];
        cursor.epoch as f64 + cursor.position as f64 / self.state.sizes[0] as f64
    }

    /// The next `count` entries as (data set, index). The end of a pass that is too short for a data set's part of the
    /// batch is dropped, so that no task comes twice in a batch, unless the data set is smaller than its part.
    pub fn next_batch(&mut self, count: usize) -> Vec<(usize, usize)> {
        let mut batch = Vec::with_capacity(count);
        for (set, part) in self.parts(count).into_iter().enumerate() {
            let left = self.state.sizes[set] - self.state.cursors[set].position as usize;
            if left < part && part <= self.state.sizes[set] {
                self.next_epoch(set);
            }
            for _ in 0..part {
                if self.state.cursors[set].position as usize == self.state.sizes[set] {
                    self.next_epoch(set);
                }
                let position = self.state.cursors[set].position as usize;
                batch.push((set, self.permutations[set][position]));
                self.state.cursors[set].position += 1;
            }
        }
        batch
    }

    /// Splits a batch by weight; what rounding takes from a data set it gets back in later batches.
    fn parts(&mut self, count: usize) -> Vec<usize> {
        let mut parts = vec![0; self.shares.len()];
        for (credit, share) in self.state.credit.iter_mut().zip(&self.shares) {
            *credit += share * count as f64;
        }
        for _ in 0..count {
            let credit = &mut self.state.credit;
            let richest = (0..credit.len()).max_by(|a, b| credit[*a].total_cmp(&credit[*b])).unwrap_or(0);
            credit[richest] -= 1.0;
            parts[richest] += 1;
        }
        parts
    }

    fn next_epoch(&mut self, set: usize) {
        self.state.cursors[set] = Cursor { epoch: self.state.cursors[set].epoch + 1, position: 0 };
        self.permutations[set] = self.permutation(set);
    }

    fn permutation(&self, set: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.state.sizes[set]).collect();
        order.shuffle(&mut stream(self.seed, Purpose::DataOrder, &[set as u64, self.state.cursors[set].epoch]));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_pass_hands_out_each_task_once_and_drops_the_incomplete_end() {
        let mut order = DataOrder::new(1, &[(10, 1.0)]);
        let first: Vec<_> = (0..3).flat_map(|_| order.next_batch(3)).collect();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 9);
        let second: Vec<_> = (0..3).flat_map(|_| order.next_batch(3)).collect();
        assert_eq!(second.iter().collect::<BTreeSet<_>>().len(), 9);
        assert_ne!(first, second, "passes are shuffled anew");
        assert_eq!(order.state().cursors[0], Cursor { epoch: 1, position: 9 });
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_seed_another() {
        let draw = |seed| DataOrder::new(seed, &[(100, 1.0)]).next_batch(20);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_restored_order_continues_as_if_never_stopped() {
        let sets = [(7, 1.0), (11, 2.5)];
        let mut straight = DataOrder::new(3, &sets);
        let mut stopped = DataOrder::new(3, &sets);
        for _ in 0..5 {
            straight.next_batch(4);
            stopped.next_batch(4);
        }
        let mut resumed = DataOrder::new(3, &sets);
        resumed.restore(stopped.state()).expect("same data");
        for _ in 0..9 {
            assert_eq!(straight.next_batch(4), resumed.next_batch(4));
        }
    }

    #[test]
    fn weights_decide_the_mixture_over_many_batches() {
        let mut order = DataOrder::new(1, &[(50, 3.0), (50, 1.0)]);
        let drawn: Vec<_> = (0..40).flat_map(|_| order.next_batch(5)).collect();
        assert_eq!(drawn.iter().filter(|(set, _)| *set == 0).count(), 150);
    }

    #[test]
    fn a_data_set_smaller_than_the_batch_is_repeated() {
        let batch = DataOrder::new(1, &[(2, 1.0)]).next_batch(5);
        assert_eq!(batch.len(), 5);
    }

    #[test]
    fn a_checkpoint_of_other_data_is_refused_with_both_sizes() {
        let state = DataOrder::new(1, &[(5, 1.0)]).state().clone();
        let error = DataOrder::new(1, &[(6, 1.0)]).restore(&state).expect_err("sizes differ").to_string();
        assert!(error.contains("[5]") && error.contains("[6]"), "{error}");
    }
}
