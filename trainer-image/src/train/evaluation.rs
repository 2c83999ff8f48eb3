//! Evaluating the policy on suites of unseen tasks, greedy and sampled.

use anyhow::Context as _;
use real_crds::config;
use real_crds::progress::{Decoding, Evaluation, Phase};

use super::algorithm::Surroundings;
use super::memory::prompts_at_a_time;
use super::seeds::{Purpose, derived};
use super::tasks::{Prompt, TaskSet};
use crate::evaluate;
use crate::model::Decoder;
use crate::sampling::{SamplingOptions, generate_until};
use crate::scoring::Scoring;
use crate::tokenizer::Tokenizer;

/// Everything an evaluation needs besides the model.
pub struct Evaluator {
    suites: Vec<TaskSet>,
    settings: config::Evaluation,
    max_new_tokens: usize,
    seed: u64,
    tokenizer: std::sync::Arc<Tokenizer>,
    scoring: Scoring,
}

impl Evaluator {
    /// Keeps at most `settings.limit` tasks of each suite, the first ones, so that every evaluation sees the same.
    pub fn new(
        mut suites: Vec<TaskSet>,
        settings: config::Evaluation,
        max_new_tokens: usize,
        seed: u64,
        tokenizer: std::sync::Arc<Tokenizer>,
        scoring: Scoring,
    ) -> Self {
        if settings.limit > 0 {
            for suite in &mut suites {
                suite.prompts.truncate(settings.limit as usize);
            }
        }
        Self { suites, settings, max_new_tokens, seed, tokenizer, scoring }
    }

    /// Whether step `step` of `total` is one to evaluate at.
    pub fn is_due(&self, step: u64, total: u64) -> bool {
        let every = self.settings.every_steps;
        if step == 0 {
            self.settings.before_training
        } else {
            step == total || (every > 0 && step.is_multiple_of(every))
        }
    }

    /// A record for each suite and decoding; none where stopped meanwhile. Sampled answers are drawn by the same random
    /// numbers each time, so that evaluations differ by what was learnt and less by luck.
    pub fn evaluate(
        &self,
        policy: &Decoder,
        step: u64,
        surroundings: &Surroundings<'_>,
    ) -> anyhow::Result<Option<Vec<Evaluation>>> {
        surroundings.progress.phase(Phase::Evaluating);
        let mut records = Vec::new();
        for (number, suite) in self.suites.iter().enumerate() {
            let seed = derived(self.seed, Purpose::Evaluation, &[number as u64]);
            // Greedy answers are judged while sampled ones are written, and one that is both is judged once.
            let mut pending = self.scoring.begin();
            let greedy = suite.prompts.len() * usize::from(self.settings.greedy);
            for (decoding, samples) in self.decodings() {
                if surroundings.stop.requested() {
                    return Ok(None);
                }
                let first = if decoding == Decoding::Greedy { 0 } else { greedy };
                let asked = Asked { suite, decoding, samples, seed };
                let whole = self.answer(policy, &asked, surroundings, &mut |index, prompt, text| {
                    pending.submit(first + index, prompt.task.clone(), text, 0);
                })?;
                if !whole {
                    return Ok(None);
                }
            }
            let Some(outcomes) = pending.wait(surroundings.stop)? else { return Ok(None) };
            let dropped: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            if let Some(reason) = dropped.first() {
                let message = format!(
                    "evaluation of {} after step {step}: {} of {} answers could not be judged; the first: {reason}",
                    suite.name,
                    dropped.len(),
                    outcomes.len()
                );
                surroundings.progress.warn("AnswersDropped", message);
            }
            let (greedy, sampled) = outcomes.split_at(greedy);
            for (decoding, samples) in self.decodings() {
                let outcomes = if decoding == Decoding::Greedy { greedy } else { sampled };
                records.push(evaluate::record(&suite.name, decoding, step, outcomes, samples));
            }
        }
        Ok(Some(records))
    }

    /// What to evaluate, with answers a task.
    fn decodings(&self) -> impl Iterator<Item = (Decoding, usize)> + use<> {
        let sampled = (Decoding::Sampled, self.settings.samples as usize);
        [(Decoding::Greedy, usize::from(self.settings.greedy)), sampled].into_iter().filter(|(_, samples)| *samples > 0)
    }

    /// Answers each prompt of a suite some times; `on_answer` gets number, prompt and text of each. False where stopped
    /// meanwhile.
    fn answer(
        &self,
        policy: &Decoder,
        &Asked { suite, decoding, samples, seed }: &Asked<'_>,
        surroundings: &Surroundings<'_>,
        on_answer: &mut dyn FnMut(usize, &Prompt, String),
    ) -> anyhow::Result<bool> {
        let asked: Vec<&Prompt> =
            suite.prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt, samples)).collect();
        let prompts: Vec<Vec<i64>> = asked.iter().map(|prompt| prompt.tokens.clone()).collect();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0) + self.max_new_tokens;
        let options = SamplingOptions {
            max_new_tokens: self.max_new_tokens,
            temperature: if decoding == Decoding::Greedy { 0.0 } else { 1.0 },
            top_p: 1.0,
            top_k: 0,
            seed,
            batch_size: prompts_at_a_time(policy, longest),
            eos: self.tokenizer.eos().to_vec(),
        };
        let mut undecodable = None;
        let stop = || surroundings.stop.requested();
        let whole = generate_until(policy, &prompts, &options, &stop, &mut |index, sampled| match self
            .tokenizer
            .decode(&sampled.ids)
        {
            Ok(text) => on_answer(index, asked[index], text),
            Err(error) => undecodable = Some(error),
        })
        .with_context(|| format!("generating answers to suite {}", suite.name))?;
        match undecodable {
            Some(error) => Err(error).with_context(|| format!("decoding answers to suite {}", suite.name)),
            None => Ok(whole),
        }
    }
}

/// What is asked of a policy.
struct Asked<'a> {
    suite: &'a TaskSet,
    decoding: Decoding,
    /// Answers a task.
    samples: usize,
    seed: u64,
}
