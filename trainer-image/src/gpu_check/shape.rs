//! The model and the data of the checks.

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Cuda, Device, Kind};

use crate::model::{Decoder, ModelConfig};
use crate::sequences::Sequence;

/// Where the checks run and how large they are.
pub(super) struct Setting {
    pub(super) device: Device,
    pub(super) tiny: bool,
    /// Tokens of a prompt.
    pub(super) prompt: usize,
    /// Tokens of an answer.
    pub(super) answer: usize,
    pub(super) config: ModelConfig,
}

impl Setting {
    /// A model shaped like Qwen2.5-Coder-0.5B, or a tiny one.
    pub(super) fn new(device: Device, tiny: bool) -> Self {
        let (hidden, layers, heads, keys, wide, words) =
            if tiny { (32, 2, 4, 2, 48, 97) } else { (896, 24, 14, 2, 4864, 151_936) };
        let config = serde_json::json!({
            "model_type": "qwen2", "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": keys, "intermediate_size": wide, "vocab_size": words, "tie_word_embeddings": true,
            "rope_theta": 1e6,
        });
        let config = serde_json::from_value(config).expect("the shape of a decoder");
        let (prompt, answer) = if tiny { (6, 10) } else { (512, 512) };
        Self { device, tiny, prompt, answer, config }
    }

    /// A model of this shape with random weights.
    pub(super) fn model(&self, kind: Kind) -> Decoder {
        Decoder::random(self.config.clone(), 1, self.device).with_compute(kind)
    }

    /// So many prompts.
    pub(super) fn prompts(&self, rows: usize) -> Vec<Vec<i64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let words = self.config.vocab_size;
        // A quarter shorter at most, as prompts are.
        (0..rows)
            .map(|row| (0..self.prompt - row % (self.prompt / 4).max(1)).map(|_| rng.random_range(0..words)).collect())
            .collect()
    }

    /// So many sequences of `tokens` tokens, half of them the answer.
    pub(super) fn sequences(&self, rows: usize, tokens: usize) -> Vec<Sequence> {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let words = self.config.vocab_size;
        let mut draw = |count: usize| (0..count).map(|_| rng.random_range(0..words)).collect::<Vec<_>>();
        (0..rows).map(|_| Sequence::new(&draw(tokens / 2), &draw(tokens - tokens / 2))).collect()
    }

    /// Seconds until everything that `work` started on the device is done.
    pub(super) fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, f64) {
        self.wait();
        let started = Instant::now();
        let result = work();
        self.wait();
        (result, started.elapsed().as_secs_f64())
    }

    fn wait(&self) {
        if let Device::Cuda(index) = self.device {
            Cuda::synchronize(i64::try_from(index).unwrap_or(0));
        }
    }
}
