//! How much room a run needs, and how much there is.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use real_crds::config::{Algorithm, TrainerConfig};

/// For metrics, samples, logs and TensorBoard files.
const MARGIN: u64 = 64 << 20;

/// Bytes that a run may have on disk at once, given the size of the model's weights file.
///
/// A checkpoint holds each trained network (PPO: actor and critic) and two `AdamW` moments for each of its weights; of adapters
/// these alone, which at rank 256 are less than the weights of any model worth adapting. While a checkpoint is written the
/// oldest one is still there.
pub(crate) fn needed(config: &TrainerConfig, weights: u64) -> u64 {
    let networks = match config.algorithm {
        Algorithm::Ppo(_) => 2,
        Algorithm::PolicyGradient(_) | Algorithm::Sft(_) => 1,
    };
    let weights = match &config.model.lora {
        Some(lora) => weights.min(weights.saturating_mul(lora.rank) / 256),
        None => weights,
    };
    weights.saturating_mul(networks * 3).saturating_mul(config.checkpoint.retain + 1).saturating_add(MARGIN)
}

/// Bytes free for us on the file system that `path`, or the nearest of its ancestors that exists, is on.
pub(crate) fn free(path: &Path) -> nix::Result<u64> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let stat = statvfs(existing)?;
    // `fsblkcnt_t` is narrower on some platforms.
    #[allow(clippy::useless_conversion)]
    Ok(u64::from(stat.blocks_available()) * u64::from(stat.fragment_size()))
}

/// Bytes in MiB, rounded up.
pub(crate) fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_yet_has_the_room_of_its_ancestor() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free(&dir.path().join("not/yet/there")).unwrap() > 0);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!((mib(0), mib(1), mib(1 << 20)), (0, 1, 1));
    }
}
