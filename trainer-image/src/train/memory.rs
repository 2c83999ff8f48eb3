//! How many answers are generated at a time.

use crate::model::{Decoder, ModelConfig};

/// Bytes that keys and values of a batch may take.
const CACHE_BYTES: u64 = 4 << 30;

/// More rows than this win nothing even for the smallest models.
const MOST_ROWS: u64 = 512;

/// Prompts to answer at a time, so that keys and values of sequences of `longest` tokens fit.
pub fn prompts_at_a_time(policy: &Decoder, longest: usize) -> usize {
    rows_at_a_time(policy.config(), policy.compute().elt_size_in_bytes() as u64, longest as u64)
}

/// The same from the shape of a model alone; `element` is the size of a number in bytes.
pub fn rows_at_a_time(config: &ModelConfig, element: u64, longest: u64) -> usize {
    let width = (config.key_value_heads() * config.head_width()) as u64;
    let token = 2 * config.num_hidden_layers as u64 * width * element;
    (CACHE_BYTES / (token * longest.max(1))).clamp(1, MOST_ROWS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_model_generates_fewer_answers_at_a_time_than_a_small_one() {
        let config = |layers: u64, heads: u64| -> ModelConfig {
            serde_json::from_value(serde_json::json!({
                "model_type": "qwen2", "hidden_size": 64 * heads, "intermediate_size": 64, "num_hidden_layers": layers,
                "num_attention_heads": heads, "vocab_size": 100,
            }))
            .expect("a configuration")
        };
        assert_eq!(rows_at_a_time(&config(2, 2), 4, 128), 512);
        // 28 layers × 28 heads of 64 in bfloat16: 196 KiB a token, 392 MiB for 2,048 tokens.
        assert_eq!(rows_at_a_time(&config(28, 28), 2, 2048), 10);
    }
}
