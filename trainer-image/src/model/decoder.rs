//! The decoder: load, draw, save, and the forward passes that training needs.

use std::path::Path;

use real_crds::config::{GradientCheckpointing, Lora};
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad};

use super::adapter_folder::{self, Base};
use super::attention::{Pack, positions};
use super::layer::{Shape, layer, rms_norm};
use super::lora::Adapters;
use super::parameters::{LayerWeights, Spec, Weights, draw, layout, refuse_leftovers};
use super::rope::{Rope, Rotation};
use super::{CONFIG_FILE, ModelConfig, ModelError};
use crate::weights::{Files, SINGLE_FILE, WeightFiles};

/// A decoder. Its parameters are 32 bits, leaves that collect gradients; those of a frozen one are of the type of the
/// activations and collect none.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    device: Device,
    compute: Kind,
    checkpointing: GradientCheckpointing,
    tokens_at_a_time: i64,
    rope: Rope,
    specs: Vec<Spec>,
    named: Vec<(String, Tensor)>,
    weights: Weights,
    lora: Option<(Adapters, Base)>,
}

/// What the layers of one pack of sequences share.
pub(super) struct Layout {
    pack: Pack,
    rotation: Rotation,
}

impl Decoder {
    /// Loads a Hugging Face folder: `config.json` and `model.safetensors`, or several files with an index; or a folder of
    /// adapters, which are merged with their base.
    ///
    /// # Errors
    /// A file is missing or broken, the configuration is not supported, or a tensor is missing, left over, not finite or of
    /// another shape; the message names the file, the tensor and the shape expected.
    pub fn load(dir: &Path, device: Device) -> Result<Self, ModelError> {
        match adapter_folder::find(dir)? {
            Some(found) => found.merge(device),
            None => Self::load_beside(dir, device, &[]),
        }
    }

    /// As [`Decoder::load`], for a decoder of which adapters alone will learn: its parameters are `kind` from the start, and at no
    /// time 32 bits.
    ///
    /// # Errors
    /// As [`Decoder::load`].
    pub fn load_frozen(dir: &Path, device: Device, kind: Kind) -> Result<Self, ModelError> {
        if let Some(found) = adapter_folder::find(dir)? {
            return Ok(found.merge(device)?.with_compute(kind));
        }
        let (config, specs, parameters) = read(dir, device, &[], kind)?;
        Ok(Self::assemble(config, specs, parameters, device).with_compute(kind))
    }

    /// As [`Decoder::load`], where the files also hold tensors that are someone else's.
    pub(super) fn load_beside(dir: &Path, device: Device, others: &[&str]) -> Result<Self, ModelError> {
        let (config, specs, parameters) = read(dir, device, others, Kind::Float)?;
        Ok(Self::from_parameters(config, specs, parameters, device))
    }

    /// Draws parameters as transformers does: normal with `initializer_range`, norms 1, biases 0.
    pub fn random(config: ModelConfig, seed: u64, device: Device) -> Self {
        let specs = layout(&config);
        let parameters = draw(&specs, config.initializer_range, seed, device);
        Self::from_parameters(config, specs, parameters, device)
    }

    fn from_parameters(config: ModelConfig, specs: Vec<Spec>, parameters: Vec<Tensor>, device: Device) -> Self {
        let learnt = parameters.into_iter().map(|tensor| tensor.set_requires_grad(true)).collect();
        Self::assemble(config, specs, learnt, device)
    }

    fn assemble(config: ModelConfig, specs: Vec<Spec>, parameters: Vec<Tensor>, device: Device) -> Self {
        let named: Vec<(String, Tensor)> =
            specs.iter().zip(parameters).map(|(spec, tensor)| (spec.name.clone(), tensor)).collect();
        let weights = Weights::assemble(&config, &named, |(_, tensor)| tensor.shallow_clone());
        let (compute, checkpointing) = (Kind::Float, GradientCheckpointing::Auto);
        let (rope, tokens_at_a_time) = (Rope::new(&config, device), config.tokens_at_a_time(device));
        Self { config, device, compute, checkpointing, tokens_at_a_time, rope, specs, named, weights, lora: None }
    }

    /// The same decoder with fresh adapters, which alone learn: the rest becomes what [`Decoder::frozen`] is. `base` says where
    /// it came from.
    #[must_use]
    pub fn with_lora(self, settings: &Lora, base: Base, seed: u64) -> Self {
        let adapters = Adapters::random(&self.specs, settings, seed, self.device);
        self.with_adapters(adapters, base)
    }

    pub(super) fn with_adapters(self, adapters: Adapters, base: Base) -> Self {
        let Self { config, specs, named, device, compute, checkpointing, weights, .. } = self;
        // So that each tensor is gone when the next one is cast.
        drop(weights);
        let frozen = named.into_iter().map(|(_, tensor)| tensor.detach().to_kind(compute)).collect();
        let mut this =
            Self::assemble(config, specs, frozen, device).with_compute(compute).with_checkpointing(checkpointing);
        let by_layer = adapters.by_layer(&this.config, &this.specs);
        for (layer, adapters) in this.weights.layers.iter_mut().zip(by_layer) {
            layer.adapters = adapters;
        }
        this.lora = Some((adapters, base));
        this
    }

    /// Another decoder on the same tensors, which do not learn.
    fn shared(&self) -> Self {
        let tensors = self.named.iter().map(|(_, tensor)| tensor.shallow_clone()).collect();
        Self::assemble(self.config.clone(), self.specs.clone(), tensors, self.device)
            .with_compute(self.compute)
            .with_checkpointing(self.checkpointing)
    }

    /// Whether adapters learn, and nothing else does.
    pub fn has_adapters(&self) -> bool {
        self.lora.is_some()
    }

    pub(super) fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// The same decoder with what its adapters add made part of its parameters, which learn; itself where it has none.
    #[must_use]
    pub fn merged(self) -> Self {
        let Some((adapters, _)) = &self.lora else { return self };
        let merge = |(spec, (_, tensor)): (&Spec, &(String, Tensor))| adapters.merged(spec, tensor, Kind::Float).copy();
        let parameters = self.specs.iter().zip(&self.named).map(merge).collect();
        Self::from_parameters(self.config, self.specs, parameters, self.device)
            .with_compute(self.compute)
            .with_checkpointing(self.checkpointing)
    }

    /// The same decoder, computing activations as `kind` (`Float` or `BFloat16`); parameters stay 32 bits.
    #[must_use]
    pub fn with_compute(mut self, kind: Kind) -> Self {
        self.compute = kind;
        self
    }

    /// The same decoder, keeping what a backward pass needs as `checkpointing` says.
    #[must_use]
    pub fn with_checkpointing(mut self, checkpointing: GradientCheckpointing) -> Self {
        self.checkpointing = checkpointing;
        self
    }

    /// The same decoder, computing the logits of so many tokens at a time, at least one.
    #[must_use]
    pub fn with_tokens_at_a_time(mut self, tokens: i64) -> Self {
        self.tokens_at_a_time = tokens.max(1);
        self
    }

    /// Tokens whose logits are computed at a time.
    pub fn tokens_at_a_time(&self) -> i64 {
        self.tokens_at_a_time
    }

    /// What a backward pass keeps.
    pub fn checkpointing(&self) -> GradientCheckpointing {
        self.checkpointing
    }

    /// Shape and constants.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Type of activations.
    pub fn compute(&self) -> Kind {
        self.compute
    }

    /// Parameters that learn, by name, always in the same order; with adapters these alone. Query, key and value are one parameter
    /// (`…self_attn.qkv_proj.weight`), and so are gate and up (`…mlp.gate_up_proj.weight`).
    pub fn named_parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let learnt = self.lora.as_ref().map_or(&self.named, |(adapters, _)| &adapters.named);
        learnt.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of parameters, those of adapters included.
    pub fn parameter_count(&self) -> usize {
        let adapters = self.lora.iter().flat_map(|(adapters, _)| &adapters.named);
        self.named.iter().chain(adapters).map(|(_, tensor)| tensor.numel()).sum()
    }

    /// Writes `config.json` and `model.safetensors` to `dir`, which transformers' `from_pretrained` loads. With adapters it is
    /// them alone that are written, in the layout of PEFT, with what says which base they belong to.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        self.files().write(dir)
    }

    /// A decoder on the same base with the adapters that [`Decoder::save`] wrote; none where this one has no adapters.
    ///
    /// # Errors
    /// The folder's adapters are of other settings, of another base, or broken; or one of both has adapters and the other has not.
    pub fn with_saved_adapters(&self, dir: &Path) -> Result<Option<Self>, ModelError> {
        let Some((own, base)) = &self.lora else {
            return if adapter_folder::has_adapters(dir) { Err(adapter_folder::unwanted(dir)) } else { Ok(None) };
        };
        let adapters = adapter_folder::read(self, &own.settings, base, dir)?;
        Ok(Some(self.shared().with_adapters(adapters, base.clone())))
    }

    /// What [`Decoder::save`] writes. The tensors are the decoder's own.
    pub fn files(&self) -> Files {
        self.files_as("ForCausalLM", &[], &[])
    }

    /// As [`Decoder::files`], with more tensors and keys of the configuration, as the model class with this suffix.
    pub(super) fn files_as(&self, class: &str, extra: &[(&str, &Tensor)], keys: &[(&str, Value)]) -> Files {
        let mut config = self.config.clone();
        let family = config.family();
        config.other.insert("architectures".into(), serde_json::json!([format!("{family}{class}")]));
        // Both spellings: transformers 4 reads the first, 5 the second.
        for key in ["torch_dtype", "dtype"] {
            config.other.insert(key.into(), "float32".into());
        }
        config.other.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let mut files = Files::default();
        files.text(CONFIG_FILE, format!("{:#}\n", serde_json::json!(config)));
        let extra = extra.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone()));
        if let Some((adapters, base)) = &self.lora {
            adapter_folder::add(&mut files, adapters, base);
            let extra: Vec<_> = extra.collect();
            if !extra.is_empty() {
                files.tensors(SINGLE_FILE, extra);
            }
        } else {
            let own = self.specs.iter().zip(&self.named).flat_map(|(spec, (_, tensor))| spec.split(tensor));
            files.tensors(SINGLE_FILE, own.chain(extra).collect());
        }
        files
    }

    /// A decoder that learns by itself from the same values on; what does not learn is shared.
    #[must_use]
    pub fn deep_copy(&self) -> Self {
        if let Some((adapters, base)) = &self.lora {
            return self.shared().with_adapters(adapters.copy(), base.clone());
        }
        let parameters = no_grad(|| self.named.iter().map(|(_, tensor)| tensor.detach().copy()).collect());
        Self::from_parameters(self.config.clone(), self.specs.clone(), parameters, self.device)
            .with_compute(self.compute)
            .with_checkpointing(self.checkpointing)
    }

    /// A copy of the starting point that is only looked at: parameters in the type of the activations, without gradients. With
    /// adapters it is the base, and nothing is copied.
    #[must_use]
    pub fn frozen(&self) -> Self {
        if self.lora.is_some() {
            return self.shared();
        }
        let parameters = self.named.iter().map(|(_, tensor)| tensor.detach().to_kind(self.compute).copy()).collect();
        Self::assemble(self.config.clone(), self.specs.clone(), parameters, self.device).with_compute(self.compute)
    }

    /// Hidden states [N, H] after the last norm, of sequences of these lengths that lie one after the other in `ids` [N] (64-bit
    /// integers).
    pub fn hidden(&self, ids: &Tensor, lengths: &[i64]) -> Tensor {
        let layout = self.layout(lengths);
        let x = (0..self.weights.layers.len()).fold(self.embed(ids), |x, index| self.layer(index, &x, &layout));
        self.last_norm(&x)
    }

    /// Who sees whom in a pack, and where each token stands.
    pub(super) fn layout(&self, lengths: &[i64]) -> Layout {
        let rotation = Rotation::new(&positions(lengths, self.device), &self.rope, self.compute);
        Layout { pack: Pack::new(lengths, self.device), rotation }
    }

    /// What the first layer reads, [N, H]. Cast after the lookup: that is the same, and less to cast.
    pub(super) fn embed(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.weights.embedding, ids, -1, false, false).to_kind(self.compute)
    }

    /// Layer `index` of `x` [N, H]. Its parameters are cast here and again for the backward pass: that is a read of
    /// memory beside the layer's products, and no second copy of the model lies about.
    pub(super) fn layer(&self, index: usize, x: &Tensor, layout: &Layout) -> Tensor {
        let cast: LayerWeights;
        let mut weights = &self.weights.layers[index];
        if weights.qkv.kind() != self.compute || (self.lora.is_some() && self.compute != Kind::Float) {
            cast = weights.to_kind(self.compute);
            weights = &cast;
        }
        layer(x, weights, &self.shape(), &layout.rotation, |queries, keys, values| {
            layout.pack.attend(queries, keys, values)
        })
    }

    /// The norm after the last layer, of `x` [N, H].
    pub(super) fn last_norm(&self, x: &Tensor) -> Tensor {
        rms_norm(x, &self.weights.norm.to_kind(self.compute), self.config.rms_norm_eps)
    }

    /// How many layers there are.
    pub(super) fn layers(&self) -> usize {
        self.weights.layers.len()
    }

    pub(super) fn rope(&self) -> &Rope {
        &self.rope
    }

    /// Logits [..., V] of `hidden` [..., H], in the type of the activations.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        hidden.linear(&self.weights.head.to_kind(self.compute), None::<&Tensor>)
    }

    /// Log-probability of each token of `targets` [B, R] at `hidden` [B, R, H], and the entropy of the distribution
    /// there [B, R], in nats, both 32 bits. Logits are divided by `temperature` and computed for some rows at a time.
    pub fn log_probs(&self, hidden: &Tensor, targets: &Tensor, temperature: f64) -> (Tensor, Tensor) {
        let chunks = self.by_rows(hidden, targets, |logits, targets| with_entropy(&logits, &targets, temperature));
        let (chosen, entropy): (Vec<Tensor>, Vec<Tensor>) = chunks.into_iter().unzip();
        (Tensor::cat(&chosen, 0).view_as(targets), Tensor::cat(&entropy, 0).view_as(targets))
    }

    /// As [`Decoder::log_probs`], without the entropy: one pass over the vocabulary less.
    pub fn target_log_probs(&self, hidden: &Tensor, targets: &Tensor, temperature: f64) -> Tensor {
        let chunks = self.by_rows(hidden, targets, |logits, targets| chosen(&logits, &targets, temperature));
        Tensor::cat(&chunks, 0).view_as(targets)
    }

    fn by_rows<T>(&self, hidden: &Tensor, targets: &Tensor, f: impl Fn(Tensor, Tensor) -> T) -> Vec<T> {
        let hidden = hidden.reshape([-1, self.config.hidden_size]);
        let targets = targets.reshape([-1]);
        let rows = hidden.size()[0];
        let at_a_time = self.tokens_at_a_time;
        let head = self.weights.head.to_kind(self.compute);
        (0..rows.div_euclid(at_a_time) + i64::from(rows % at_a_time != 0).max(i64::from(rows == 0)))
            .map(|i| (i * at_a_time, at_a_time.min(rows - i * at_a_time)))
            .map(|(from, count)| {
                let logits = hidden.narrow(0, from, count).linear(&head, None::<&Tensor>).to_kind(Kind::Float);
                f(logits, targets.narrow(0, from, count))
            })
            .collect()
    }

    /// The matrix of the head `[V, H]`.
    pub(super) fn head(&self) -> &Tensor {
        &self.weights.head
    }

    /// The embedding `[V, H]`.
    pub(super) fn embedding(&self) -> &Tensor {
        &self.weights.embedding
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            query_heads: self.config.num_attention_heads,
            key_value_heads: self.config.key_value_heads(),
            head_width: self.config.head_width(),
            epsilon: self.config.rms_norm_eps,
        }
    }

    /// The parameters by place, each seen through `view`, adapters made part of them.
    pub(super) fn cast_weights(&self, view: impl Fn(&Tensor) -> Tensor) -> Weights {
        let adapters = self.lora.as_ref().map(|(adapters, _)| adapters);
        let parameters = self.specs.iter().zip(&self.named);
        Weights::assemble(&self.config, parameters, |(spec, (_, tensor))| match adapters {
            Some(adapters) => view(&adapters.merged(spec, tensor, self.compute)),
            None => view(tensor),
        })
    }
}

/// The parameters of a folder as `kind`, in the order of their specifications.
fn read(
    dir: &Path,
    device: Device,
    others: &[&str],
    kind: Kind,
) -> Result<(ModelConfig, Vec<Spec>, Vec<Tensor>), ModelError> {
    let config = ModelConfig::load(dir)?;
    let mut files = WeightFiles::open_model(dir)?;
    let specs = layout(&config);
    refuse_leftovers(&config, &specs, &files, others)?;
    let mut parameters = Vec::with_capacity(specs.len());
    for spec in &specs {
        let mut parts = Vec::with_capacity(spec.parts.len());
        for (name, shape) in &spec.parts {
            parts.push(files.read(name, shape, kind, device)?);
        }
        parameters.push(if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 0) });
    }
    Ok((config, specs, parameters))
}

/// Log-probabilities `[n]` of `targets` `[n]`.
pub(super) fn chosen(logits: &Tensor, targets: &Tensor, temperature: f64) -> Tensor {
    let none = tch::Reduction::None;
    -scaled(logits, temperature).cross_entropy_loss(targets, None::<&Tensor>, none, -100, 0.0)
}

/// Log-probabilities `[n]` of `targets` `[n]`, and the entropy of each distribution `[n]`.
pub(super) fn with_entropy(logits: &Tensor, targets: &Tensor, temperature: f64) -> (Tensor, Tensor) {
    let log_probs = scaled(logits, temperature).log_softmax(-1, Kind::Float);
    let chosen = log_probs.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
    (chosen, entropy(&log_probs))
}

/// The entropy `[n]`, nats, of distributions with these log-probabilities `[n, V]`.
pub(super) fn entropy(log_probs: &Tensor) -> Tensor {
    -(log_probs.exp() * log_probs).sum_dim_intlist(-1, false, Kind::Float)
}

pub(super) fn scaled(logits: &Tensor, temperature: f64) -> Tensor {
    // Exactly 1 is the usual case, and division would be a pass over the whole vocabulary.
    if (temperature - 1.0).abs() < f64::EPSILON { logits.shallow_clone() } else { logits / temperature }
}
