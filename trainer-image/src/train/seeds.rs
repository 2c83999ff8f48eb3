//! Randomness as a function of (seed, purpose, position): nothing to save but the seed and the step, and nothing that
//! happens in one place (a dropped sample, an evaluation) moves the numbers drawn in another.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use sha2::{Digest, Sha256};

/// What random numbers are for. Each has streams of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Shuffling of data sets.
    DataOrder,
    /// Weights of a model that starts at random, and of the critic's head.
    Initialisation,
    /// Sampling of answers in training.
    Rollout,
    /// Which tests of a task are run.
    Tests,
    /// Order of samples in the update.
    Update,
    /// Sampling of answers in evaluation.
    Evaluation,
}

impl Purpose {
    fn name(self) -> &'static [u8] {
        match self {
            Self::DataOrder => b"data order",
            Self::Initialisation => b"initialisation",
            Self::Rollout => b"rollout",
            Self::Tests => b"tests",
            Self::Update => b"update",
            Self::Evaluation => b"evaluation",
        }
    }
}

/// The generator for one purpose at one position (step, epoch, …).
pub fn stream(seed: u64, purpose: Purpose, position: &[u64]) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(digest(seed, purpose, position))
}

/// A seed for a generator of someone else's (the sampler, the choice of tests), from the same streams.
pub fn derived(seed: u64, purpose: Purpose, position: &[u64]) -> u64 {
    stream(seed, purpose, position).next_u64()
}

fn digest(seed: u64, purpose: Purpose, position: &[u64]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(purpose.name());
    for number in position {
        hasher.update(number.to_le_bytes());
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_position_and_by_nothing_else() {
        let base = derived(1, Purpose::Rollout, &[1]);
        assert_eq!(base, derived(1, Purpose::Rollout, &[1]));
        let others = [(2, Purpose::Rollout, 1), (1, Purpose::Update, 1), (1, Purpose::Rollout, 2)];
        for (seed, purpose, position) in others {
            assert_ne!(base, derived(seed, purpose, &[position]));
        }
    }
}
