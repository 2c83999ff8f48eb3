//! The update: epochs × mini-batches × micro-batches, the critic first, then the actor.

use anyhow::Context as _;
use rand::Rng;
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};

use super::batch::Batch;
use super::losses::Aggregator;
use super::recipe::PolicyLossSpec;
use super::{kl, losses};
use crate::metrics::Metrics;
use crate::model::{Decoder, Entropy, Prediction, ValueModel};
use crate::optim::AdamW;
use crate::optim::guard::Guard;
use crate::sequences::{MicroBatches, Packed, longest_answer, micro_batches, mini_batches};

/// What of the configuration an update needs, and which step it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct UpdateSettings {
    /// Optimisation step, from 1.
    pub step: u64,
    /// How mini-batches are cut.
    pub micro: MicroBatches,
    /// Temperature that answers were sampled with.
    pub temperature: f64,
    /// The actor's loss.
    pub loss: PolicyLossSpec,
    /// Clip range of the value function.
    pub value_clip: f64,
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

/// A model that learns, its optimiser, and what keeps it from learning what is not finite.
pub struct Learner<'a, M> {
    /// The model.
    pub model: &'a M,
    /// Of its parameters.
    pub optimizer: &'a mut AdamW,
    /// Skips updates.
    pub guard: &'a mut Guard,
    /// Learning rate.
    pub rate: f64,
}

/// Moves the critic towards the returns, an optimiser step for each entry of `schedule`; those with a loss or a gradient
/// that is not finite are skipped and counted as `critic/skipped`.
///
/// # Errors
/// Too many in a row were skipped ([`crate::optim::guard::Diverged`]), or libtorch refused an operation.
pub fn update_critic(
    learner: Learner<'_, ValueModel>,
    batch: &Batch,
    schedule: &[Vec<usize>],
    settings: &UpdateSettings,
) -> anyhow::Result<Metrics> {
    const NAMES: [&str; 3] = ["vf_loss", "vf_clipfrac", "vpred_mean"];
    let Learner { model: critic, optimizer, guard, rate } = learner;
    let device = critic.backbone().device();
    let old_values = batch.old_values.as_ref().context("a critic learns from what it said before")?;
    let mut sums = Sums::default();
    for rows in schedule {
        let step = MiniBatch::new(batch, rows, settings.micro);
        let tokens = step.lengths(rows).iter().sum::<usize>() as f64;
        optimizer.zero_grad()?;
        for (_, packed) in step.micro_batches(device) {
            let (old, returns) = (packed.pick(old_values), packed.pick(&batch.returns));
            critic.learn(&packed, |values, span| {
                let value = losses::value(values, &span.of(&old), &span.of(&returns), settings.value_clip);
                sums.add(&[&value.loss, &value.clipped, values]);
                losses::token_mean(&value.loss, tokens)
            })?;
        }
        let norm = optimizer.clip_grad_norm(settings.max_grad_norm)?;
        if sums.admit(guard, settings.step, &[THE_LOSS, "a clip fraction", "a value"], norm)? {
            optimizer.step(rate)?;
        }
    }
    optimizer.zero_grad()?;
    let mut metrics = sums.into_metrics("critic", &NAMES);
    metrics.set("critic/lr", rate);
    Ok(metrics)
}

/// Moves the actor towards what had an advantage, an optimiser step for each entry of `schedule`; those with a loss or a
/// gradient that is not finite are skipped and counted as `actor/skipped`.
///
/// # Errors
/// As [`update_critic`].
pub fn update_actor(
    learner: Learner<'_, Decoder>,
    batch: &Batch,
    schedule: &[Vec<usize>],
    settings: &UpdateSettings,
) -> anyhow::Result<Metrics> {
    const NAMES: [&str; 5] = ["pg_loss", "pg_clipfrac", "ppo_kl", "entropy_loss", "kl_loss"];
    const TERMS: [&str; 5] = [
        THE_LOSS,
        "a clip fraction",
        "the divergence from before the update",
        "the entropy",
        "the divergence from the reference",
    ];
    let Learner { model: actor, optimizer, guard, rate } = learner;
    let spec = &settings.loss;
    let pull = spec.kl.zip(batch.reference.as_ref());
    let reported = if pull.is_some() { 5 } else { 4 };
    let entropy = if spec.entropy > 0.0 { Entropy::Learnt } else { Entropy::Reported };
    let mut sums = Sums::default();
    for rows in schedule {
        let step = MiniBatch::new(batch, rows, settings.micro);
        let aggregator = Aggregator::new(spec.aggregation, &step.lengths(rows), spec.longest);
        optimizer.zero_grad()?;
        for (rows, packed) in step.micro_batches(actor.device()) {
            let (old, advantages) = (packed.pick(&batch.old_log_probs), packed.pick(&batch.advantages));
            let weights = aggregator.weights(&step.lengths(rows)).map(|weights| weights.to_device(actor.device()));
            let reference = pull.map(|(pull, reference)| (pull, packed.pick(reference)));
            let correction = batch.weights.as_ref().map(|weights| packed.pick(weights));
            actor.learn(&packed, settings.temperature, entropy, |Prediction { log_probs, entropy }, span| {
                let policy = losses::policy(log_probs, &span.of(&old), &span.of(&advantages), spec.clip);
                let policy_loss = match &correction {
                    Some(correction) => &policy.loss * span.of(correction),
                    None => policy.loss,
                };
                let mut loss = &policy_loss - entropy * spec.entropy;
                let mut said = vec![&policy_loss, &policy.clipped, &policy.kl, entropy];
                let divergence;
                if let Some((pull, reference)) = &reference {
                    divergence = kl::estimate(pull.estimator, log_probs, &span.of(reference));
                    loss += &divergence * pull.coefficient;
                    said.push(&divergence);
                }
                sums.add(&said);
                aggregator.sum(&loss, weights.as_ref().map(|weights| span.of(weights)).as_ref())
            })?;
        }
        let norm = optimizer.clip_grad_norm(settings.max_grad_norm)?;
        if sums.admit(guard, settings.step, &TERMS[..reported], norm)? {
            optimizer.step(rate)?;
        }
    }
    optimizer.zero_grad()?;
    let mut metrics = sums.into_metrics("actor", &NAMES[..reported]);
    metrics.set("actor/lr", rate);
    Ok(metrics)
}

/// The samples of one optimiser step.
struct MiniBatch<'a> {
    whole: &'a Batch,
    micro: Vec<Vec<usize>>,
}

impl<'a> MiniBatch<'a> {
    fn new(batch: &'a Batch, rows: &[usize], micro: MicroBatches) -> Self {
        Self { whole: batch, micro: micro_batches(&batch.sequences, rows, micro) }
    }

    /// Tokens of the answers at these rows.
    fn lengths(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|row| self.whole.sequences[*row].answer().len()).collect()
    }

    fn micro_batches(&self, device: tch::Device) -> impl Iterator<Item = (&[usize], Packed)> {
        let columns = longest_answer(&self.whole.sequences);
        self.micro.iter().map(move |rows| (rows.as_slice(), Packed::of(&self.whole.sequences, rows, columns, device)))
    }
}

const THE_LOSS: &str = "the loss";

/// Sums over tokens of everything reported, of the updates that were made.
#[derive(Default)]
struct Sums {
    /// Of the update under way, on the device.
    by_micro_batch: Vec<Tensor>,
    tokens_under_way: f64,
    totals: Vec<f64>,
    tokens: f64,
    grad_norms: Vec<f64>,
}

impl Sums {
    fn add(&mut self, values: &[&Tensor]) {
        let sums: Vec<Tensor> = values.iter().map(|value| value.detach().sum(Kind::Float)).collect();
        self.by_micro_batch.push(Tensor::stack(&sums, 0));
        self.tokens_under_way += values[0].numel() as f64;
    }

    /// Whether the update under way is to be made. `terms` are names for messages, in the order of what was added.
    fn admit(&mut self, guard: &mut Guard, step: u64, terms: &[&'static str], grad_norm: f64) -> anyhow::Result<bool> {
        let sums = Tensor::stack(&std::mem::take(&mut self.by_micro_batch), 0);
        let sums = sums.sum_dim_intlist([0].as_slice(), false, Kind::Double);
        let sums: Vec<f64> = Vec::try_from(sums)?;
        let tokens = std::mem::take(&mut self.tokens_under_way);
        let mut named: Vec<(&'static str, f64)> = terms.iter().copied().zip(sums.iter().copied()).collect();
        named.push(("the norm of the gradient", grad_norm));
        if !guard.admits(step, &named)? {
            return Ok(false);
        }
        self.totals.resize(terms.len(), 0.0);
        self.totals.iter_mut().zip(&sums).for_each(|(total, sum)| *total += sum);
        self.tokens += tokens;
        self.grad_norms.push(grad_norm);
        Ok(true)
    }

    /// Means over all tokens of all epochs, and the mean norm of gradients before clipping; nothing where every update was
    /// skipped.
    fn into_metrics(self, group: &str, names: &[&str]) -> Metrics {
        let mut metrics = Metrics::default();
        if self.grad_norms.is_empty() {
            return metrics;
        }
        for (name, total) in names.iter().zip(&self.totals) {
            metrics.set(format!("{group}/{name}"), total / self.tokens);
        }
        metrics.set(format!("{group}/grad_norm"), self.grad_norms.iter().sum::<f64>() / self.grad_norms.len() as f64);
        metrics
    }
}

#[cfg(test)]
mod tests {
    use real_crds::config::LossAggregation;
    use tch::Device;

    use super::*;
    use crate::model::ModelConfig;
    use crate::optim::AdamWConfig;
    use crate::ppo::experience;
    use crate::sequences::Sequence;
    use crate::train::seeds::{Purpose, stream};

    const SETTINGS: UpdateSettings = UpdateSettings {
        step: 1,
        micro: MicroBatches::Sequences(2),
        temperature: 1.0,
        loss: PolicyLossSpec {
            clip: losses::Clip { low: 0.2, high: 0.2, dual: Some(3.0) },
            aggregation: LossAggregation::TokenMean,
            longest: 3,
            kl: None,
            entropy: 0.0,
        },
        value_clip: 0.5,
        max_grad_norm: 1.0,
    };

    fn decoder() -> Decoder {
        let config: ModelConfig = serde_json::from_value(serde_json::json!({
            "model_type": "qwen2", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 2, "vocab_size": 11, "tie_word_embeddings": true, "initializer_range": 0.2,
        }))
        .expect("a configuration");
        Decoder::random(config, 3, Device::Cpu)
    }

    /// Three answers: one good, one bad, one as expected; the critic should say 1 everywhere.
    fn batch(actor: &Decoder, critic: &ValueModel) -> Batch {
        let sequences =
            vec![Sequence::new(&[1, 2], &[3, 4, 5]), Sequence::new(&[2], &[6, 7]), Sequence::new(&[1, 9, 8], &[10])];
        let old_log_probs = experience::log_probs(actor, &sequences, SETTINGS.micro, 1.0);
        let old_values = Some(experience::values(critic, &sequences, SETTINGS.micro));
        let advantages = Tensor::from_slice2(&[[1.0_f32; 3], [-1.0; 3], [0.0; 3]]);
        let returns = advantages.ones_like();
        Batch { sequences, old_log_probs, reference: None, old_values, advantages, returns, weights: None }
    }

    #[test]
    fn the_actor_moves_towards_good_answers_and_away_from_bad_ones() {
        let actor = decoder();
        let batch = batch(&actor, &ValueModel::new(actor.deep_copy()));
        let mut optimizer = AdamW::new(actor.named_parameters(), AdamWConfig::default());
        let mut guard = Guard::new("actor", 0);
        let learner = Learner { model: &actor, optimizer: &mut optimizer, guard: &mut guard, rate: 1e-2 };
        let metrics = update_actor(learner, &batch, &[vec![0, 1, 2]], &SETTINGS).expect("an update");
        let moved = experience::log_probs(&actor, &batch.sequences, SETTINGS.micro, 1.0) - &batch.old_log_probs;
        let by_answer: Vec<f64> =
            Vec::try_from(moved.sum_dim_intlist([1].as_slice(), false, Kind::Double)).expect("rows");
        assert!(by_answer[0] > 0.01 && by_answer[1] < -0.01, "{by_answer:?}");
        // Before the only step the ratio is 1: nothing is clipped, and the loss is the mean of minus the advantages.
        assert_eq!(metrics.get("actor/pg_clipfrac"), Some(0.0));
        assert!((metrics.get("actor/pg_loss").expect("a loss") - -1.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn the_critic_moves_towards_the_returns_and_says_how_much_was_clipped() {
        let critic = ValueModel::new(decoder());
        let batch = batch(critic.backbone(), &critic);
        let mut optimizer = AdamW::new(critic.named_parameters(), AdamWConfig::default());
        let steps = vec![vec![0, 1, 2]; 60];
        let mut guard = Guard::new("critic", 0);
        let learner = Learner { model: &critic, optimizer: &mut optimizer, guard: &mut guard, rate: 1e-2 };
        let metrics = update_critic(learner, &batch, &steps, &SETTINGS).expect("an update");
        let values = experience::values(&critic, &batch.sequences, SETTINGS.micro);
        let counted = values.masked_select(&batch.old_log_probs.ne(0.0));
        let (least, most) = (counted.min().double_value(&[]), counted.max().double_value(&[]));
        assert!(least > 0.4 && most < 1.3, "values from {least} to {most}, on the way from 0 to 1");
        // Beyond 0.5 from the old values the clipped branch is the larger one.
        assert!(metrics.get("critic/vf_clipfrac").expect("a share") > 0.0);
    }

    #[test]
    fn a_weight_of_a_token_is_a_factor_of_its_loss_and_of_nothing_else() {
        let actor = decoder();
        let mut batch = batch(&actor, &ValueModel::new(actor.deep_copy()));
        let mut learn = |weights: Option<Tensor>| {
            batch.weights = weights;
            let actor = actor.deep_copy();
            let mut optimizer = AdamW::new(actor.named_parameters(), AdamWConfig::default());
            let mut guard = Guard::new("actor", 0);
            let learner = Learner { model: &actor, optimizer: &mut optimizer, guard: &mut guard, rate: 1e-2 };
            let metrics = update_actor(learner, &batch, &[vec![0, 1, 2]], &SETTINGS).expect("an update");
            ["pg_loss", "grad_norm", "ppo_kl", "entropy_loss"]
                .map(|name| metrics.get(&format!("actor/{name}")).expect(name))
        };
        let plain = learn(None);
        let halved = learn(Some(Tensor::full([3, 3], 0.5, (Kind::Float, Device::Cpu))));
        assert!(
            (halved[0] - plain[0] / 2.0).abs() < 1e-6 && (halved[1] / plain[1] - 0.5).abs() < 1e-4,
            "{plain:?} {halved:?}"
        );
        assert!((halved[3] - plain[3]).abs() < 1e-9);
        // Of the answers with advantages 1 (three tokens) and −1 (two) the second counts nothing.
        let first = Tensor::from_slice2(&[[1.0_f32; 3], [0.0; 3], [1.0; 3]]);
        assert!((learn(Some(first))[0] + 0.5).abs() < 1e-6);
    }

    #[test]
    fn an_update_whose_loss_is_not_finite_changes_nothing_and_the_others_of_the_step_are_made() {
        let actor = decoder();
        let mut batch = batch(&actor, &ValueModel::new(actor.deep_copy()));
        // The second answer's advantage is no number.
        batch.advantages = Tensor::from_slice2(&[[1.0_f32; 3], [f32::NAN; 3], [0.5; 3]]);
        let mut optimizer = AdamW::new(actor.named_parameters(), AdamWConfig::default());
        let mut guard = Guard::new("actor", 1);
        let learner = Learner { model: &actor, optimizer: &mut optimizer, guard: &mut guard, rate: 1e-2 };
        let metrics = update_actor(learner, &batch, &[vec![1], vec![0]], &SETTINGS).expect("one of two is skipped");
        assert_eq!(guard.take(1).0, 1);
        assert!((metrics.get("actor/pg_loss").expect("a loss") + 1.0).abs() < 1e-6, "of the first answer alone");
        let finite = |tensor: &Tensor| bool::try_from(tensor.detach().isfinite().all()).expect("a flag");
        assert!(actor.named_parameters().all(|(_, parameter)| finite(parameter)));
        assert!(optimizer.state().iter().all(|(_, tensor)| finite(tensor)), "moments neither");

        let before = actor.deep_copy();
        let learner = Learner { model: &actor, optimizer: &mut optimizer, guard: &mut guard, rate: 1e-2 };
        let error = update_actor(learner, &batch, &[vec![1], vec![1]], &SETTINGS).expect_err("two in a row");
        assert!(error.to_string().contains("step 1: the loss of the actor is NaN"), "{error}");
        let same = |(a, b): ((&str, &Tensor), (&str, &Tensor))| a.1.equal(b.1);
        assert!(actor.named_parameters().zip(before.named_parameters()).all(same), "nothing was changed");
    }

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
