//! How much room a run needs, and how much there is.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use real_crds::config::{Algorithm, Lora, LoraTarget, TrainerConfig};

/// For metrics, samples, logs and TensorBoard files.
const MARGIN: u64 = 64 << 20;

/// A longer list of tensors is none: the largest models have some thousand.
const LONGEST_HEADER: u64 = 100 << 20;

/// Names and shapes of a model's tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tensors(Vec<(String, Vec<u64>)>);

impl Tensors {
    /// Those of all `*.safetensors` of a folder, from their headers; a file that has none is passed over.
    pub(crate) fn of(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
        Self(files.filter_map(|path| header(&path).ok()).flatten().collect())
    }

    /// Numbers that a job learns of each network.
    fn learnt(&self, lora: Option<&Lora>) -> u64 {
        let of_adapters = |lora: &Lora, name: &str, shape: &[u64]| {
            let target = |target: &LoraTarget| name.ends_with(&format!(".{}.weight", module(*target)));
            match shape {
                [rows, columns] if lora.targets.iter().any(target) => lora.rank.saturating_mul(rows + columns),
                _ => 0,
            }
        };
        let numbers = self.0.iter().map(|(name, shape)| match lora {
            Some(lora) => of_adapters(lora, name, shape),
            None => shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side)),
        });
        numbers.fold(0, u64::saturating_add)
    }
}

fn module(target: LoraTarget) -> &'static str {
    match target {
        LoraTarget::QProj => "q_proj",
        LoraTarget::KProj => "k_proj",
        LoraTarget::VProj => "v_proj",
        LoraTarget::OProj => "o_proj",
        LoraTarget::GateProj => "gate_proj",
        LoraTarget::UpProj => "up_proj",
        LoraTarget::DownProj => "down_proj",
    }
}

/// Eight bytes, least first, say how long the JSON after them is.
fn header(path: &Path) -> std::io::Result<Vec<(String, Vec<u64>)>> {
    let mut file = fs::File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut text = Vec::new();
    file.take(u64::from_le_bytes(length).min(LONGEST_HEADER)).read_to_end(&mut text)?;
    let entries: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text)?;
    let shape = |entry: &serde_json::Value| -> Option<Vec<u64>> {
        entry.get("shape")?.as_array()?.iter().map(serde_json::Value::as_u64).collect()
    };
    Ok(entries.into_iter().filter_map(|(name, entry)| Some((name, shape(&entry)?))).collect())
}

/// How many checkpoints of a run may lie on disk at once: the newest, the best, and the one that is being written.
pub(crate) fn checkpoints(config: &TrainerConfig) -> u64 {
    let steps = match &config.algorithm {
        Algorithm::Ppo(ppo) => ppo.steps,
        Algorithm::PolicyGradient(gradient) => gradient.steps,
        Algorithm::Sft(sft) => sft.steps,
    };
    let every = config.checkpoint.every_steps;
    // A run that was stopped has one more than are due.
    let made = 1 + if every == 0 { 1 } else { steps.div_ceil(every) };
    let kept = config.checkpoint.retain.max(1).saturating_add(config.checkpoint.keep_best.count).saturating_add(1);
    made.min(kept)
}

/// Bytes that a run may have on disk at once.
///
/// A checkpoint holds each network that learns (PPO: actor and critic), 32 bits a number whatever the model's own type is, and
/// two `AdamW` moments for each number.
pub(crate) fn needed(config: &TrainerConfig, model: &Tensors) -> u64 {
    let networks = match config.algorithm {
        Algorithm::Ppo(_) => 2,
        Algorithm::PolicyGradient(_) | Algorithm::Sft(_) => 1,
    };
    let checkpoint = model.learnt(config.model.lora.as_ref()).saturating_mul(networks * 3 * 4);
    checkpoint.saturating_mul(checkpoints(config)).saturating_add(MARGIN)
}

/// Bytes free for us on the file system that `path`, or the nearest of its ancestors that exists, is on; none where it does not say,
/// as those in user space and of networks may.
pub(crate) fn free(path: &Path) -> nix::Result<Option<u64>> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = absolute.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let stat = statvfs(existing)?;
    // `fsblkcnt_t` is narrower on some platforms.
    #[allow(clippy::useless_conversion)]
    let free = u64::from(stat.blocks_available()) * u64::from(stat.fragment_size());
    Ok((stat.blocks() > 0).then_some(free))
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
        assert!(free(&dir.path().join("not/yet/there")).unwrap() > Some(0));
    }

    #[test]
    fn a_file_system_without_a_size_is_not_a_full_one() {
        assert_eq!(free(Path::new("/proc/self/fd")).unwrap(), None);
    }

    /// A job for a model of 1,000 numbers: a table of 20 × 30, two matrices of 10 × 20.
    fn needs(set: &[&str]) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let tensors = r#"{"__metadata__":{"format":"pt"},"model.embed_tokens.weight":{"dtype":"BF16","shape":[20,30],"data_offsets":[0,1200]},
            "model.layers.0.self_attn.q_proj.weight":{"dtype":"BF16","shape":[10,20],"data_offsets":[1200,1600]},
            "model.layers.0.mlp.down_proj.weight":{"dtype":"BF16","shape":[20,10],"data_offsets":[1600,2000]}}"#;
        let mut file = (tensors.len() as u64).to_le_bytes().to_vec();
        file.extend(tensors.as_bytes());
        fs::write(dir.path().join("model.safetensors"), file).unwrap();
        fs::write(dir.path().join("other.safetensors"), "no such file").unwrap();
        let set: Vec<String> = set.iter().map(|set| format!("spec.{set}")).collect();
        let job = real_crds::validate::parse_job(include_str!("../../../examples/quickstart.yaml"), "q.yaml", &set);
        let config = real_crds::render(&job.unwrap(), &real_crds::Endpoints::default());
        needed(&config, &Tensors::of(dir.path())) - MARGIN
    }

    #[test]
    fn room_is_asked_for_all_that_may_lie_there_at_once() {
        let often = ["algorithm.ppo.steps=100", "checkpoint.everySteps=5", "checkpoint.retain=2"];
        let with = |set: &[&str]| needs(&[&often[..], set].concat());
        // Two networks, each with two moments: the newest two, the best, and the one that is being written.
        assert_eq!(with(&[]), 24_000 * 4);
        assert_eq!(with(&["checkpoint.keepBest.count=3"]), 24_000 * 6);
        assert_eq!(with(&["checkpoint.keepBest.count=0"]), 24_000 * 3);
        // No more than are ever made, and one where the run is stopped.
        assert_eq!(with(&["checkpoint.everySteps=60"]), 24_000 * 3);
        assert_eq!(with(&["checkpoint.everySteps=0", "checkpoint.retain=9"]), 24_000 * 2);
        // Adapters alone: rank times both sides of what they are beside.
        let lora = ["model.lora.rank=2", "model.storageUri=models/m"];
        assert_eq!(with(&lora), 2 * 2 * (30 + 30) * 12 * 4);
        let one = [&lora[..], &["model.lora.targets=[q_proj]"]].concat();
        assert_eq!(with(&one), 2 * 2 * 30 * 12 * 4);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!((mib(0), mib(1), mib(1 << 20)), (0, 1, 1));
    }
}
