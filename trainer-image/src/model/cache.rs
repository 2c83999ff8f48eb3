//! Generation: a static key/value cache, filled by the prompts and then one token a row at a time.

use tch::{Device, Kind, Tensor};

use super::Decoder;
use super::attention::{Padding, Rotation};
use super::layer::{attend_to_cache, attention, layer, rms_norm};
use super::parameters::Weights;

/// A batch of sequences that grow by one token a step. Use it under `tch::no_grad`.
///
/// Prompts are aligned at their ends (padded on the left), so that every row writes the same column of the cache and
/// nothing is copied but the new keys and values.
#[derive(Debug)]
pub struct Inference<'m> {
    model: &'m Decoder,
    weights: Weights,
    rotation: Rotation,
    /// Keys and values of each layer, [B, K heads, capacity, D].
    cache: Vec<(Tensor, Tensor)>,
    /// [B, 1, 1, capacity], −∞ at padding. Absent where no row has any.
    bias: Option<Tensor>,
    rows: i64,
    length: i64,
}

impl<'m> Inference<'m> {
    /// Reads the prompts, none of them empty, with room for `new_tokens` after the longest. Also gives the logits [B, V]
    /// of each row's next token.
    pub fn start(model: &'m Decoder, prompts: &[&[i64]], new_tokens: usize) -> (Self, Tensor) {
        let (device, kind, config) = (model.device(), model.compute(), model.config());
        let length = prompts.iter().map(|p| p.len()).max().unwrap_or(0);
        let (rows, length, capacity) = (prompts.len() as i64, length as i64, (length + new_tokens) as i64);
        let (ids, mask) = pad_left(prompts, length, device);
        let padded = prompts.iter().any(|p| (p.len() as i64) < length);
        let weights = model.cast_weights(|t| t.detach().to_kind(kind));

        let columns = Tensor::arange(capacity, (Kind::Int64, device));
        let missing = mask.logical_not().sum_dim_intlist(1, true, Kind::Int64);
        let positions = if padded { (columns - missing).clamp_min(0) } else { columns };
        let rotation = Rotation::new(&positions, model.rope(), kind);
        let bias = padded.then(|| {
            let bias = Tensor::zeros([rows, 1, 1, capacity], (kind, device));
            let _ = bias
                .narrow(3, 0, length)
                .masked_fill_(&mask.logical_not().unsqueeze(1).unsqueeze(1), f64::NEG_INFINITY);
            bias
        });
        let room = [rows, config.key_value_heads(), capacity, config.head_width()];
        let cache = (0..config.num_hidden_layers)
            .map(|_| (Tensor::zeros(room, (kind, device)), Tensor::zeros(room, (kind, device))))
            .collect();
        let mut this = Self { model, weights, rotation, cache, bias, rows, length: 0 };
        let allowed = if padded { Padding::of(&mask).allowed } else { None };
        let hidden = this.advance(&ids, length, |inputs| {
            attention(inputs.queries, inputs.keys, inputs.values, allowed.as_ref(), allowed.is_none())
        });
        let last = hidden.view([rows, length, -1]).select(1, length - 1);
        let logits = this.logits(&last);
        (this, logits)
    }

    /// Appends `tokens` [B] and gives the logits [B, V] of what comes next, 32 bits.
    pub fn step(&mut self, tokens: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|bias| bias.narrow(3, 0, self.length + 1));
        let hidden = self.advance(tokens, 1, |inputs| {
            attend_to_cache(inputs.queries, inputs.all_keys, inputs.all_values, bias.as_ref())
        });
        self.logits(&hidden)
    }

    /// Rows in the batch.
    pub fn rows(&self) -> i64 {
        self.rows
    }

    /// Goes on with these rows alone, in this order.
    pub fn keep(&mut self, rows: &[i64]) {
        let index = Tensor::from_slice(rows).to_device(self.model.device());
        for (keys, values) in &mut self.cache {
            *keys = keys.index_select(0, &index);
            *values = values.index_select(0, &index);
        }
        self.rotation = self.rotation.rows(&index);
        self.bias = self.bias.as_ref().map(|bias| bias.index_select(0, &index));
        self.rows = rows.len() as i64;
    }

    /// Runs the layers over `columns` new tokens a row, remembering keys and values; hidden states [B·columns, H].
    fn advance(&mut self, ids: &Tensor, columns: i64, attend: impl Fn(&Inputs) -> Tensor) -> Tensor {
        let shape = self.model.shape();
        let (from, to) = (self.length, self.length + columns);
        let rotation = self.rotation.range(from, columns);
        let mut x = Tensor::embedding(&self.weights.embedding, &ids.view([-1]), -1, false, false);
        for (weights, (all_keys, all_values)) in self.weights.layers.iter().zip(&self.cache) {
            x = layer(&x, (self.rows, columns), weights, &shape, &rotation, |queries, keys, values| {
                all_keys.narrow(2, from, columns).copy_(keys);
                all_values.narrow(2, from, columns).copy_(values);
                let (all_keys, all_values) = (&all_keys.narrow(2, 0, to), &all_values.narrow(2, 0, to));
                attend(&Inputs { queries, keys, values, all_keys, all_values })
            });
        }
        self.length = to;
        x
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        let normed = rms_norm(x, &self.weights.norm, self.model.shape().epsilon);
        normed.linear(&self.weights.head, None::<&Tensor>).to_kind(Kind::Float)
    }
}

/// What a layer's attention may use: this step's queries, keys and values, and everything remembered.
struct Inputs<'t> {
    queries: &'t Tensor,
    keys: &'t Tensor,
    values: &'t Tensor,
    all_keys: &'t Tensor,
    all_values: &'t Tensor,
}

/// Token ids [B, length] with zeros on the left, and the mask that is true for tokens.
fn pad_left(prompts: &[&[i64]], length: i64, device: Device) -> (Tensor, Tensor) {
    let mut ids = Vec::with_capacity(prompts.len() * length as usize);
    let mut mask = Vec::with_capacity(ids.capacity());
    for prompt in prompts {
        let missing = length as usize - prompt.len();
        ids.extend(std::iter::repeat_n(0, missing).chain(prompt.iter().copied()));
        mask.extend((0..length as usize).map(|column| column >= missing));
    }
    let size = [prompts.len() as i64, length];
    (Tensor::from_slice(&ids).view(size).to_device(device), Tensor::from_slice(&mask).view(size).to_device(device))
}
