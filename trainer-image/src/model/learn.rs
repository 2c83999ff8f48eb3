//! Forward and backward of one micro-batch, the only place where gradients are made.
//!
//! What autograd would keep is bounded on both sides. Below, the inputs of layers are kept and a layer is computed again on
//! the way back, except for the last layers, as many as [`GradientCheckpointing`](real_crds::config::GradientCheckpointing) lets keep
//! everything. Above, the head and the loss are computed for some tokens at a time, each chunk's backward pass at once, so
//! that nothing of the size of the vocabulary outlives its chunk. Parameters gather gradients as under autograd, whose numbers
//! these are; but those of the two matrices of the vocabulary's height are added where they belong some rows at a time, where
//! autograd would make a second matrix of that size first.

use tch::{Kind, Tensor, no_grad};

use super::decoder::{chosen, entropy, scaled, with_entropy};
use super::footprint::rows_at_a_time;
use super::{Decoder, ValueModel};
use crate::sequences::Packed;
use crate::shim::{TorchError, backward};

/// Some of a micro-batch's answer tokens.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    from: i64,
    count: i64,
}

impl Span {
    /// Of a tensor with an entry for each answer token, `[N, …]`, the entries of these.
    pub fn of(self, values: &Tensor) -> Tensor {
        values.narrow(0, self.from, self.count)
    }
}

/// What a policy says of some answer tokens, with gradients. Both `[n]`, 32 bits.
#[derive(Debug)]
pub struct Prediction {
    /// Log-probability of each token, nats.
    pub log_probs: Tensor,
    /// Entropy of each distribution, nats; without a gradient where none was asked for.
    pub entropy: Tensor,
}

/// Which entropy a loss needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entropy {
    /// None: it is not computed, and zero.
    Unused,
    /// To be reported.
    Reported,
    /// As a part of the loss.
    Learnt,
}

impl Decoder {
    /// Adds the gradients of the sum of `loss` over the answer tokens of a micro-batch to those of the parameters. `loss` is
    /// asked for a scalar for some tokens at a time, in their order; logits are divided by `temperature`.
    ///
    /// # Errors
    /// libtorch refuses an operation.
    pub fn learn(
        &self,
        batch: &Packed,
        temperature: f64,
        entropy: Entropy,
        mut loss: impl FnMut(&Prediction, Span) -> Tensor,
    ) -> Result<(), TorchError> {
        let count = batch.targets.numel() as i64;
        let at_a_time = self.tokens_at_a_time();
        self.forward_backward(batch, &mut |below| {
            let head = no_grad(|| self.head().detach().to_kind(self.compute()));
            let gradient = below.zeros_like();
            for from in (0..count).step_by(usize::try_from(at_a_time).unwrap_or(usize::MAX)) {
                let span = Span { from, count: at_a_time.min(count - from) };
                let hidden = span.of(below).detach().set_requires_grad(true);
                let states = self.last_norm(&hidden);
                let logits = no_grad(|| states.detach().linear(&head, None::<&Tensor>)).set_requires_grad(true);
                let targets = span.of(&batch.targets);
                // Before the loss, which keeps what it needs: afterwards both would be there.
                let reported =
                    (entropy == Entropy::Reported).then(|| no_grad(|| entropies(&logits.detach(), temperature)));
                let (log_probs, learnt) = predict(&logits, &targets, temperature, entropy == Entropy::Learnt);
                let entropy = learnt.or(reported).unwrap_or_else(|| log_probs.detach().zeros_like());
                let loss = loss(&Prediction { log_probs, entropy }, span);
                backward(&loss, &loss.detach().ones_like())?;
                drop(loss);
                let of_logits = logits.grad();
                drop(logits);
                backward(&states, &no_grad(|| of_logits.mm(&head)))?;
                add_product(self.head(), &of_logits, &states.detach())?;
                no_grad(|| span.of(&gradient).copy_(&hidden.grad()));
            }
            Ok(gradient)
        })
    }

    /// The two passes; `head` gets the hidden states `[N, H]` of the answer tokens before the last norm, and gives the gradient
    /// with respect to them.
    fn forward_backward(
        &self,
        batch: &Packed,
        head: &mut dyn FnMut(&Tensor) -> Result<Tensor, TorchError>,
    ) -> Result<(), TorchError> {
        let layout = self.layout(&batch.lengths);
        let layers = self.layers();
        let (tokens, element) = (batch.ids.numel() as i64, self.compute().elt_size_in_bytes() as i64);
        let kept = self.config().layers_kept(self.checkpointing(), tokens, element, self.device());

        // Up. Below `recomputed` only what goes into a layer stays.
        let recomputed = layers - kept;
        let mut inputs = Vec::with_capacity(recomputed);
        let mut x = no_grad(|| self.embed(&batch.ids));
        for index in 0..recomputed {
            let next = no_grad(|| self.layer(index, &x, &layout));
            inputs.push(std::mem::replace(&mut x, next));
        }
        let bottom = x.set_requires_grad(kept > 0);
        let top = (recomputed..layers).fold(bottom.shallow_clone(), |x, index| self.layer(index, &x, &layout));

        // The head, and back to the hidden states.
        let below = no_grad(|| top.detach().index_select(0, &batch.predictors));
        let of_answers = head(&below)?;
        drop(below);
        let mut gradient = top.detach().zeros_like();
        let _ = no_grad(|| gradient.index_copy_(0, &batch.predictors, &of_answers));
        drop(of_answers);

        // Down.
        if kept > 0 {
            backward(&top, &gradient)?;
            gradient = bottom.grad();
        }
        drop((top, bottom));
        for (index, input) in inputs.drain(..).enumerate().rev() {
            let input = input.set_requires_grad(true);
            backward(&self.layer(index, &input, &layout), &gradient)?;
            gradient = input.grad();
        }
        self.learn_embedding(&batch.ids, &gradient)
    }

    /// Adds to the embedding's gradient that of the rows which `ids` `[N]` looked up, `gradient` `[N, H]` with respect to them.
    fn learn_embedding(&self, ids: &Tensor, gradient: &Tensor) -> Result<(), TorchError> {
        // That of a decoder with adapters does not learn.
        if self.has_adapters() {
            return Ok(());
        }
        let sum = self.embedding().grad();
        if !sum.defined() {
            // What autograd makes becomes the sum itself.
            return backward(&self.embed(ids), gradient);
        }
        no_grad(|| {
            let (rows, places, _) = ids.internal_unique2(true, true, false);
            let count = rows.numel() as i64;
            let gradient = gradient.to_kind(Kind::Float);
            let by_row = Tensor::embedding_dense_backward(&gradient, &places, count, -1, false);
            let _ = sum.shallow_clone().index_add_(0, &rows, &by_row);
        });
        Ok(())
    }
}

/// Adds aᵀ·b to the gradient of `matrix` `[V, H]`, where that learns: `a` `[n, V]`, `b` `[n, H]`.
fn add_product(matrix: &Tensor, a: &Tensor, b: &Tensor) -> Result<(), TorchError> {
    if !matrix.requires_grad() {
        return Ok(());
    }
    if !matrix.grad().defined() {
        backward(matrix, &matrix.detach().zeros_like())?;
    }
    let (sum, height) = (matrix.grad(), matrix.size()[0]);
    let rows = rows_at_a_time(b.size()[1]);
    no_grad(|| {
        for from in (0..height).step_by(usize::try_from(rows).unwrap_or(usize::MAX)) {
            let count = rows.min(height - from);
            let _ = sum.narrow(0, from, count).g_add_(&a.narrow(1, from, count).tr().mm(b));
        }
    });
    Ok(())
}

/// Log-probabilities `[n]` of `targets` `[n]`, 32 bits, and where `entropy` is asked for that of each distribution `[n]`.
fn predict(logits: &Tensor, targets: &Tensor, temperature: f64, entropy: bool) -> (Tensor, Option<Tensor>) {
    let logits = logits.to_kind(Kind::Float);
    if entropy {
        let (chosen, entropy) = with_entropy(&logits, targets, temperature);
        (chosen, Some(entropy))
    } else {
        (chosen(&logits, targets, temperature), None)
    }
}

/// The entropy of each distribution `[n]`, 32 bits, some rows at a time.
fn entropies(logits: &Tensor, temperature: f64) -> Tensor {
    let (count, words) = logits.size2().unwrap_or((0, 1));
    let rows = rows_at_a_time(words);
    let of_rows = |from: i64| {
        let some = logits.narrow(0, from, rows.min(count - from)).to_kind(Kind::Float);
        entropy(&scaled(&some, temperature).log_softmax(-1, Kind::Float))
    };
    let parts: Vec<Tensor> = (0..count).step_by(usize::try_from(rows).unwrap_or(usize::MAX)).map(of_rows).collect();
    Tensor::cat(&parts, 0)
}

impl ValueModel {
    /// As [`Decoder::learn`], of the values `[n]` of answer tokens, 32 bits.
    ///
    /// # Errors
    /// libtorch refuses an operation.
    pub fn learn(&self, batch: &Packed, mut loss: impl FnMut(&Tensor, Span) -> Tensor) -> Result<(), TorchError> {
        let span = Span { from: 0, count: batch.targets.numel() as i64 };
        self.backbone().forward_backward(batch, &mut |below| {
            let below = below.detach().set_requires_grad(true);
            let hidden = self.backbone().last_norm(&below);
            let loss = loss(&self.head(&hidden.to_kind(Kind::Float)), span);
            backward(&loss, &loss.detach().ones_like())?;
            Ok(below.grad())
        })
    }
}
