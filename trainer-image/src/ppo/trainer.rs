//! One PPO step after the other.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use real_crds::config::{Normalization, Ppo, Rollout};
use real_crds::progress::Phase;
use real_reward::monitor::Monitor;
use real_reward::normalize::{self, Moments};
use tch::{Device, Tensor};

use super::advantage::{Estimator, Gae};
use super::batch::{Batch, Experience};
use super::experience;
use super::mismatch;
use super::report;
use super::rollout::{Answer, Roller};
use super::update::{Learner, UpdateSettings, schedule, update_actor, update_critic};
use crate::metrics::{Metrics, Stopwatch};
use crate::model::{Decoder, ValueModel};
use crate::optim::guard::{Guard, first_not_finite};
use crate::optim::schedule::factor;
use crate::optim::{AdamW, AdamWConfig};
use crate::scoring::Scoring;
use crate::sequences::{Sequence, answer_mask};
use crate::tokenizer::Tokenizer;
use crate::train::algorithm::{Algorithm, StepReport, Surroundings};
use crate::train::data_order::DataOrder;
use crate::train::optimizer_state;
use crate::train::seeds::{Purpose, derived, stream};
use crate::train::state::State;
use crate::train::stop::Stop;
use crate::train::tasks::{Prompt, TaskSet};

/// How often a step is tried whose every answer was dropped, before the run fails.
const ATTEMPTS: u64 = 3;

/// A PPO run. What changes comes first: it is what checkpoints hold.
pub struct PpoTrainer {
    // Learnt.
    actor: Decoder,
    critic: ValueModel,
    actor_optimizer: AdamW,
    critic_optimizer: AdamW,
    // Counted.
    order: DataOrder,
    rewards: Moments,
    actor_guard: Guard,
    critic_guard: Guard,
    monitor: Monitor,
    // Fixed.
    reference: Decoder,
    estimator: Box<dyn Estimator>,
    settings: Ppo,
    limits: Rollout,
    normalization: normalize::Normalization,
    seed: u64,
    data: Vec<TaskSet>,
    tokenizer: Arc<Tokenizer>,
    scoring: Scoring,
}

/// What a PPO run starts from.
pub struct PpoParts {
    /// The policy's starting point; also the reference, and the body of the critic.
    pub initial: Decoder,
    /// Training tasks.
    pub data: Vec<TaskSet>,
    /// Of the policy.
    pub tokenizer: Arc<Tokenizer>,
    /// Rewards.
    pub scoring: Scoring,
    /// Hyperparameters.
    pub settings: Ppo,
    /// Length limits and sampling.
    pub limits: Rollout,
    /// Normalisation of rewards.
    pub normalization: Normalization,
    /// Seed of everything random.
    pub seed: u64,
}

impl PpoTrainer {
    /// A run at step 0.
    pub fn new(parts: PpoParts) -> Self {
        let PpoParts { initial, data, tokenizer, scoring, settings, limits, normalization, seed } = parts;
        let reference = initial.deep_copy();
        let critic = ValueModel::new(initial.deep_copy());
        let sizes: Vec<(usize, f64)> = data.iter().map(|set| (set.prompts.len(), set.weight)).collect();
        Self {
            actor_optimizer: AdamW::new(initial.named_parameters(), adamw(&settings)),
            critic_optimizer: AdamW::new(critic.named_parameters(), adamw(&settings)),
            actor: initial,
            critic,
            order: DataOrder::new(seed, &sizes),
            rewards: Moments::default(),
            actor_guard: Guard::new("actor", settings.max_skipped_updates),
            critic_guard: Guard::new("critic", settings.max_skipped_updates),
            monitor: Monitor::default(),
            reference,
            estimator: Box::new(Gae {
                gamma: settings.gamma,
                lambda: settings.gae_lambda,
                whiten: settings.whiten_advantages,
            }),
            normalization: match normalization {
                Normalization::None => normalize::Normalization::None,
                Normalization::Batch => normalize::Normalization::Batch,
                Normalization::Running => normalize::Normalization::Running,
            },
            settings,
            limits,
            seed,
            data,
            tokenizer,
            scoring,
        }
    }

    /// Answers to the step's prompts of which at least one has a reward; none where stopped meanwhile.
    fn rollout(
        &self,
        step: u64,
        prompts: &[Prompt],
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Vec<Answer>>> {
        let roller = Roller {
            policy: &self.actor,
            tokenizer: &self.tokenizer,
            scoring: &self.scoring,
            limits: &self.limits,
            samples_per_prompt: self.settings.samples_per_prompt as usize,
        };
        let test_seeds: Vec<u64> =
            (0..prompts.len() as u64).map(|i| derived(self.seed, Purpose::Tests, &[step, i])).collect();
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let seed = derived(self.seed, Purpose::Rollout, &[step, attempt]);
            let Some(answers) = roller.roll(prompts, seed, &test_seeds, surroundings, watch)? else { return Ok(None) };
            if answers.iter().any(|answer| answer.outcome.is_ok()) {
                return Ok(Some(answers));
            }
            last = answers.iter().find_map(|a| Some(a.outcome.as_ref().err()?.to_string())).unwrap_or_default();
            let message =
                format!("step {step}: no answer could be scored (attempt {} of {ATTEMPTS}): {last}", attempt + 1);
            surroundings.progress.warn("AnswersDropped", message);
        }
        anyhow::bail!(
            "step {step}: none of {} answers could be scored in {ATTEMPTS} attempts; the last reason: {last}; see whether \
             the services at {} are up",
            prompts.len() as u64 * self.settings.samples_per_prompt,
            self.scoring.services()
        )
    }

    /// Puts models and advantages to a rollout: everything between scoring and learning. None where stopped meanwhile.
    fn rate(
        &self,
        answers: &[&Answer],
        scores: &[f64],
        stop: &Stop,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Rated>> {
        let sequences: Vec<Sequence> = answers.iter().map(|answer| answer.sequence.clone()).collect();
        let (micro, temperature) = (self.settings.micro_batch_size as usize, self.limits.temperature);
        let log_probs =
            watch.time("old_log_prob", || experience::log_probs(&self.actor, &sequences, micro, temperature));
        if stop.requested() {
            return Ok(None);
        }
        let reference = watch.time("ref", || experience::log_probs(&self.reference, &sequences, micro, temperature));
        if stop.requested() {
            return Ok(None);
        }
        let values = watch.time("values", || experience::values(&self.critic, &sequences, micro));
        let mask = answer_mask(&sequences, self.actor.device());
        let mismatch = mismatch::metrics(answers.iter().map(|answer| answer.log_probs.as_slice()), &log_probs, &mask)?;
        let given = Tensor::from_slice(scores);
        let not_finite = first_not_finite(&[
            ("a reward", &given),
            ("a log-probability", &log_probs),
            ("a log-probability of the reference", &reference),
            ("a value of the critic", &values),
        ]);
        let experience = Experience { mask, log_probs, reference, values };
        let (batch, mut metrics) = watch.time("adv", || {
            Batch::new(sequences, scores, experience, self.settings.kl_coefficient, self.estimator.as_ref())
        });
        metrics.extend(mismatch);
        let not_finite = not_finite
            .or_else(|| first_not_finite(&[("an advantage", &batch.advantages), ("a return", &batch.returns)]));
        Ok(Some(Rated { batch, metrics, not_finite }))
    }

    /// Learning rates of the critic and the actor at a step; each warms up from the first step in which its model learns.
    fn learning_rates(&self, step: u64) -> (f64, f64) {
        let Ppo { steps, warmup_steps, critic_warmup_steps, schedule, .. } = self.settings;
        let critic = factor(step, warmup_steps, steps, schedule);
        let actor = match step.checked_sub(critic_warmup_steps) {
            Some(step @ 1..) => factor(step, warmup_steps, steps - critic_warmup_steps, schedule),
            _ => 0.0,
        };
        (critic * self.settings.critic_learning_rate, actor * self.settings.actor_learning_rate)
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
        let actor_learns = step > self.settings.critic_warmup_steps;
        if let Some(term) = not_finite {
            // It would reach every update: through the whitening at the latest.
            self.critic_guard.admits(step, &[term])?;
            if actor_learns {
                self.actor_guard.admits(step, &[term])?;
            }
        } else {
            let settings = UpdateSettings {
                step,
                micro_batch: self.settings.micro_batch_size as usize,
                temperature: self.limits.temperature,
                clip: self.settings.clip_range,
                value_clip: self.settings.value_clip_range,
                entropy: self.settings.entropy_coefficient,
                max_grad_norm: self.settings.max_grad_norm,
            };
            let mut rng = stream(self.seed, Purpose::Update, &[step]);
            let samples = batch.sequences.len();
            let steps = schedule(samples, self.settings.mini_batch_size as usize, self.settings.epochs, &mut rng);
            let (critic_rate, actor_rate) = self.learning_rates(step);
            let (optimizer, guard) = (&mut self.critic_optimizer, &mut self.critic_guard);
            let learner = Learner { model: &self.critic, optimizer, guard, rate: critic_rate };
            metrics.extend(watch.time("update_critic", || update_critic(learner, &batch, &steps, &settings))?);
            if actor_learns {
                let (optimizer, guard) = (&mut self.actor_optimizer, &mut self.actor_guard);
                let learner = Learner { model: &self.actor, optimizer, guard, rate: actor_rate };
                metrics.extend(watch.time("update_actor", || update_actor(learner, &batch, &steps, &settings))?);
            }
        }
        surroundings.skipped(&mut metrics, "critic", self.critic_guard.take(step));
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

impl Algorithm for PpoTrainer {
    fn name(&self) -> &'static str {
        "ppo"
    }

    fn policy(&self) -> &Decoder {
        &self.actor
    }

    fn step(&mut self, step: u64, surroundings: &Surroundings<'_>) -> anyhow::Result<Option<StepReport>> {
        let mut watch = Stopwatch::start();
        let before = self.order.state().clone();
        let drawn = self.order.next_batch(self.settings.batch_size as usize);
        let prompts: Vec<Prompt> = drawn.iter().map(|(set, index)| self.data[*set].prompts[*index].clone()).collect();
        let rollout = self.rollout(step, &prompts, surroundings, &mut watch)?;
        let Some(answers) = rollout.filter(|_| !surroundings.stop.requested()) else {
            self.order.restore(&before)?;
            return Ok(None);
        };

        surroundings.progress.phase(Phase::Updating);
        let kept: Vec<&Answer> = answers.iter().filter(|answer| answer.outcome.is_ok()).collect();
        let raw: Vec<f64> = kept.iter().filter_map(|answer| Some(answer.scored()?.reward)).collect();
        let (scores, rewards) = normalize::normalize(self.normalization, self.rewards, &raw);
        let Some(rated) = self.rate(&kept, &scores, surroundings.stop, &mut watch)? else {
            self.order.restore(&before)?;
            return Ok(None);
        };
        if rated.not_finite.is_none() {
            self.rewards = rewards;
        }
        let mut metrics = self.update(step, rated, surroundings, &mut watch)?;
        let alpha = self.scoring.alpha();
        report::describe(&answers, self.limits.max_response_tokens, &mut metrics);
        report::watch_rewards(&answers, alpha, &mut self.monitor, surroundings.progress, &mut metrics);
        report::pace(&answers, &watch, &mut metrics);
        metrics.set("data/epoch", self.order.epoch());
        Ok(Some(StepReport {
            metrics,
            samples: report::samples(&answers, &prompts, &self.data, &drawn, &self.tokenizer),
        }))
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        self.actor.save(folder)?;
        self.critic.save(&folder.join("critic"))?;
        optimizer_state::save(&self.actor_optimizer, folder, "actor")?;
        optimizer_state::save(&self.critic_optimizer, folder, "critic")?;
        let state = State {
            algorithm: self.name().into(),
            seed: self.seed,
            data_order: self.order.state().clone(),
            rewards: Some(self.rewards),
        };
        state.save(folder)
    }

    fn load(&mut self, folder: &Path) -> anyhow::Result<()> {
        let (device, compute): (Device, _) = (self.actor.device(), self.actor.compute());
        let state = State::load(folder, self.name(), self.seed)?;
        self.order.restore(&state.data_order)?;
        self.rewards = state.rewards.context("state.json of a PPO run has moments of rewards")?;
        self.actor = Decoder::load(folder, device)?.with_compute(compute);
        self.critic = ValueModel::load(&folder.join("critic"), device)?.with_compute(compute);
        self.actor_optimizer = AdamW::new(self.actor.named_parameters(), adamw(&self.settings));
        self.critic_optimizer = AdamW::new(self.critic.named_parameters(), adamw(&self.settings));
        optimizer_state::load(&mut self.actor_optimizer, folder, "actor", device)?;
        optimizer_state::load(&mut self.critic_optimizer, folder, "critic", device)
    }
}

fn adamw(settings: &Ppo) -> AdamWConfig {
    AdamWConfig { betas: settings.betas, weight_decay: settings.weight_decay, ..AdamWConfig::default() }
}
