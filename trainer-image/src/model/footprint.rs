//! How much memory a decoder's passes take, from its configuration alone.

use real_crds::config::{GradientCheckpointing, Lora};
use tch::Device;

use super::ModelConfig;

/// Most logits computed at a time, on a CPU: 256 MiB of 32-bit floats.
const LOGITS_AT_A_TIME: i64 = 1 << 26;

/// So many logits at a time win nothing more, and no chunk of so many tokens is too small for a product.
const LOGITS_WORTH_IT: i64 = 1 << 24;
const TOKENS_WORTH_IT: i64 = 128;

/// The most elsewhere, where each chunk also costs a pass over the gradient of the head: 1 GiB.
const LOGITS_AT_A_TIME_ON_DEVICE: i64 = 1 << 28;

/// Activations that `auto` keeps for the backward pass, on a CPU and elsewhere; what goes beyond is computed again.
const KEPT_BYTES: i64 = 1 << 30;
const KEPT_BYTES_ON_DEVICE: i64 = 8 << 30;

/// From so many rows on, a copy of the matrices that lies as a product with few rows wants it pays on a CPU. Products of 8 rows
/// take half as long; those of one row the same, and those of hundreds too.
const ROWS_WORTH_TURNING: i64 = 4;

/// Numbers of a gradient of the head, or of distributions whose entropy is reported, that are made at a time.
const NUMBERS_AT_A_TIME: i64 = 1 << 22;

/// Rows of so many numbers that are made at a time.
pub fn rows_at_a_time(width: i64) -> i64 {
    (NUMBERS_AT_A_TIME / width.max(1)).max(1)
}

/// Whether generation of so many rows holds the matrices a second time, laid for products of few rows.
pub(super) fn is_turned(device: Device, rows: i64) -> bool {
    device == Device::Cpu && rows >= ROWS_WORTH_TURNING
}

impl ModelConfig {
    /// Tokens whose logits are computed at a time.
    pub fn tokens_at_a_time(&self, device: Device) -> i64 {
        let words = self.vocab_size;
        let tokens = if device == Device::Cpu {
            (LOGITS_WORTH_IT / words).max(TOKENS_WORTH_IT).min(LOGITS_AT_A_TIME / words)
        } else {
            LOGITS_AT_A_TIME_ON_DEVICE / words
        };
        tokens.max(1)
    }

    /// Bytes of the second copy of parameters that generation of so many rows makes, in numbers of `element` bytes.
    pub fn generation_bytes(&self, lora: Option<&Lora>, element: i64, device: Device, rows: i64) -> i64 {
        let lookup = if self.tie_word_embeddings { 0 } else { self.hidden_size * self.vocab_size };
        let all = self.parameters() - lookup;
        match lora {
            _ if is_turned(device, rows) => element * all,
            Some(_) => element * self.num_hidden_layers * self.layer_parameters(),
            None if element < 4 => element * all,
            None => 0,
        }
    }

    /// Numbers of the largest of a layer's matrices: what is made of its gradient, or merged, at a time.
    pub fn widest_matrix(&self) -> i64 {
        2 * self.intermediate_size * self.hidden_size
    }

    /// Numbers for each token that a layer has at once where nothing is kept for a backward pass.
    pub fn passing(&self) -> i64 {
        let queries = self.num_attention_heads * self.head_width();
        let keys = self.key_value_heads() * self.head_width();
        4 * self.hidden_size + 3 * (queries + keys) + 4 * self.intermediate_size
    }

    /// Numbers that autograd keeps of one layer for each token.
    ///
    /// The inputs of two norms and their results, queries, keys and values before and after rotation, what attention gives,
    /// gate and up, and the two products of them.
    pub fn activations(&self) -> i64 {
        let queries = self.num_attention_heads * self.head_width();
        let keys = self.key_value_heads() * self.head_width();
        let norms = if self.has_head_norms() { 5 * (queries + keys) / 2 } else { 0 };
        4 * self.hidden_size + 3 * (queries + keys) + keys + 2 * queries + 4 * self.intermediate_size + norms
    }

    /// Of the layers those, the last ones, whose activations are kept for `tokens` tokens of `element` bytes a number.
    pub fn layers_kept(
        &self,
        checkpointing: GradientCheckpointing,
        tokens: i64,
        element: i64,
        device: Device,
    ) -> usize {
        let budget = if device == Device::Cpu { KEPT_BYTES } else { KEPT_BYTES_ON_DEVICE };
        let layers = usize::try_from(self.num_hidden_layers).unwrap_or(0);
        let bytes = (self.activations() * tokens * element).max(1);
        match checkpointing {
            GradientCheckpointing::Always => 0,
            GradientCheckpointing::Never => layers,
            GradientCheckpointing::Auto => usize::try_from(budget / bytes).unwrap_or(0).min(layers),
        }
    }

    /// Parameters of one layer.
    pub fn layer_parameters(&self) -> i64 {
        let queries = self.num_attention_heads * self.head_width();
        let keys = self.key_value_heads() * self.head_width();
        let biases = if self.has_attention_bias() { queries + 2 * keys } else { 0 };
        let norms = if self.has_head_norms() { 2 * self.head_width() } else { 0 };
        self.hidden_size * (2 * queries + 2 * keys + 3 * self.intermediate_size + 2) + biases + norms
    }

    /// Parameters in all.
    pub fn parameters(&self) -> i64 {
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        self.num_hidden_layers * self.layer_parameters() + self.hidden_size * (tables * self.vocab_size + 1)
    }
}
