//! What generation remembers: keys and values of each row's tokens, in tensors that stay where they are.
//!
//! Rows are of different lengths; the lengths are a tensor, so that a step's operations and shapes are the same whatever the rows
//! hold. A CUDA graph needs that; on a CPU it is the same code.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tch::{Kind, Tensor};

use super::attention::{Pack, attend_to_cache, positions};
use super::layer::{heads, layer, rms_norm};
use super::parameters::Weights;
use super::rope::Rotation;
use super::{Decoder, footprint};

/// Keys and values of S rows with room for C tokens each. Use it under `tch::no_grad`.
#[derive(Debug)]
pub struct Cache<'m> {
    model: &'m Decoder,
    weights: Weights,
    /// Of the positions 0 to C − 1.
    rotation: Rotation,
    /// Keys and values of each layer, `[S, C, K heads, D]`.
    layers: Vec<(Tensor, Tensor)>,
    /// How many tokens each row remembers, `[S]`.
    lengths: Tensor,
    /// The first column of each row among all S · C, `[S]`.
    firsts: Tensor,
}

impl<'m> Cache<'m> {
    /// `rows` rows that remember nothing, with room for `columns` tokens each.
    pub fn new(model: &'m Decoder, rows: i64, columns: i64) -> Self {
        let (device, kind, config) = (model.device(), model.compute(), model.config());
        let (embedding, tied) = (model.embedding(), config.tie_word_embeddings);
        let turned = footprint::is_turned(device, rows);
        let mut weights = model.cast_weights(|tensor| {
            if !tied && tensor.data_ptr() == embedding.data_ptr() {
                tensor.shallow_clone()
            } else if turned && tensor.dim() == 2 {
                by_columns(tensor, kind)
            } else {
                tensor.detach().to_kind(kind)
            }
        });
        // Rows are looked up in the decoder's own, so that there is one table less.
        weights.embedding = embedding.shallow_clone();
        let integers = (Kind::Int64, device);
        let rotation = Rotation::new(&Tensor::arange(columns, integers), model.rope(), kind);
        let room = [rows, columns, config.key_value_heads(), config.head_width()];
        let empty = || Tensor::zeros(room, (kind, device));
        let layers = (0..config.num_hidden_layers).map(|_| (empty(), empty())).collect();
        let firsts = Tensor::arange(rows, integers) * columns;
        Self { model, weights, rotation, layers, lengths: Tensor::zeros([rows], integers), firsts }
    }

    /// Reads texts into rows, in place of what they remember. A text that several rows get is read once.
    pub fn read(&mut self, texts: &[(i64, &[i64])]) {
        let device = self.model.device();
        let columns = self.layers.first().map_or(0, |(keys, _)| keys.size()[1]);
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        let (mut cells, mut sources) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        for &(row, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
            let from = match known.entry(text) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(place) => {
                    lengths.push(text.len() as i64);
                    ids.extend_from_slice(text);
                    *place.insert((ids.len() - text.len()) as i64)
                }
            };
            cells.extend((0..text.len() as i64).map(|column| row * columns + column));
            sources.extend((0..text.len() as i64).map(|token| from + token));
        }
        let upload = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
        let (rows, remembered): (Vec<i64>, Vec<i64>) = texts.iter().map(|(row, text)| (row, text.len() as i64)).unzip();
        let _ = self.lengths.index_copy_(0, &upload(&rows), &upload(&remembered));
        if ids.is_empty() {
            return;
        }
        let shared = cells.len() > ids.len();
        let (ids, cells, sources) = (upload(&ids), upload(&cells), upload(&sources));
        let (pack, shape) = (Pack::new(&lengths, device), self.model.shape());
        let rotation = self.rotation.at(&positions(&lengths, device));
        let remember = |(all_keys, all_values): &(Tensor, Tensor), keys: &Tensor, values: &Tensor| {
            for (all, new) in [(all_keys, keys), (all_values, values)] {
                let selected = shared.then(|| new.index_select(0, &sources));
                let _ = all.flatten(0, 1).index_copy_(0, &cells, selected.as_ref().unwrap_or(new));
            }
        };
        let mut x = self.model.embed(&ids);
        let last = self.layers.len() - 1;
        for (index, (weights, remembered)) in self.weights.layers.iter().zip(&self.layers).enumerate() {
            if index == last {
                // Nobody asks what comes after these tokens: of the last layer only keys and values are of use.
                let (_, keys, values) = heads(&x, weights, &shape, &rotation);
                remember(remembered, &keys, &values);
                break;
            }
            x = layer(&x, weights, &shape, &rotation, |queries, keys, values| {
                remember(remembered, keys, values);
                pack.attend(queries, keys, values)
            });
        }
    }

    /// Reads a token in each of the first R rows, `tokens` `[R]`, and writes the logits of what comes next to `logits` `[R, V]`, 32
    /// bits. Only rows with a one in `growing` `[R]` remember theirs; what comes out of the others means nothing.
    pub fn step(&mut self, tokens: &Tensor, growing: &Tensor, logits: &Tensor) {
        let (rows, shape) = (tokens.size()[0], self.model.shape());
        let mut lengths = self.lengths.narrow(0, 0, rows);
        let cells = &lengths + self.firsts.narrow(0, 0, rows);
        let seen = (&lengths + 1).to_kind(Kind::Int);
        let rotation = self.rotation.at(&lengths);
        let mut x = self.model.embed(tokens);
        for (weights, (all_keys, all_values)) in self.weights.layers.iter().zip(&self.layers) {
            x = layer(&x, weights, &shape, &rotation, |queries, keys, values| {
                let _ = all_keys.flatten(0, 1).index_copy_(0, &cells, keys);
                let _ = all_values.flatten(0, 1).index_copy_(0, &cells, values);
                attend_to_cache(queries, &all_keys.narrow(0, 0, rows), &all_values.narrow(0, 0, rows), &seen)
            });
        }
        let _ = lengths.g_add_(growing);
        let normed = rms_norm(&x, &self.weights.norm, shape.epsilon);
        let head = self.weights.head.tr();
        if normed.kind() == Kind::Float {
            let _ = normed.mm_out(logits, &head);
        } else {
            logits.shallow_clone().copy_(&normed.mm(&head));
        }
    }

    /// Copies rows to the places of others: `from[i]` to `to[i]`, both `[n]`, of which none remembers more than `columns` tokens.
    /// No row is in both lists.
    pub fn copy_rows(&mut self, from: &Tensor, to: &Tensor, columns: i64) {
        let tensors = self.layers.iter().flat_map(|(keys, values)| [keys, values]);
        for part in tensors.map(|tensor| tensor.narrow(1, 0, columns)).chain([self.lengths.shallow_clone()]) {
            let _ = part.shallow_clone().index_copy_(0, to, &part.index_select(0, from));
        }
    }

    /// All tensors that steps read and write, for whoever wants to see that they stay where they are.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.layers.iter().flat_map(|(keys, values)| [keys, values]).chain([&self.lengths, &self.firsts])
    }
}

/// The matrix as `kind`, laid column by column; its shape stays. MKL packs the rows of a matrix anew for each product, which is
/// most of the work where the other factor has few rows.
fn by_columns(matrix: &Tensor, kind: Kind) -> Tensor {
    let mut turned = Tensor::empty(matrix.tr().size(), (kind, matrix.device())).tr();
    turned.copy_(&matrix.detach());
    turned
}
