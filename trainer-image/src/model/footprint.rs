//! How much memory a decoder's passes take, from its configuration alone.

use real_crds::config::GradientCheckpointing;
use tch::Device;

use super::ModelConfig;

/// Most logits computed at a time, on a CPU: 256 MiB of 32-bit floats.
const LOGITS_AT_A_TIME: i64 = 1 << 26;

/// The same elsewhere, where each chunk also costs a pass over the gradient of the head: 1 GiB.
const LOGITS_AT_A_TIME_ON_DEVICE: i64 = 1 << 28;

/// Activations that `auto` keeps for the backward pass, on a CPU and elsewhere; what goes beyond is computed again.
const KEPT_BYTES: i64 = 1 << 30;
const KEPT_BYTES_ON_DEVICE: i64 = 8 << 30;

impl ModelConfig {
    /// Tokens whose logits are computed at a time.
    pub fn tokens_at_a_time(&self, device: Device) -> i64 {
        let logits = if device == Device::Cpu { LOGITS_AT_A_TIME } else { LOGITS_AT_A_TIME_ON_DEVICE };
        (logits / self.vocab_size).max(1)
    }

    /// Numbers that autograd keeps of one layer for each token.
    ///
    /// The inputs of two norms and their results, queries, keys and values before and after rotation, what attention gives,
    /// gate and up, and the two products of them.
    pub fn activations(&self) -> i64 {
        let queries = self.num_attention_heads * self.head_width();
        let keys = self.key_value_heads() * self.head_width();
        let norms = if self.has_head_norms() { 2 * (queries + keys) } else { 0 };
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
