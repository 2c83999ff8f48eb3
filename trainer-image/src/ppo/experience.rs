//! What the models say about a finished rollout: log-probabilities and values of each answer token, without gradients.
//!
//! Old log-probabilities are computed here, by the same code that the update differentiates, and not taken from
//! generation, whose kernels and batching differ (verl does the same).

use tch::{Kind, Tensor, no_grad};

use crate::model::{Decoder, ValueModel};
use crate::sequences::{MicroBatches, Packed, Sequence, longest_answer, micro_batches};

/// Log-probabilities of the answer tokens `[B, R]`, zero at padding.
pub fn log_probs(model: &Decoder, batch: &[Sequence], micro: MicroBatches, temperature: f64) -> Tensor {
    over_micro_batches(batch, micro, model.device(), |packed| {
        let hidden = packed.predicting(&model.hidden(&packed.ids, &packed.lengths));
        model.target_log_probs(&hidden, &packed.targets, temperature)
    })
}

/// Values `[B, R]`, each before its token was chosen; zero at padding.
pub fn values(critic: &ValueModel, batch: &[Sequence], micro: MicroBatches) -> Tensor {
    over_micro_batches(batch, micro, critic.backbone().device(), |packed| {
        packed.predicting(&critic.values(&packed.ids, &packed.lengths))
    })
}

fn over_micro_batches(
    batch: &[Sequence],
    micro: MicroBatches,
    device: tch::Device,
    of: impl Fn(&Packed) -> Tensor,
) -> Tensor {
    let columns = longest_answer(batch);
    let rows: Vec<usize> = (0..batch.len()).collect();
    no_grad(|| {
        let matrix = Tensor::zeros([batch.len() as i64, columns as i64], (Kind::Float, device));
        for rows in micro_batches(batch, &rows, micro) {
            let packed = Packed::of(batch, &rows, columns, device);
            packed.put(&matrix, &of(&packed));
        }
        matrix
    })
}
