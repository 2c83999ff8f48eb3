//! Answers to a batch of prompts, scored.

use anyhow::Context as _;
use real_crds::config::Rollout as Limits;
use real_crds::progress::Phase;
use real_reward::Scored;

use crate::metrics::Stopwatch;
use crate::model::Decoder;
use crate::sampling::{Sampled, SamplingOptions, generate_until};
use crate::scoring::{Outcome, Scoring};
use crate::sequences::Sequence;
use crate::tokenizer::Tokenizer;
use crate::train::algorithm::Surroundings;
use crate::train::memory::prompts_at_a_time;
use crate::train::tasks::Prompt;

/// What a rollout is made with.
pub struct Roller<'a> {
    /// Writes the answers.
    pub policy: &'a Decoder,
    /// Turns them into text.
    pub tokenizer: &'a Tokenizer,
    /// Turns text into rewards.
    pub scoring: &'a Scoring,
    /// Length limits and sampling.
    pub limits: &'a Limits,
    /// Answers a prompt.
    pub samples_per_prompt: usize,
}

/// One answer.
pub struct Answer {
    /// Which of the prompts it answers.
    pub prompt: usize,
    /// Prompt and answer as tokens.
    pub sequence: Sequence,
    /// Log-probability of each of its tokens, as generation computed it.
    pub log_probs: Vec<f32>,
    /// The answer as text.
    pub text: String,
    /// Whether it ended by itself.
    pub finished: bool,
    /// Its reward, or why there is none.
    pub outcome: Outcome,
}

impl Answer {
    /// The reward with its parts, where there is one.
    pub fn scored(&self) -> Option<&Scored> {
        self.outcome.as_ref().ok()
    }
}

impl Roller<'_> {
    /// Answers each prompt `samples_per_prompt` times; none where stopped meanwhile. `seed` draws the tokens and
    /// `test_seeds`, one a prompt, the tests that judge them.
    pub fn roll(
        &self,
        prompts: &[Prompt],
        seed: u64,
        test_seeds: &[u64],
        surroundings: &Surroundings<'_>,
        watch: &mut Stopwatch,
    ) -> anyhow::Result<Option<Vec<Answer>>> {
        surroundings.progress.phase(Phase::Rollout);
        let per_prompt = self.samples_per_prompt;
        let asked: Vec<Vec<i64>> =
            prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt.tokens.clone(), per_prompt)).collect();
        let longest = asked.iter().map(Vec::len).max().unwrap_or(0) + self.limits.max_response_tokens as usize;
        let options = SamplingOptions {
            max_new_tokens: self.limits.max_response_tokens as usize,
            temperature: self.limits.temperature,
            top_p: self.limits.top_p,
            top_k: self.limits.top_k as usize,
            seed,
            batch_size: prompts_at_a_time(self.policy, longest),
            eos: self.tokenizer.eos().to_vec(),
        };
        let mut pending = self.scoring.begin();
        let mut written: Vec<Option<(Sampled, String)>> = (0..asked.len()).map(|_| None).collect();
        let mut undecodable = None;
        let stop = || surroundings.stop.requested();
        let whole = watch
            .time("gen", || {
                generate_until(self.policy, &asked, &options, &stop, &mut |index, sampled| match self
                    .tokenizer
                    .decode(&sampled.ids)
                {
                    Ok(text) => {
                        let prompt = index / per_prompt;
                        pending.submit(index, prompts[prompt].task.clone(), text.clone(), test_seeds[prompt]);
                        written[index] = Some((sampled, text));
                    }
                    Err(error) => undecodable = Some(error),
                })
            })
            .context("generating answers")?;
        if let Some(error) = undecodable {
            return Err(error).context("decoding an answer");
        }
        if !whole {
            return Ok(None);
        }
        surroundings.progress.phase(Phase::Scoring);
        let Some(outcomes) = watch.time("reward", || pending.wait(surroundings.stop))? else { return Ok(None) };
        watch.add("scoring", pending.seconds());
        let answers = written.into_iter().zip(outcomes).zip(&asked).enumerate();
        let answers = answers.map(|(index, ((written, outcome), asked))| {
            let (sampled, text) = written.context("generation left an answer out")?;
            let sequence = Sequence::new(asked, &sampled.ids);
            let Sampled { finished, log_probs, .. } = sampled;
            Ok(Answer { prompt: index / per_prompt, sequence, log_probs, text, finished, outcome })
        });
        answers.collect::<anyhow::Result<Vec<_>>>().map(Some)
    }
}
