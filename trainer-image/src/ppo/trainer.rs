//! One step of reinforcement learning after the other, by a [`Recipe`].

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use real_crds::config::{Normalization, Rollout};
use real_crds::progress::Phase;
use real_reward::monitor::Monitor;
use real_reward::normalize::{self, Moments};
use tch::{Device, Tensor};

use super::batch::{Batch, Experience};
use super::collect::{Collected, Collector};
use super::experience;
use super::mismatch::Mismatch;
use super::recipe::Recipe;
use super::report;
use super::rollout::{Answer, Roller};
use super::update::{Learner, UpdateSettings, schedule, update_actor, update_critic};
use crate::metrics::{Metrics, Stopwatch};
use crate::model::{Decoder, ValueModel};
use crate::optim::AdamW;
use crate::optim::guard::{Guard, first_not_finite};
use crate::optim::schedule::factor;
use crate::scoring::Scoring;
use crate::sequences::{Sequence, answer_mask};
use crate::tokenizer::Tokenizer;
use crate::train::algorithm::{Algorithm, StepReport, Surroundings};
use crate::train::data_order::DataOrder;
use crate::train::optimizer_state;
use crate::train::origin::{Origin, of_entries, of_weights};
use crate::train::seeds::{Purpose, stream};
use crate::train::state::State;
use crate::train::stop::Stop;
use crate::train::tasks::{Prompt, TaskSet};
use crate::weights::Files;

/// A run. What changes comes first: it is what checkpoints hold.
pub struct PolicyTrainer {
    // Learnt.
    actor: Decoder,
    actor_optimizer: AdamW,
    critic: Option<(ValueModel, AdamW)>,
    // Counted.
    order: DataOrder,
    rewards: Moments,
    actor_guard: Guard,
    critic_guard: Guard,
    monitor: Monitor,
    // Fixed.
    reference: Option<Decoder>,
    recipe: Recipe,
    limits: Rollout,
    normalization: normalize::Normalization,
    seed: u64,
    data: Vec<TaskSet>,
    tokenizer: Arc<Tokenizer>,
    scoring: Scoring,
    origin: Origin,
}

/// What a run starts from.
pub struct PolicyParts {
    /// The policy's starting point; also the reference, and the body of the critic.
    pub initial: Decoder,
    /// Training tasks.
    pub data: Vec<TaskSet>,
    /// Of the policy.
    pub tokenizer: Arc<Tokenizer>,
    /// Rewards.
    pub scoring: Scoring,
    /// The algorithm.
    pub recipe: Recipe,
    /// Length limits and sampling.
    pub limits: Rollout,
    /// Normalisation of rewards.
    pub normalization: Normalization,
    /// Seed of everything random.
    pub seed: u64,
}

impl PolicyTrainer {
    /// A run at step 0.
    pub fn new(parts: PolicyParts) -> Self {
        let PolicyParts { initial, data, tokenizer, scoring, recipe, limits, normalization, seed } = parts;
        let reference = recipe.reference.then(|| initial.frozen());
        let critic = recipe.critic.map(|_| {
            let critic = ValueModel::new(initial.deep_copy());
            let optimizer = AdamW::new(critic.named_parameters(), recipe.adamw);
            (critic, optimizer)
        });
        let sizes: Vec<(usize, f64)> = data.iter().map(|set| (set.prompts.len(), set.weight)).collect();
        let task = |prompt: &Prompt| serde_json::to_vec(&(&*prompt.task, &prompt.tokens)).unwrap_or_default();
        let origin = Origin {
            // What adapters belong to is looked at by itself.
            reference: reference.as_ref().filter(|_| !initial.has_adapters()).map(|_| of_weights(&initial)),
            data: data.iter().map(|set| of_entries(set.prompts.iter().map(task))).collect(),
        };
        Self {
            actor_optimizer: AdamW::new(initial.named_parameters(), recipe.adamw),
            actor: initial,
            critic,
            order: DataOrder::new(seed, &sizes),
            rewards: Moments::default(),
            actor_guard: Guard::new("actor", recipe.max_skipped_updates),
            critic_guard: Guard::new("critic", recipe.max_skipped_updates),
            monitor: Monitor::default(),
            reference,
            normalization: match normalization {
                Normalization::None => normalize::Normalization::None,
                Normalization::Batch => normalize::Normalization::Batch,
                Normalization::Running => normalize::Normalization::Running,
            },
            recipe,
            limits,
            seed,
            data,
            tokenizer,
            scoring,
            origin,
        }
    }

    /// Answers to a step's prompts; none where stopped meanwhile.
    fn collect(
        &mut self,
        step: u64,
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Collected>> {
        let roller = Roller {
            policy: &self.actor,
            tokenizer: &self.tokenizer,
            scoring: &self.scoring,
            limits: &self.limits,
            samples_per_prompt: self.recipe.samples_per_prompt as usize,
        };
        Collector { roller, recipe: &self.recipe, data: &self.data, seed: self.seed, step }.collect(
            &mut self.order,
            surroundings,
            watch,
        )
    }

    /// Puts models and advantages to a rollout: everything between scoring and learning. None where stopped meanwhile.
    fn rate(
        &self,
        answers: &[&Answer],
        scores: &[f64],
        greedy: Option<&[f64]>,
        stop: &Stop,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Rated>> {
        let sequences: Vec<Sequence> = answers.iter().map(|answer| answer.sequence.clone()).collect();
        let (micro, temperature) = (self.recipe.micro, self.limits.temperature);
        let log_probs =
            watch.time("old_log_prob", || experience::log_probs(&self.actor, &sequences, micro, temperature));
        if stop.requested() {
            return Ok(None);
        }
        let by_reference = |model| experience::log_probs(model, &sequences, micro, temperature);
        let reference = self.reference.as_ref().map(|model| watch.time("ref", || by_reference(model)));
        if stop.requested() {
            return Ok(None);
        }
        let by_critic = |critic| experience::values(critic, &sequences, micro);
        let values = self.critic.as_ref().map(|(critic, _)| watch.time("values", || by_critic(critic)));
        let mask = answer_mask(&sequences, self.actor.device());
        let mismatch = Mismatch::new(answers.iter().map(|answer| answer.log_probs.as_slice()), &log_probs, &mask)?;
        let mut of_rollout = mismatch.metrics();
        let weights = self.recipe.correction.map(|correction| {
            let (weights, metrics) = mismatch.weights(correction);
            of_rollout.extend(metrics);
            weights
        });
        let given = Tensor::from_slice(scores);
        let mut terms = vec![("a reward", &given), ("a log-probability", &log_probs)];
        terms.extend(reference.as_ref().map(|reference| ("a log-probability of the reference", reference)));
        terms.extend(values.as_ref().map(|values| ("a value of the critic", values)));
        let not_finite = first_not_finite(&terms);
        let to_device =
            |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(tch::Kind::Float).to_device(self.actor.device());
        let groups = answers.iter().map(|answer| answer.prompt).collect();
        let experience = Experience { mask, log_probs, reference, values, groups, greedy: greedy.map(to_device) };
        let (pull, estimator) = (self.recipe.reward_kl, self.recipe.estimator);
        let (mut batch, mut metrics) = watch.time("adv", || Batch::new(sequences, scores, experience, pull, estimator));
        batch.weights = weights;
        metrics.extend(of_rollout);
        let not_finite = not_finite
            .or_else(|| first_not_finite(&[("an advantage", &batch.advantages), ("a return", &batch.returns)]));
        Ok(Some(Rated { batch, metrics, not_finite }))
    }

    /// Steps in which the critic learns alone.
    fn critic_warmup(&self) -> u64 {
        self.recipe.critic.map_or(0, |critic| critic.warmup_steps)
    }

    /// Learning rates of the critic and the actor at a step; each warms up from the first step in which its model learns.
    fn learning_rates(&self, step: u64) -> (f64, f64) {
        let Recipe { steps, warmup_steps, schedule, learning_rate, critic, .. } = self.recipe;
        let alone = self.critic_warmup();
        let actor = match step.checked_sub(alone) {
            Some(step @ 1..) => factor(step, warmup_steps, steps - alone, schedule),
            _ => 0.0,
        };
        let of_critic = critic.map_or(0.0, |critic| critic.learning_rate);
        (factor(step, warmup_steps, steps, schedule) * of_critic, actor * learning_rate)
    }

    /// Learns from a rollout what is finite in it.
    fn update(
        &mut self,
        step: u64,
        rated: Rated,
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Metrics> {
        let Rated { batch, mut metrics, not_finite } = rated;
        let actor_learns = step > self.critic_warmup();
        if let Some(term) = not_finite {
            // It would reach every update: through the whitening at the latest.
            if self.critic.is_some() {
                self.critic_guard.admits(step, &[term])?;
            }
            if actor_learns {
                self.actor_guard.admits(step, &[term])?;
            }
        } else {
            let settings = UpdateSettings {
                step,
                micro: self.recipe.micro,
                temperature: self.limits.temperature,
                loss: self.recipe.loss,
                value_clip: self.recipe.critic.map_or(0.0, |critic| critic.clip_range),
                max_grad_norm: self.recipe.max_grad_norm,
            };
            let mut rng = stream(self.seed, Purpose::Update, &[step]);
            let samples = batch.sequences.len();
            let steps = schedule(samples, self.recipe.mini_batch_size as usize, self.recipe.epochs, &mut rng);
            let (critic_rate, actor_rate) = self.learning_rates(step);
            if let Some((critic, optimizer)) = &mut self.critic {
                let learner = Learner { model: &*critic, optimizer, guard: &mut self.critic_guard, rate: critic_rate };
                metrics.extend(watch.time("update_critic", || update_critic(learner, &batch, &steps, &settings))?);
            }
            if actor_learns {
                let (optimizer, guard) = (&mut self.actor_optimizer, &mut self.actor_guard);
                let learner = Learner { model: &self.actor, optimizer, guard, rate: actor_rate };
                metrics.extend(watch.time("update_actor", || update_actor(learner, &batch, &steps, &settings))?);
            }
        }
        if self.critic.is_some() {
            surroundings.skipped(&mut metrics, "critic", self.critic_guard.take(step));
        }
        if actor_learns {
            surroundings.skipped(&mut metrics, "actor", self.actor_guard.take(step));
        }
        Ok(metrics)
    }
}

/// A rollout that can be learnt from.
struct Rated {
    batch: Batch,
    metrics: Metrics,
    /// What in it is not finite, and its value.
    not_finite: Option<(&'static str, f64)>,
}

impl Algorithm for PolicyTrainer {
    fn name(&self) -> &'static str {
        self.recipe.name
    }

    fn policy(&self) -> &Decoder {
        &self.actor
    }

    fn step(&mut self, step: u64, surroundings: &Surroundings<'_>) -> anyhow::Result<Option<StepReport>> {
        let mut watch = Stopwatch::start();
        let before = self.order.state().clone();
        let collected = self.collect(step, surroundings, &mut watch)?;
        let Some(collected) = collected.filter(|_| !surroundings.stop.requested()) else {
            self.order.restore(&before)?;
            return Ok(None);
        };

        surroundings.progress.phase(Phase::Updating);
        let learnt_from = collected.learnt_from(self.recipe.overlong);
        anyhow::ensure!(
            !learnt_from.answers.is_empty(),
            "step {step}: there is no prompt of which both the greedy answer, the baseline, and another could be scored"
        );
        let (scores, rewards) = normalize::normalize(self.normalization, self.rewards, &learnt_from.rewards);
        let (scores, baselines) = scores.split_at(learnt_from.answers.len());
        let greedy = learnt_from.greedy(baselines);
        let rated = self.rate(&learnt_from.answers, scores, greedy.as_deref(), surroundings.stop, &mut watch)?;
        let Some(rated) = rated else {
            self.order.restore(&before)?;
            return Ok(None);
        };
        let finite = rated.not_finite.is_none();
        if finite {
            self.rewards = rewards;
        }
        let coefficient = self.recipe.kl_coefficient();
        let mut metrics = self.update(step, rated, surroundings, &mut watch)?;
        if let (Some(controller), Some(coefficient), true) = (self.recipe.kl_controller, coefficient, finite) {
            metrics.set("critic/kl_coeff", coefficient);
            let divergence = metrics.get("critic/kl").unwrap_or(controller.target);
            self.recipe.set_kl_coefficient(controller.steer(coefficient, divergence, learnt_from.answers.len()));
        }
        let Collected { answers, prompts, drawn, .. } = &collected;
        let alpha = self.scoring.alpha();
        report::describe(answers, self.limits.max_response_tokens, &mut metrics);
        report::watch_rewards(answers, alpha, &mut self.monitor, surroundings.progress, &mut metrics);
        report::pace(answers, &watch, &mut metrics);
        collected.describe(&learnt_from, &mut metrics);
        metrics.set("data/epoch", self.order.epoch());
        Ok(Some(StepReport { metrics, samples: report::samples(answers, prompts, &self.data, drawn, &self.tokenizer) }))
    }

    fn files(&self) -> anyhow::Result<Files> {
        let mut files = self.actor.files();
        optimizer_state::add(&mut files, &self.actor_optimizer, "actor");
        if let Some((critic, optimizer)) = &self.critic {
            files.below("critic", critic.files());
            optimizer_state::add(&mut files, optimizer, "critic");
        }
        let state = State {
            algorithm: self.name().into(),
            seed: self.seed,
            data_order: self.order.state().clone(),
            origin: Some(self.origin.clone()),
            rewards: Some(self.rewards),
            monitor: Some(self.monitor.clone()),
            kl_coefficient: self.recipe.kl_controller.and(self.recipe.kl_coefficient()),
        };
        state.add(&mut files)?;
        Ok(files)
    }

    fn load(&mut self, folder: &Path, surroundings: &Surroundings<'_>) -> anyhow::Result<()> {
        let (device, compute): (Device, _) = (self.actor.device(), self.actor.compute());
        let checkpointing = self.actor.checkpointing();
        let state = State::load(folder, self.name(), self.seed)?;
        self.order.restore(&state.data_order)?;
        state.compare(&self.origin, surroundings);
        self.rewards =
            state.rewards.with_context(|| format!("state.json of a {} run has moments of rewards", self.name()))?;
        self.monitor = state.monitor.unwrap_or_default();
        if let (Some(_), Some(coefficient)) = (self.recipe.kl_controller, state.kl_coefficient) {
            self.recipe.set_kl_coefficient(coefficient);
        }
        self.actor = if let Some(actor) = self.actor.with_saved_adapters(folder)? {
            actor
        } else {
            let place = folder.to_path_buf();
            let actor = surroundings.stop.unless_requested(move || Decoder::load(&place, device))??;
            actor.with_compute(compute).with_checkpointing(checkpointing)
        };
        self.actor_optimizer = AdamW::new(self.actor.named_parameters(), self.recipe.adamw);
        optimizer_state::load(&mut self.actor_optimizer, folder, "actor", device, surroundings.stop)?;
        if let Some((critic, optimizer)) = &mut self.critic {
            let place = folder.join("critic");
            *critic = if let Some(loaded) = critic.with_saved_adapters(&place)? {
                loaded
            } else {
                let loaded = surroundings.stop.unless_requested(move || ValueModel::load(&place, device))??;
                loaded.with_compute(compute).with_checkpointing(checkpointing)
            };
            *optimizer = AdamW::new(critic.named_parameters(), self.recipe.adamw);
            optimizer_state::load(optimizer, folder, "critic", device, surroundings.stop)?;
        }
        Ok(())
    }
}
