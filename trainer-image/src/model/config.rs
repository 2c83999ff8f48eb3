//! `config.json` of a Hugging Face model folder.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rope::{Rope, Scaling};
use super::{ModelError, adapter_folder};
use crate::json_file;

/// Name of the file.
pub const CONFIG_FILE: &str = "config.json";

/// Decoder families whose arithmetic this crate implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Qwen2, Qwen2.5 and Qwen2.5-Coder: biases on query, key and value.
    Qwen2,
    /// Qwen3: no biases, queries and keys are normalised head by head.
    Qwen3,
    /// Llama and its descendants: no biases.
    Llama,
    /// Mistral: as Llama; its sliding window is a limit of length here.
    Mistral,
}

/// Shape and constants of a decoder; field names are those of `config.json`. Keys not used here are kept and written back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Family.
    pub model_type: Architecture,
    /// Width H of the residual stream.
    pub hidden_size: i64,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: i64,
    /// Number of layers.
    pub num_hidden_layers: i64,
    /// Query heads.
    pub num_attention_heads: i64,
    /// Key and value heads; divides the query heads (grouped-query attention). Absent: as many as query heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<i64>,
    /// Width D of a head. Absent: `hidden_size / num_attention_heads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_dim: Option<i64>,
    /// Number of tokens V.
    pub vocab_size: i64,
    /// Longest sequence the model was made for.
    #[serde(default = "defaults::positions")]
    pub max_position_embeddings: i64,
    /// ε of the root-mean-square norms.
    #[serde(default = "defaults::epsilon")]
    pub rms_norm_eps: f64,
    /// Base of the rotary embedding. transformers 5 writes it inside `rope_parameters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_theta: Option<f64>,
    /// Whether the output projection is the embedding matrix.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Activation of the feed-forward layer.
    #[serde(default = "defaults::activation")]
    pub hidden_act: String,
    /// Standard deviation of freshly drawn weights.
    #[serde(default = "defaults::deviation")]
    pub initializer_range: f64,
    /// Everything else in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

mod defaults {
    pub(super) fn positions() -> i64 {
        32_768
    }
    pub(super) fn epsilon() -> f64 {
        1e-6
    }
    pub(super) fn activation() -> String {
        "silu".into()
    }
    pub(super) fn deviation() -> f64 {
        0.02
    }
}

/// Keys that change what a decoder computes with the same tensors, and the only value with which it is what is implemented
/// here; absent and null mean that value too.
const OTHER_ARITHMETIC: &[(&str, &str)] = &[
    ("use_sliding_window", "false"),
    ("attention_bias", "false"),
    ("mlp_bias", "false"),
    ("partial_rotary_factor", "1"),
    ("attention_multiplier", "null"),
    ("embedding_multiplier", "1"),
    ("residual_multiplier", "1"),
    ("logits_scaling", "1"),
    ("logit_scale", "1"),
    ("attn_logit_softcapping", "null"),
    ("final_logit_softcapping", "null"),
    ("query_pre_attn_scalar", "null"),
    ("clip_qkv", "null"),
    ("alibi", "false"),
    ("parallel_attn", "false"),
    ("use_qk_norm", "false"),
    ("num_experts", "0"),
    ("num_local_experts", "0"),
];

/// Whether a value is the one that a text of JSON says; numbers may be written in any way.
fn same(value: &Value, text: &str) -> bool {
    let expected: Value = serde_json::from_str(text).unwrap_or_default();
    match (value.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => *value == expected,
    }
}

impl ModelConfig {
    /// Reads `config.json` of `dir` and checks that this crate computes what it describes.
    ///
    /// # Errors
    /// The file is missing, is not a decoder's configuration, or asks for something that is not implemented.
    pub fn load(dir: &Path) -> Result<Self, ModelError> {
        Self::read(&adapter_folder::home(dir, CONFIG_FILE)?.join(CONFIG_FILE))
    }

    /// As [`ModelConfig::load`], by the name of the file.
    ///
    /// # Errors
    /// As [`ModelConfig::load`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = json_file::text(path).map_err(|e| ModelError::read(path, e))?;
        let config: Self = json_file::parse(&text).map_err(|e| ModelError::malformed(path, e))?;
        config.check(path)?;
        Ok(config)
    }

    /// Key and value heads.
    pub fn key_value_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width D of a head.
    pub fn head_width(&self) -> i64 {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }

    /// Base of the rotary embedding: `rope_theta`, or the same inside `rope_parameters`, or 10,000.
    pub fn rotary_base(&self) -> f64 {
        let nested = self.other.get("rope_parameters").and_then(|p| p.get("rope_theta")).and_then(Value::as_f64);
        self.rope_theta.or(nested).unwrap_or(10_000.0)
    }

    /// Whether queries and keys are normalised head by head before they are rotated.
    pub fn has_head_norms(&self) -> bool {
        self.model_type == Architecture::Qwen3
    }

    /// Longest sequence that this crate computes as the model means it: within Mistral's sliding window every token sees
    /// all those before it.
    pub fn longest(&self) -> i64 {
        let window = (self.model_type == Architecture::Mistral)
            .then(|| self.other.get("sliding_window").and_then(Value::as_i64))
            .flatten();
        window.map_or(self.max_position_embeddings, |window| window.min(self.max_position_embeddings))
    }

    /// Whether query, key and value projections have biases.
    pub fn has_attention_bias(&self) -> bool {
        self.model_type == Architecture::Qwen2
    }

    /// The family as class names begin in transformers: `Qwen2`, `Llama`, …
    pub fn family(&self) -> &'static str {
        match self.model_type {
            Architecture::Qwen2 => "Qwen2",
            Architecture::Qwen3 => "Qwen3",
            Architecture::Llama => "Llama",
            Architecture::Mistral => "Mistral",
        }
    }

    /// Makes sure that prompts and answers of these lengths have positions. `remedy` says what to lower.
    ///
    /// # Errors
    /// They have not.
    pub fn check_lengths(&self, dir: &Path, prompt: u64, answer: u64, remedy: &str) -> Result<(), ModelError> {
        let longest = self.longest();
        if prompt.saturating_add(answer) <= longest.max(0) as u64 {
            return Ok(());
        }
        let (path, remedy) = (dir.join(CONFIG_FILE), remedy.to_owned());
        Err(ModelError::TooLong { path, prompt, answer, longest, remedy })
    }

    fn check(&self, path: &Path) -> Result<(), ModelError> {
        let unsupported = |field: &'static str, value: String, allowed: &str| {
            Err(ModelError::Unsupported { path: path.to_path_buf(), field, value, allowed: allowed.to_owned() })
        };
        // Far above any model, and so low that no product of them leaves 64 bits.
        for (field, value, most) in [
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 22),
            ("num_hidden_layers", self.num_hidden_layers, 10_000),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("num_key_value_heads", self.key_value_heads(), 1 << 16),
            ("head_dim", self.head_dim.unwrap_or(2), 1 << 16),
            ("vocab_size", self.vocab_size, 1 << 26),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 40),
        ] {
            if !(1..=most).contains(&value) {
                return unsupported(field, value.to_string(), &format!("it must be at least 1 and at most {most}"));
            }
        }
        if self.head_dim.is_none() && self.hidden_size % self.num_attention_heads != 0 {
            return unsupported("hidden_size", self.hidden_size.to_string(), "num_attention_heads must divide it");
        }
        let width = self.head_width();
        if width < 2 || width % 2 != 0 {
            return unsupported("head_dim", width.to_string(), "rotary embeddings need an even number of at least 2");
        }
        if self.num_attention_heads % self.key_value_heads() != 0 {
            let value = self.key_value_heads().to_string();
            return unsupported("num_key_value_heads", value, "it must divide num_attention_heads");
        }
        if self.hidden_act != "silu" {
            return unsupported("hidden_act", self.hidden_act.clone(), "only silu is implemented");
        }
        // One that is not small beside the mean square leaves nothing of what is normalised.
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return unsupported("rms_norm_eps", self.rms_norm_eps.to_string(), "it must be above 0 and below 1");
        }
        if !(self.initializer_range >= 0.0 && self.initializer_range.is_finite()) {
            return unsupported("initializer_range", self.initializer_range.to_string(), "it must be 0 or more");
        }
        if !(self.rotary_base() > 0.0 && self.rotary_base().is_finite()) {
            return unsupported("rope_theta", self.rotary_base().to_string(), "it must be above 0");
        }
        if let Some(method) = self.other.get("quantization_config").filter(|value| !value.is_null()) {
            let method = method.get("quant_method").unwrap_or(method).to_string();
            return unsupported("quantization_config", method, "give a folder with weights that are not quantised");
        }
        // The class that was saved; a family of another name may have the same tensors and other arithmetic.
        let family = self.family();
        let ours =
            |class: &str| class.strip_prefix(family).is_some_and(|rest| rest == "Model" || rest.starts_with("For"));
        let classes = self.other.get("architectures").and_then(Value::as_array).into_iter().flatten();
        if let Some(class) = classes.filter_map(Value::as_str).find(|class| !ours(class)) {
            let allowed = format!("with this model_type it has to be {family}ForCausalLM");
            return unsupported("architectures", class.to_owned(), &allowed);
        }
        for (field, neutral) in OTHER_ARITHMETIC {
            let value = self.other.get(*field).filter(|value| !value.is_null());
            if let Some(value) = value.filter(|value| !same(value, neutral)) {
                return unsupported(field, value.to_string(), &format!("only {neutral} is implemented"));
            }
        }
        let kinds = self.other.get("layer_types").and_then(Value::as_array).into_iter().flatten();
        if let Some(kind) = kinds.filter_map(Value::as_str).find(|kind| *kind != "full_attention") {
            return unsupported("layer_types", kind.to_owned(), "only full_attention is implemented");
        }
        if let Err((value, allowed)) = Scaling::of(self) {
            let field = if self.other.contains_key("rope_parameters") { "rope_parameters" } else { "rope_scaling" };
            return unsupported(field, value, &allowed);
        }
        if let Err(value) = Rope::check(self) {
            let allowed = "with the rest of it the rotary embedding has to have frequencies above 0";
            return unsupported("rope_parameters", value, allowed);
        }
        Ok(())
    }
}
