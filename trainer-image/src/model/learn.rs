//! Forward and backward of one micro-batch, the only place where gradients are made.
//!
//! What autograd would keep is bounded on both sides. Below, the inputs of layers are kept and a layer is computed again on
//! the way back, except for the last layers, as many as [`GradientCheckpointing`](real_crds::config::GradientCheckpointing) lets keep
//! everything. Above, the head and the loss are computed for some tokens at a time, each chunk's backward pass at once, so
//! that nothing of the size of the vocabulary outlives its chunk. Parameters gather gradients as under autograd.

use tch::{Kind, Tensor, no_grad};

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
        self.forward_backward(batch, self.tokens_at_a_time(), &mut |hidden, span| {
            let targets = span.of(&batch.targets);
            let (log_probs, learnt) = self.predict(hidden, &targets, temperature, entropy == Entropy::Learnt);
            let entropy = match (learnt, entropy) {
                (Some(learnt), _) => learnt,
                (None, Entropy::Reported) => {
                    no_grad(|| self.predict(&hidden.detach(), &targets, temperature, true).1.unwrap_or_default())
                }
                (None, _) => log_probs.detach().zeros_like(),
            };
            loss(&Prediction { log_probs, entropy }, span)
        })
    }

    /// The two passes; `head` gets hidden states `[n, H]` after the last norm and gives the loss of their tokens.
    pub(super) fn forward_backward(
        &self,
        batch: &Packed,
        at_a_time: i64,
        head: &mut dyn FnMut(&Tensor, Span) -> Tensor,
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
        let mut gradient = top.detach().zeros_like();
        let count = batch.targets.numel() as i64;
        for from in (0..count).step_by(usize::try_from(at_a_time.max(1)).unwrap_or(usize::MAX)) {
            let span = Span { from, count: at_a_time.max(1).min(count - from) };
            let hidden = span.of(&below).detach().set_requires_grad(true);
            let loss = head(&self.last_norm(&hidden), span);
            backward(&loss, &loss.detach().ones_like())?;
            drop(loss);
            let _ = no_grad(|| gradient.index_copy_(0, &span.of(&batch.predictors), &hidden.grad()));
        }
        drop(below);

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
        // The embedding of a decoder with adapters does not learn.
        if self.has_adapters() { Ok(()) } else { backward(&self.embed(&batch.ids), &gradient) }
    }
}

impl ValueModel {
    /// As [`Decoder::learn`], of the values `[n]` of answer tokens, 32 bits.
    ///
    /// # Errors
    /// libtorch refuses an operation.
    pub fn learn(&self, batch: &Packed, mut loss: impl FnMut(&Tensor, Span) -> Tensor) -> Result<(), TorchError> {
        let all = batch.targets.numel() as i64;
        self.backbone()
            .forward_backward(batch, all, &mut |hidden, span| loss(&self.head(&hidden.to_kind(Kind::Float)), span))
    }
}
