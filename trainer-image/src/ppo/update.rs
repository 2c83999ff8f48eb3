//! The update: epochs × mini-batches × micro-batches, the critic first, then the actor.

use rand::Rng;
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};

use super::batch::Batch;
use super::losses;
use crate::metrics::Metrics;
use crate::model::{Decoder, ValueModel};
use crate::optim::AdamW;
use crate::sequences::{Padded, longest_answer, micro_batches, mini_batches};

/// What of the configuration an update needs.
#[derive(Clone, Copy, Debug)]
pub struct UpdateSettings {
    /// Samples per forward and backward pass.
    pub micro_batch: usize,
    /// Temperature that answers were sampled with.
    pub temperature: f64,
    /// Clip range ε of the probability ratio.
    pub clip: f64,
    /// Clip range of the value function.
    pub value_clip: f64,
    /// Coefficient of the entropy bonus.
    pub entropy: f64,
    /// Largest global norm of gradients.
    pub max_grad_norm: f64,
}

/// Which samples make up each optimiser step: every epoch shuffled anew and cut into mini-batches.
pub fn schedule(samples: usize, mini_batch: usize, epochs: u64, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..samples).collect();
    let mut steps = Vec::new();
    for _ in 0..epochs {
        rows.shuffle(rng);
        steps.extend(mini_batches(&rows, mini_batch));
    }
    steps
}

/// Moves the critic towards the returns, an optimiser step for each entry of `schedule`.
pub fn update_critic(
    critic: &ValueModel,
    optimizer: &mut AdamW,
    learning_rate: f64,
    batch: &Batch,
    schedule: &[Vec<usize>],
    settings: &UpdateSettings,
) -> anyhow::Result<Metrics> {
    let device = critic.backbone().device();
    let mut sums = Sums::default();
    for rows in schedule {
        let step = MiniBatch::new(batch, rows, settings.micro_batch);
        optimizer.zero_grad()?;
        for padded in step.micro_batches(device) {
            let values = padded.predicting(&critic.values(&padded.ids, &padded.mask));
            let (old, returns) = (padded.pick(&batch.old_values), padded.pick(&batch.returns));
            let value = losses::value(&values, &old, &returns, settings.value_clip);
            losses::token_mean(&value.loss, step.tokens).backward();
            sums.add(&[&value.loss, &value.clipped, &values]);
        }
        sums.step(optimizer.clip_grad_norm(settings.max_grad_norm)?);
        optimizer.step(learning_rate)?;
    }
    let mut metrics = sums.into_metrics("critic", &["vf_loss", "vf_clipfrac", "vpred_mean"]);
    metrics.set("critic/lr", learning_rate);
    Ok(metrics)
}

/// Moves the actor towards what had an advantage, an optimiser step for each entry of `schedule`.
pub fn update_actor(
    actor: &Decoder,
    optimizer: &mut AdamW,
    learning_rate: f64,
    batch: &Batch,
    schedule: &[Vec<usize>],
    settings: &UpdateSettings,
) -> anyhow::Result<Metrics> {
    let mut sums = Sums::default();
    for rows in schedule {
        let step = MiniBatch::new(batch, rows, settings.micro_batch);
        optimizer.zero_grad()?;
        for padded in step.micro_batches(actor.device()) {
            let hidden = padded.predicting(&actor.hidden(&padded.ids, &padded.mask));
            let (log_probs, entropy) = actor.log_probs(&hidden, &padded.targets, settings.temperature);
            let (old, advantages) = (padded.pick(&batch.old_log_probs), padded.pick(&batch.advantages));
            let policy = losses::policy(&log_probs, &old, &advantages, settings.clip);
            let loss = &policy.loss - &entropy * settings.entropy;
            losses::token_mean(&loss, step.tokens).backward();
            sums.add(&[&policy.loss, &policy.clipped, &policy.kl, &entropy]);
        }
        sums.step(optimizer.clip_grad_norm(settings.max_grad_norm)?);
        optimizer.step(learning_rate)?;
    }
    let mut metrics = sums.into_metrics("actor", &["pg_loss", "pg_clipfrac", "ppo_kl", "entropy_loss"]);
    metrics.set("actor/lr", learning_rate);
    Ok(metrics)
}

/// The samples of one optimiser step.
struct MiniBatch<'a> {
    batch: &'a Batch,
    micro: Vec<Vec<usize>>,
    tokens: f64,
}

impl<'a> MiniBatch<'a> {
    fn new(batch: &'a Batch, rows: &[usize], micro_batch: usize) -> Self {
        let tokens: usize = rows.iter().map(|row| batch.sequences[*row].answer().len()).sum();
        Self { batch, micro: micro_batches(&batch.sequences, rows, micro_batch), tokens: tokens as f64 }
    }

    fn micro_batches(&self, device: tch::Device) -> impl Iterator<Item = Padded> {
        let columns = longest_answer(&self.batch.sequences);
        self.micro.iter().map(move |rows| Padded::of(&self.batch.sequences, rows, columns, device))
    }
}

/// Sums over tokens of everything reported, kept on the device until the end so that no step waits for a number.
#[derive(Default)]
struct Sums {
    sums: Vec<Tensor>,
    tokens: f64,
    grad_norms: Vec<f64>,
}

impl Sums {
    fn add(&mut self, values: &[&Tensor]) {
        let sums: Vec<Tensor> = values.iter().map(|value| value.detach().sum(Kind::Float)).collect();
        self.sums.push(Tensor::stack(&sums, 0));
        self.tokens += values[0].numel() as f64;
    }

    fn step(&mut self, grad_norm: f64) {
        self.grad_norms.push(grad_norm);
    }

    /// Means over all tokens of all epochs, and the mean norm of gradients before clipping.
    fn into_metrics(self, group: &str, names: &[&str]) -> Metrics {
        let mut metrics = Metrics::default();
        if self.sums.is_empty() {
            return metrics;
        }
        let means = Tensor::stack(&self.sums, 0).sum_dim_intlist([0].as_slice(), false, Kind::Double) / self.tokens;
        for (i, name) in names.iter().enumerate() {
            metrics.set(format!("{group}/{name}"), means.double_value(&[i as i64]));
        }
        metrics.set(format!("{group}/grad_norm"), self.grad_norms.iter().sum::<f64>() / self.grad_norms.len() as f64);
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::seeds::{Purpose, stream};

    #[test]
    fn every_sample_is_seen_once_an_epoch_in_an_order_of_its_own() {
        let steps = schedule(10, 4, 2, &mut stream(1, Purpose::Update, &[1]));
        assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 4, 3, 3, 4]);
        let epochs: Vec<Vec<usize>> = steps.chunks(3).map(<[Vec<usize>]>::concat).collect();
        assert_ne!(epochs[0], epochs[1]);
        for mut epoch in epochs {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<_>>());
        }
    }
}
