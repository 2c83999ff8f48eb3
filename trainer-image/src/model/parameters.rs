//! Which parameters a decoder has, and how they lie in a Hugging Face checkpoint.
//!
//! Query, key and value are one matrix here, and so are gate and up: one product instead of three or two. A parameter
//! is therefore made of one or several tensors of the checkpoint, joined along their first dimension.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use super::lora::LayerAdapters;
use super::{ModelConfig, ModelError};
use crate::weights::WeightFiles;

/// How a fresh parameter starts; as in transformers' `_init_weights`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Normal with mean 0 and standard deviation `initializer_range`.
    Normal,
    /// All ones: norms.
    One,
    /// All zeros: biases.
    Zero,
}

/// One parameter.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Our name; that of the checkpoint's tensor where there is only one.
    pub(super) name: String,
    /// Tensors of the checkpoint, in order: name and shape.
    pub(super) parts: Vec<(String, Vec<i64>)>,
    /// Initial value.
    pub(super) start: Start,
}

impl Spec {
    fn single(name: String, shape: Vec<i64>, start: Start) -> Self {
        Self { parts: vec![(name.clone(), shape)], name, start }
    }

    /// Shape of the whole.
    pub(super) fn shape(&self) -> Vec<i64> {
        let mut shape = self.parts[0].1.clone();
        shape[0] = self.parts.iter().map(|(_, s)| s[0]).sum();
        shape
    }

    /// Cuts the whole into the checkpoint's tensors.
    pub(super) fn split(&self, whole: &Tensor) -> Vec<(String, Tensor)> {
        let mut from = 0;
        let mut cut = Vec::with_capacity(self.parts.len());
        for (name, shape) in &self.parts {
            cut.push((name.clone(), whole.detach().narrow(0, from, shape[0])));
            from += shape[0];
        }
        cut
    }
}

/// All parameters, in the order in which they are drawn, named and optimised.
pub(super) fn layout(config: &ModelConfig) -> Vec<Spec> {
    let (hidden, ff) = (config.hidden_size, config.intermediate_size);
    let queries = config.num_attention_heads * config.head_width();
    let keys = config.key_value_heads() * config.head_width();
    let mut specs =
        vec![Spec::single("model.embed_tokens.weight".into(), vec![config.vocab_size, hidden], Start::Normal)];
    for layer in 0..config.num_hidden_layers {
        let at = |name: &str| format!("model.layers.{layer}.{name}");
        let joined = |name: &str, parts: &[(&str, Vec<i64>)], start| Spec {
            name: at(name),
            parts: parts.iter().map(|(part, shape)| (at(part), shape.clone())).collect(),
            start,
        };
        specs.push(Spec::single(at("input_layernorm.weight"), vec![hidden], Start::One));
        let rows = [("self_attn.q_proj", queries), ("self_attn.k_proj", keys), ("self_attn.v_proj", keys)];
        let parts = rows.map(|(name, n)| (format!("{name}.weight"), vec![n, hidden]));
        specs.push(joined("self_attn.qkv_proj.weight", &borrowed(&parts), Start::Normal));
        if config.has_attention_bias() {
            let parts = rows.map(|(name, n)| (format!("{name}.bias"), vec![n]));
            specs.push(joined("self_attn.qkv_proj.bias", &borrowed(&parts), Start::Zero));
        }
        if config.has_head_norms() {
            for name in ["self_attn.q_norm.weight", "self_attn.k_norm.weight"] {
                specs.push(Spec::single(at(name), vec![config.head_width()], Start::One));
            }
        }
        specs.push(Spec::single(at("self_attn.o_proj.weight"), vec![hidden, queries], Start::Normal));
        specs.push(Spec::single(at("post_attention_layernorm.weight"), vec![hidden], Start::One));
        let parts = [("mlp.gate_proj.weight", vec![ff, hidden]), ("mlp.up_proj.weight", vec![ff, hidden])];
        specs.push(joined("mlp.gate_up_proj.weight", &parts, Start::Normal));
        specs.push(Spec::single(at("mlp.down_proj.weight"), vec![hidden, ff], Start::Normal));
    }
    specs.push(Spec::single("model.norm.weight".into(), vec![hidden], Start::One));
    if !config.tie_word_embeddings {
        specs.push(Spec::single("lm_head.weight".into(), vec![config.vocab_size, hidden], Start::Normal));
    }
    specs
}

/// Makes sure that the files hold nothing but the parameters of `specs`, `others`, and what is known to be of no use. A
/// tensor that would be passed over means that `config.json` describes another model than the one that was saved.
///
/// # Errors
/// Tensors are left over; the message names them, and the number of layers where it is that which does not fit.
pub(super) fn refuse_leftovers(
    config: &ModelConfig,
    specs: &[Spec],
    files: &WeightFiles,
    others: &[&str],
) -> Result<(), ModelError> {
    let known: std::collections::BTreeSet<&str> =
        specs.iter().flat_map(|spec| spec.parts.iter().map(|(name, _)| name.as_str())).collect();
    // A second copy of a tied embedding, which transformers passes over too, and a table that follows from the configuration.
    let of_no_use =
        |name: &str| (config.tie_word_embeddings && name == "lm_head.weight") || name.ends_with(".rotary_emb.inv_freq");
    let left = |name: &&str| !known.contains(name) && !others.contains(name) && !of_no_use(name);
    let names: Vec<String> = files.names().filter(left).map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(());
    }
    let layer = |name: &String| -> Option<i64> { name.strip_prefix("model.layers.")?.split('.').next()?.parse().ok() };
    let layers = names.iter().filter_map(layer).max().map_or(0, |last| last + 1);
    let hint = if layers > config.num_hidden_layers {
        format!(": num_hidden_layers is {}, the weights have {layers} layers", config.num_hidden_layers)
    } else {
        String::new()
    };
    Err(ModelError::Leftover { path: files.place().to_path_buf(), names, hint })
}

fn borrowed(parts: &[(String, Vec<i64>)]) -> Vec<(&str, Vec<i64>)> {
    parts.iter().map(|(name, shape)| (name.as_str(), shape.clone())).collect()
}

/// Draws initial values; the same for a seed on every device.
pub(super) fn draw(specs: &[Spec], deviation: f64, seed: u64, device: Device) -> Vec<Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    specs
        .iter()
        .map(|spec| {
            let shape = spec.shape();
            match spec.start {
                Start::One => Tensor::ones(&shape, (Kind::Float, device)),
                Start::Zero => Tensor::zeros(&shape, (Kind::Float, device)),
                Start::Normal => {
                    let count = shape.iter().product::<i64>() as usize;
                    let values: Vec<f32> = (0..count)
                        .map(|_| Distribution::<f64>::sample(&StandardNormal, &mut rng) * deviation)
                        .map(|x| x as f32)
                        .collect();
                    Tensor::from_slice(&values).reshape(&shape).to_device(device)
                }
            }
        })
        .collect()
}

/// The parameters of one layer; H hidden, Q and K widths of all query and key heads, F feed-forward.
#[derive(Debug)]
pub(super) struct LayerWeights {
    /// [H]
    pub(super) input_norm: Tensor,
    /// [Q+2K, H]
    pub(super) qkv: Tensor,
    /// [Q+2K]
    pub(super) qkv_bias: Option<Tensor>,
    /// [D] each: norms of query and key heads.
    pub(super) head_norms: Option<(Tensor, Tensor)>,
    /// [H, Q]
    pub(super) output: Tensor,
    /// [H]
    pub(super) post_norm: Tensor,
    /// [2F, H]
    pub(super) gate_up: Tensor,
    /// [H, F]
    pub(super) down: Tensor,
    /// What is added to the four matrices.
    pub(super) adapters: LayerAdapters,
}

impl LayerWeights {
    /// The same parameters in another type; gradients go through.
    pub(super) fn to_kind(&self, kind: Kind) -> Self {
        let cast = |tensor: &Tensor| tensor.to_kind(kind);
        Self {
            input_norm: cast(&self.input_norm),
            qkv: cast(&self.qkv),
            qkv_bias: self.qkv_bias.as_ref().map(cast),
            head_norms: self.head_norms.as_ref().map(|(query, key)| (cast(query), cast(key))),
            output: cast(&self.output),
            post_norm: cast(&self.post_norm),
            gate_up: cast(&self.gate_up),
            down: cast(&self.down),
            adapters: self.adapters.to_kind(kind),
        }
    }
}

/// The parameters of a decoder, by their place in it.
#[derive(Debug)]
pub(super) struct Weights {
    /// [V, H]
    pub(super) embedding: Tensor,
    pub(super) layers: Vec<LayerWeights>,
    /// [H]
    pub(super) norm: Tensor,
    /// [V, H]; the embedding where the two are tied.
    pub(super) head: Tensor,
}

impl Weights {
    /// Puts parameters in the order of [`layout`] to their places, made (cloned, cast, merged) by `view` one after the other.
    pub(super) fn assemble<P>(
        config: &ModelConfig,
        ordered: impl IntoIterator<Item = P>,
        view: impl Fn(P) -> Tensor,
    ) -> Self {
        let mut ordered = ordered.into_iter();
        let mut next = || view(ordered.next().expect("layout and assemble walk the same parameters"));
        let embedding = next();
        let layers = (0..config.num_hidden_layers)
            .map(|_| LayerWeights {
                input_norm: next(),
                qkv: next(),
                qkv_bias: config.has_attention_bias().then(&mut next),
                head_norms: config.has_head_norms().then(|| (next(), next())),
                output: next(),
                post_norm: next(),
                gate_up: next(),
                down: next(),
                adapters: LayerAdapters::default(),
            })
            .collect();
        let norm = next();
        let head = if config.tie_word_embeddings { embedding.shallow_clone() } else { next() };
        Self { embedding, layers, norm, head }
    }
}
