//! The answers that a step learns from: rolled out, scored, and drawn anew where nothing can be learnt from them.

use std::collections::BTreeMap;

use super::recipe::{Overlong, Recipe};
use super::rollout::{Answer, Roller};
use crate::metrics::{Metrics, Stopwatch};
use crate::train::algorithm::Surroundings;
use crate::train::data_order::DataOrder;
use crate::train::seeds::{Purpose, derived};
use crate::train::tasks::{Prompt, TaskSet};

/// How often prompts are tried all of whose answers were dropped, before the run fails.
const ATTEMPTS: u64 = 3;

/// Rewards that differ by less are the same.
const SAME: f64 = 1e-9;

/// Makes the answers of one step.
pub(super) struct Collector<'a> {
    /// Answers prompts.
    pub(super) roller: Roller<'a>,
    /// The algorithm.
    pub(super) recipe: &'a Recipe,
    /// Training tasks.
    pub(super) data: &'a [TaskSet],
    /// The run's seed.
    pub(super) seed: u64,
    /// Optimisation step, from 1.
    pub(super) step: u64,
}

/// The answers of a step.
#[derive(Default)]
pub(super) struct Collected {
    /// All answers; `prompt` says which of `prompts` they are to.
    pub(super) answers: Vec<Answer>,
    /// All prompts that were drawn.
    pub(super) prompts: Vec<Prompt>,
    /// Data set and place of each prompt.
    pub(super) drawn: Vec<(usize, usize)>,
    /// Rewards of greedy answers to prompts, where they are the baseline and could be scored.
    greedy: Option<BTreeMap<usize, f64>>,
    /// Prompts whose answers all earned the same, and which others took the place of.
    uniform: Vec<usize>,
}

/// What of a step's answers is learnt from.
pub(super) struct LearntFrom<'a> {
    /// The answers.
    pub(super) answers: Vec<&'a Answer>,
    /// Their rewards, shaped; then those of greedy answers, in the order of `prompts`.
    pub(super) rewards: Vec<f64>,
    /// Prompts that greedy rewards belong to; none where there is no such baseline.
    prompts: Option<Vec<usize>>,
    /// Sum of what was taken off for length.
    shaping: f64,
}

impl LearntFrom<'_> {
    /// For each answer the baseline, given those of the prompts.
    pub(super) fn greedy(&self, baselines: &[f64]) -> Option<Vec<f64>> {
        let by_prompt: BTreeMap<usize, f64> =
            self.prompts.as_ref()?.iter().copied().zip(baselines.iter().copied()).collect();
        Some(self.answers.iter().map(|answer| by_prompt[&answer.prompt]).collect())
    }
}

impl Collector<'_> {
    /// Draws prompts and answers them; none where stopped meanwhile, and then `order` has gone on.
    pub(super) fn collect(
        &self,
        order: &mut DataOrder,
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Collected>> {
        let wanted = self.recipe.batch_size as usize;
        let mut collected = Collected::default();
        if self.recipe.greedy_baseline {
            collected.greedy = Some(BTreeMap::new());
        }
        for round in 0..=self.recipe.max_resamples {
            let missing = wanted - (collected.prompts.len() - collected.uniform.len());
            if missing == 0 {
                break;
            }
            let drawn = order.next_batch(missing);
            let prompts: Vec<Prompt> =
                drawn.iter().map(|(set, index)| self.data[*set].prompts[*index].clone()).collect();
            let offset = collected.prompts.len();
            let test_seeds: Vec<u64> = (0..prompts.len())
                .map(|i| derived(self.seed, Purpose::Tests, &[self.step, (offset + i) as u64]))
                .collect();
            let Some(mut answers) = self.roll(round, &prompts, &test_seeds, surroundings, watch)? else {
                return Ok(None);
            };
            if let Some(greedy) = &mut collected.greedy {
                let limits = real_crds::config::Rollout { temperature: 0.0, ..self.roller.limits.clone() };
                let roller = Roller { limits: &limits, samples_per_prompt: 1, ..self.roller };
                let Some(best) = roller.roll(&prompts, 0, &test_seeds, surroundings, watch)? else { return Ok(None) };
                greedy.extend(best.iter().filter_map(|answer| Some((offset + answer.prompt, answer.scored()?.reward))));
            }
            for answer in &mut answers {
                answer.prompt += offset;
            }
            if self.recipe.max_resamples > 0 {
                collected.uniform.extend(uniform(&answers));
            }
            collected.answers.extend(answers);
            collected.prompts.extend(prompts);
            collected.drawn.extend(drawn);
        }
        Ok(Some(collected))
    }

    /// Answers to prompts of which at least one has a reward; none where stopped meanwhile.
    fn roll(
        &self,
        round: u64,
        prompts: &[Prompt],
        test_seeds: &[u64],
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Vec<Answer>>> {
        let Self { seed, step, .. } = *self;
        let mut last = String::new();
        for attempt in 0..ATTEMPTS {
            let place = [step, attempt, round];
            let place = if round == 0 { &place[..2] } else { &place[..] };
            let seed = derived(seed, Purpose::Rollout, place);
            let Some(answers) = self.roller.roll(prompts, seed, test_seeds, surroundings, watch)? else {
                return Ok(None);
            };
            if answers.iter().any(|answer| answer.outcome.is_ok()) {
                return Ok(Some(answers));
            }
            // Who asks for the end of a run may end the services beside it too.
            if surroundings.stop.requested() {
                return Ok(None);
            }
            last = answers.iter().find_map(|a| Some(a.outcome.as_ref().err()?.to_string())).unwrap_or_default();
            let message =
                format!("step {step}: no answer could be scored (attempt {} of {ATTEMPTS}): {last}", attempt + 1);
            surroundings.progress.warn("AnswersDropped", message);
        }
        anyhow::bail!(
            "step {step}: none of {} answers could be scored in {ATTEMPTS} attempts; the last reason: {last}; see whether \
             the services at {} are up",
            prompts.len() as u64 * self.recipe.samples_per_prompt,
            self.roller.scoring.services()
        )
    }
}

impl Collected {
    /// The answers with a reward, to prompts that tell them apart; where there are none of those, to all prompts.
    pub(super) fn learnt_from(&self, overlong: Option<Overlong>) -> LearntFrom<'_> {
        let baseline = |prompt: usize| self.greedy.as_ref().is_none_or(|greedy| greedy.contains_key(&prompt));
        let scored = self.answers.iter().filter(|answer| answer.outcome.is_ok() && baseline(answer.prompt));
        let all: Vec<&Answer> = scored.collect();
        let different: Vec<&Answer> =
            all.iter().copied().filter(|answer| !self.uniform.contains(&answer.prompt)).collect();
        let answers = if different.is_empty() { all } else { different };
        let mut shaping = 0.0;
        let reward = |answer: &&Answer| {
            let shaped = overlong.map_or(0.0, |overlong| overlong.shaping(answer.sequence.answer().len()));
            shaping += shaped;
            answer.scored().map_or(0.0, |scored| scored.reward) + shaped
        };
        let mut rewards: Vec<f64> = answers.iter().map(reward).collect();
        let prompts = self.greedy.as_ref().map(|greedy| {
            let mut prompts: Vec<usize> = answers.iter().map(|answer| answer.prompt).collect();
            prompts.dedup();
            rewards.extend(prompts.iter().map(|prompt| greedy[prompt]));
            prompts
        });
        LearntFrom { answers, rewards, prompts, shaping }
    }

    /// What can be said of the choice.
    pub(super) fn describe(&self, learnt_from: &LearntFrom<'_>, metrics: &mut Metrics) {
        if !self.uniform.is_empty() {
            metrics.set("rollout/uniform_prompts", self.uniform.len() as f64);
        }
        if learnt_from.shaping < 0.0 {
            metrics.set("reward/overlong_mean", learnt_from.shaping / learnt_from.answers.len() as f64);
        }
        if let Some(greedy) = &self.greedy {
            metrics.set_summary("critic/greedy", greedy.values().copied());
        }
    }
}

/// Prompts whose scored answers all earned the same.
fn uniform(answers: &[Answer]) -> Vec<usize> {
    let mut bounds = BTreeMap::<usize, (f64, f64)>::new();
    for answer in answers {
        let (low, high) = bounds.entry(answer.prompt).or_insert((f64::INFINITY, f64::NEG_INFINITY));
        if let Some(scored) = answer.scored() {
            (*low, *high) = (low.min(scored.reward), high.max(scored.reward));
        }
    }
    bounds.into_iter().filter(|(_, (low, high))| high - low < SAME).map(|(prompt, _)| prompt).collect()
}
