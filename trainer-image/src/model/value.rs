//! The critic: a decoder whose head says how much reward is still to come.

use std::path::Path;

use real_crds::config::GradientCheckpointing;
use serde_json::json;
use tch::{Device, Kind, Tensor};

use super::{Decoder, ModelError};
use crate::weights::{Files, WeightFiles};

/// A decoder with a linear head H → 1, in the layout of transformers' `…ForTokenClassification` with one label.
#[derive(Debug)]
pub struct ValueModel {
    backbone: Decoder,
    weight: Tensor,
    bias: Tensor,
}

impl ValueModel {
    /// A critic on `backbone` that says 0 everywhere.
    pub fn new(backbone: Decoder) -> Self {
        let options = (Kind::Float, backbone.device());
        let weight = Tensor::zeros([1, backbone.config().hidden_size], options).set_requires_grad(true);
        let bias = Tensor::zeros([1], options).set_requires_grad(true);
        Self { backbone, weight, bias }
    }

    /// The same critic, computing activations as `kind`; see [`Decoder::with_compute`].
    #[must_use]
    pub fn with_compute(self, kind: Kind) -> Self {
        Self { backbone: self.backbone.with_compute(kind), ..self }
    }

    /// The same critic, keeping what a backward pass needs as `checkpointing` says.
    #[must_use]
    pub fn with_checkpointing(self, checkpointing: GradientCheckpointing) -> Self {
        Self { backbone: self.backbone.with_checkpointing(checkpointing), ..self }
    }

    /// Loads what [`ValueModel::save`] wrote.
    ///
    /// # Errors
    /// As [`Decoder::load`]; also where the folder holds no head (`score.weight`, `score.bias`).
    pub fn load(dir: &Path, device: Device) -> Result<Self, ModelError> {
        Self::on(Decoder::load_beside(dir, device, &["score.weight", "score.bias"])?, dir)
    }

    /// A critic with the adapters and the head that [`ValueModel::save`] wrote; none where this one has no adapters.
    ///
    /// # Errors
    /// As [`Decoder::with_saved_adapters`], and where the folder holds no head.
    pub fn with_saved_adapters(&self, dir: &Path) -> Result<Option<Self>, ModelError> {
        self.backbone.with_saved_adapters(dir)?.map(|backbone| Self::on(backbone, dir)).transpose()
    }

    /// The head of `dir` on a backbone.
    fn on(backbone: Decoder, dir: &Path) -> Result<Self, ModelError> {
        let device = backbone.device();
        let mut files = WeightFiles::open_model(dir)?;
        let hidden = backbone.config().hidden_size;
        let weight = files.read("score.weight", &[1, hidden], Kind::Float, device)?.set_requires_grad(true);
        let bias = files.read("score.bias", &[1], Kind::Float, device)?.set_requires_grad(true);
        Ok(Self { backbone, weight, bias })
    }

    /// Writes `config.json` and `model.safetensors` to `dir`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        self.files().write(dir)
    }

    /// What [`ValueModel::save`] writes. The tensors are the critic's own.
    pub fn files(&self) -> Files {
        let head = [("score.weight", &self.weight), ("score.bias", &self.bias)];
        let keys = [("id2label", json!({"0": "value"})), ("label2id", json!({"value": 0}))];
        self.backbone.files_as("ForTokenClassification", &head, &keys)
    }

    /// The decoder below the head.
    pub fn backbone(&self) -> &Decoder {
        &self.backbone
    }

    /// The backbone's parameters, then `score.weight` and `score.bias`.
    pub fn named_parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.backbone.named_parameters().chain([("score.weight", &self.weight), ("score.bias", &self.bias)])
    }

    /// Values [N], 32 bits, of sequences of these lengths in `ids` [N]; see [`Decoder::hidden`].
    pub fn values(&self, ids: &Tensor, lengths: &[i64]) -> Tensor {
        self.head(&self.backbone.hidden(ids, lengths).to_kind(Kind::Float))
    }

    /// Values [...] of hidden states [..., H], both 32 bits.
    pub(super) fn head(&self, hidden: &Tensor) -> Tensor {
        hidden.linear(&self.weight, Some(&self.bias)).squeeze_dim(-1)
    }
}
