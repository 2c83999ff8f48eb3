//! One SFT step after the other.

use std::path::Path;

use anyhow::Context as _;
use real_crds::config::{Dataset, Sft};
use real_crds::progress::Phase;
use tch::{Kind, Tensor};

use crate::metrics::{Metrics, Stopwatch};
use crate::model::{Decoder, Entropy};
use crate::optim::guard::Guard;
use crate::optim::schedule::factor;
use crate::optim::{AdamW, AdamWConfig};
use crate::sequences::{MicroBatches, Packed, Sequence, longest_answer, micro_batches};
use crate::train::algorithm::{Algorithm, StepReport, Surroundings};
use crate::train::data_order::DataOrder;
use crate::train::optimizer_state;
use crate::train::origin::{Origin, of_entries};
use crate::train::state::State;
use crate::train::tasks::Loader;
use crate::weights::Files;

/// Demonstrations of one data set as tokens.
pub struct DemonstrationSet {
    /// Relative weight when batches are drawn.
    pub weight: f64,
    /// Prompts with answers.
    pub sequences: Vec<Sequence>,
}

impl DemonstrationSet {
    /// Loads a data set; demonstrations longer than the limits are left out, which is told. At least one has to be left.
    /// Each ends with the token that ends a turn.
    ///
    /// # Errors
    /// The data set cannot be loaded or used, or someone asked to stop.
    pub fn load(dataset: &Dataset, loader: &Loader<'_>) -> anyhow::Result<Self> {
        let place = || format!("data set {}", dataset.name);
        let (tokenizer, limits) = (loader.tokenizer, loader.limits);
        let demonstrations = loader.read(dataset, real_datasets::load_demonstrations)?;
        let all = demonstrations.len();
        let (mut long_prompts, mut long_answers) = (0, 0);
        let mut sequences = Vec::with_capacity(all);
        for demonstration in demonstrations {
            loader.surroundings.stop.check()?;
            let prompt = tokenizer.chat(&demonstration.prompt).with_context(place)?;
            let mut answer = tokenizer.encode(&demonstration.response).with_context(place)?;
            answer.push(tokenizer.end_of_turn());
            if prompt.len() as u64 > limits.max_prompt_tokens {
                long_prompts += 1;
            } else if answer.len() as u64 > limits.max_response_tokens {
                long_answers += 1;
            } else {
                let sequence = Sequence::new(&prompt, &answer);
                loader.check_known(&sequence.tokens).with_context(place)?;
                sequences.push(sequence);
            }
        }
        anyhow::ensure!(
            !sequences.is_empty(),
            "data set {} ({}): none of its {all} demonstrations has at most {} tokens of prompt and {} of answer; raise \
             maxPromptTokens or maxResponseTokens",
            dataset.name,
            dataset.uri,
            limits.max_prompt_tokens,
            limits.max_response_tokens
        );
        if sequences.len() < all {
            let message = format!(
                "data set {}: {} of {all} demonstrations are left out: {long_prompts} with prompts of more than {} tokens \
                 (maxPromptTokens), {long_answers} with answers of more than {} (maxResponseTokens)",
                dataset.name,
                all - sequences.len(),
                limits.max_prompt_tokens,
                limits.max_response_tokens
            );
            loader.surroundings.progress.warn("DataLeftOut", message);
        }
        Ok(Self { weight: dataset.weight, sequences })
    }
}

/// An SFT run. What changes comes first: it is what checkpoints hold.
pub struct SftTrainer {
    // Learnt.
    model: Decoder,
    optimizer: AdamW,
    // Counted.
    order: DataOrder,
    guard: Guard,
    // Fixed.
    data: Vec<DemonstrationSet>,
    settings: Sft,
    seed: u64,
    origin: Origin,
}

impl SftTrainer {
    /// A run at step 0.
    pub fn new(model: Decoder, data: Vec<DemonstrationSet>, settings: Sft, seed: u64) -> Self {
        let sizes: Vec<(usize, f64)> = data.iter().map(|set| (set.sequences.len(), set.weight)).collect();
        let tokens =
            |sequence: &Sequence| sequence.tokens.iter().flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>();
        let origin = Origin {
            reference: None,
            data: data.iter().map(|set| of_entries(set.sequences.iter().map(tokens))).collect(),
        };
        let optimizer = AdamW::new(model.named_parameters(), adamw(&settings));
        let guard = Guard::new("actor", settings.max_skipped_updates);
        Self { model, optimizer, order: DataOrder::new(seed, &sizes), guard, data, settings, seed, origin }
    }
}

impl Algorithm for SftTrainer {
    fn name(&self) -> &'static str {
        "sft"
    }

    fn policy(&self) -> &Decoder {
        &self.model
    }

    fn step(&mut self, step: u64, surroundings: &Surroundings<'_>) -> anyhow::Result<Option<StepReport>> {
        surroundings.progress.phase(Phase::Updating);
        let watch = Stopwatch::start();
        let before = self.order.state().clone();
        let drawn = self.order.next_batch(self.settings.batch_size as usize);
        let batch: Vec<Sequence> = drawn.iter().map(|(set, index)| self.data[*set].sequences[*index].clone()).collect();
        let (rows, columns) = ((0..batch.len()).collect::<Vec<_>>(), longest_answer(&batch));
        let targets: usize = batch.iter().map(|sequence| sequence.answer().len()).sum();

        let micro = MicroBatches::new(self.settings.micro_batch_size, self.settings.micro_batch_tokens);
        self.optimizer.zero_grad()?;
        let mut losses = Vec::new();
        for rows in micro_batches(&batch, &rows, micro) {
            if surroundings.stop.requested() {
                self.order.restore(&before)?;
                return Ok(None);
            }
            let packed = Packed::of(&batch, &rows, columns, self.model.device());
            self.model.learn(&packed, 1.0, Entropy::Unused, |prediction, _| {
                let loss = -prediction.log_probs.sum(Kind::Float) / targets as f64;
                losses.push(loss.detach());
                loss
            })?;
        }
        let grad_norm = self.optimizer.clip_grad_norm(self.settings.max_grad_norm)?;
        let settings = &self.settings;
        let rate = settings.learning_rate * factor(step, settings.warmup_steps, settings.steps, settings.schedule);
        let loss = Tensor::stack(&losses, 0).sum(Kind::Float).double_value(&[]);
        if self.guard.admits(step, &[("the loss", loss), ("the norm of the gradient", grad_norm)])? {
            self.optimizer.step(rate)?;
        }
        self.optimizer.zero_grad()?;

        let tokens: usize = batch.iter().map(|sequence| sequence.tokens.len()).sum();
        let mut metrics = Metrics::default();
        surroundings.skipped(&mut metrics, "actor", self.guard.take(step));
        metrics.set("train/loss", loss);
        metrics.set("train/lr", rate);
        metrics.set("train/grad_norm", grad_norm);
        metrics.set("data/epoch", self.order.epoch());
        metrics.set("perf/total_num_tokens", tokens as f64);
        metrics.set("perf/throughput", tokens as f64 / watch.seconds());
        metrics.set("perf/time_per_step", watch.seconds());
        metrics.set("timing_s/step", watch.seconds());
        Ok(Some(StepReport { metrics, samples: Vec::new() }))
    }

    fn files(&self) -> anyhow::Result<Files> {
        let mut files = self.model.files();
        optimizer_state::add(&mut files, &self.optimizer, "actor");
        let data_order = self.order.state().clone();
        State {
            algorithm: self.name().into(),
            seed: self.seed,
            data_order,
            origin: Some(self.origin.clone()),
            rewards: None,
            monitor: None,
            kl_coefficient: None,
        }
        .add(&mut files)?;
        Ok(files)
    }

    fn load(&mut self, folder: &Path, surroundings: &Surroundings<'_>) -> anyhow::Result<()> {
        let (device, compute) = (self.model.device(), self.model.compute());
        let state = State::load(folder, self.name(), self.seed)?;
        self.order.restore(&state.data_order)?;
        state.compare(&self.origin, surroundings);
        let checkpointing = self.model.checkpointing();
        self.model = if let Some(model) = self.model.with_saved_adapters(folder)? {
            model
        } else {
            let place = folder.to_path_buf();
            let model = surroundings.stop.unless_requested(move || Decoder::load(&place, device))??;
            model.with_compute(compute).with_checkpointing(checkpointing)
        };
        self.optimizer = AdamW::new(self.model.named_parameters(), adamw(&self.settings));
        optimizer_state::load(&mut self.optimizer, folder, "actor", device, surroundings.stop)
    }
}

fn adamw(settings: &Sft) -> AdamWConfig {
    AdamWConfig { betas: settings.betas, weight_decay: settings.weight_decay, ..AdamWConfig::default() }
}
