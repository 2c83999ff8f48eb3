//! Generation: which prompt is in which row, when waiting prompts take the places of finished ones, and when rows move together.

use std::collections::VecDeque;

use tch::Device;

use super::state::{DecodeState, Filling};
use crate::model::Decoder;

/// How answers are sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Longest answer in tokens, the end-of-sequence token included.
    pub max_new_tokens: usize,
    /// Sampling temperature; 0 is greedy.
    pub temperature: f64,
    /// Nucleus; 1 for all tokens.
    pub top_p: f64,
    /// Number of most probable tokens to draw from; 0 for all.
    pub top_k: usize,
    /// Seed. Each prompt has a random stream of its own, by its index, so that answers do not depend on batching.
    pub seed: u64,
    /// Most prompts at a time.
    pub batch_size: usize,
    /// Tokens that end an answer.
    pub eos: Vec<i64>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Tokens, with the end-of-sequence token where there is one.
    pub ids: Vec<i64>,
    /// Log-probability of each token at the sampling temperature, before `top_p` and `top_k`; none where greedy.
    pub log_probs: Vec<f32>,
    /// Whether it ended by itself.
    pub finished: bool,
}

/// Why nothing can be generated.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// A prompt without tokens.
    #[error("prompt {index} has no tokens; a prompt needs at least one")]
    EmptyPrompt {
        /// Index among the prompts.
        index: usize,
    },
    /// A token that the model does not know.
    #[error("prompt {index} has token {token}; the model knows 0 to {}: model and tokenizer do not belong together", vocabulary - 1)]
    UnknownToken {
        /// Index among the prompts.
        index: usize,
        /// The token.
        token: i64,
        /// Number of tokens the model knows.
        vocabulary: i64,
    },
}

/// Most tokens of prompts that are read at a time: what that takes beside the cache is bounded, and a wish to stop is heard
/// between.
pub(crate) const READ_AT_A_TIME: usize = 8192;

/// Waiting prompts are read when this part of the rows is free: a few prompts cost as many operations as many.
const FREE_BEFORE_READING: usize = 8;

/// Extends each prompt; `on_finished` gets each answer as it ends, with the prompt's index.
///
/// # Errors
/// A prompt is empty or has tokens that the model does not know; then nothing is generated.
pub fn generate(
    model: &Decoder,
    prompts: &[Vec<i64>],
    options: &SamplingOptions,
    on_finished: &mut dyn FnMut(usize, Sampled),
) -> Result<(), GenerationError> {
    generate_until(model, prompts, options, &|| false, on_finished).map(|_| ())
}

/// As [`generate`], asking `stop` before prompts are read and after tokens; false where it said so, and then some prompts are not
/// answered.
///
/// # Errors
/// As [`generate`].
pub fn generate_until(
    model: &Decoder,
    prompts: &[Vec<i64>],
    options: &SamplingOptions,
    stop: &dyn Fn() -> bool,
    on_finished: &mut dyn FnMut(usize, Sampled),
) -> Result<bool, GenerationError> {
    let vocabulary = model.config().vocab_size;
    for (index, prompt) in prompts.iter().enumerate() {
        if prompt.is_empty() {
            return Err(GenerationError::EmptyPrompt { index });
        }
        if let Some(&token) = prompt.iter().find(|token| !(0..vocabulary).contains(*token)) {
            return Err(GenerationError::UnknownToken { index, token, vocabulary });
        }
    }
    if options.max_new_tokens == 0 {
        (0..prompts.len()).for_each(|index| on_finished(index, Sampled::empty()));
        return Ok(true);
    }
    let pace = if model.device() == Device::Cpu { 1 } else { STEPS_BETWEEN_LOOKS };
    Ok(Batch::new(model, prompts, options).run(pace, stop, on_finished))
}

/// A look makes CUDA finish everything that was started; on a CPU it costs nothing, and rows that are done cost no step more.
const STEPS_BETWEEN_LOOKS: usize = 8;

/// The rows and what is in them.
struct Batch<'a> {
    prompts: &'a [Vec<i64>],
    options: &'a SamplingOptions,
    state: DecodeState<'a>,
    /// Prompts without a row, the longest first.
    waiting: VecDeque<usize>,
    /// The prompt in each row.
    rows: Vec<Option<usize>>,
}

impl<'a> Batch<'a> {
    fn new(model: &'a Decoder, prompts: &'a [Vec<i64>], options: &'a SamplingOptions) -> Self {
        let _no_grad = tch::no_grad_guard();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&index| std::cmp::Reverse(prompts[index].len()));
        let longest = order.first().map_or(0, |&index| prompts[index].len());
        let rows = options.batch_size.clamp(1, prompts.len().max(1));
        let state = DecodeState::new(model, rows, longest, options);
        Self { prompts, options, state, waiting: order.into(), rows: vec![None; rows] }
    }

    /// Answers all prompts, looking every `pace` tokens; false where stopped meanwhile.
    fn run(mut self, pace: usize, stop: &dyn Fn() -> bool, on_finished: &mut dyn FnMut(usize, Sampled)) -> bool {
        let _no_grad = tch::no_grad_guard();
        let mut counts = vec![0; self.rows.len()];
        loop {
            let free = self.rows.iter().filter(|row| row.is_none()).count();
            if !self.waiting.is_empty() && (free * FREE_BEFORE_READING >= self.rows.len()) {
                if !self.refill(stop) {
                    return false;
                }
            } else if self.waiting.is_empty() {
                self.draw_together(&mut counts);
            }
            let Some(last) = self.rows.iter().rposition(Option::is_some) else { return true };
            let width = bucket(last + 1).min(self.rows.len());
            self.state.advance(width, pace);
            let mut finished = Vec::new();
            for (row, seen) in self.state.look(width).into_iter().enumerate() {
                counts[row] = seen.count;
                if !seen.growing && self.rows[row].is_some() {
                    finished.push((row, seen.count));
                }
            }
            self.hand_out(&finished, on_finished);
            if self.rows.iter().any(Option::is_some) && stop() {
                return false;
            }
        }
    }

    /// Fills free rows with waiting prompts; false where stopped meanwhile.
    fn refill(&mut self, stop: &dyn Fn() -> bool) -> bool {
        let mut free = (0..self.rows.len()).filter(|row| self.rows[*row].is_none()).collect::<Vec<_>>().into_iter();
        loop {
            let mut fillings = Vec::new();
            let mut tokens = 0;
            while let Some(&index) = self.waiting.front() {
                tokens += self.prompts[index].len();
                if !fillings.is_empty() && tokens > READ_AT_A_TIME {
                    break;
                }
                let Some(row) = free.next() else { break };
                self.waiting.pop_front();
                self.rows[row] = Some(index);
                fillings.push(Filling { row: row as i64, index, prompt: &self.prompts[index] });
            }
            if fillings.is_empty() {
                return true;
            }
            if stop() {
                return false;
            }
            self.state.fill(&fillings);
        }
    }

    /// Gives finished answers, of which row and length are told, and frees their rows.
    fn hand_out(&mut self, finished: &[(usize, usize)], on_finished: &mut dyn FnMut(usize, Sampled)) {
        if finished.is_empty() {
            return;
        }
        for ((row, _), (ids, log_probs)) in finished.iter().zip(self.state.answers(finished)) {
            let ended = ids.last().is_some_and(|token| self.options.eos.contains(token));
            if let Some(index) = self.rows[*row].take() {
                on_finished(index, Sampled { ids, log_probs, finished: ended });
            }
        }
    }

    /// Where the rows in use fit a smaller bucket, moves those beyond it into free places.
    fn draw_together(&mut self, counts: &mut [usize]) {
        let used: Vec<usize> = (0..self.rows.len()).filter(|row| self.rows[*row].is_some()).collect();
        let width = bucket(used.len());
        let beyond: Vec<usize> = used.into_iter().filter(|row| *row >= width).collect();
        let free = (0..width.min(self.rows.len())).filter(|row| self.rows[*row].is_none());
        let moves: Vec<(usize, usize)> = beyond.into_iter().zip(free).collect();
        if moves.is_empty() {
            return;
        }
        let mut columns = 0;
        for &(from, to) in &moves {
            self.rows[to] = self.rows[from].take();
            counts[to] = counts[from];
            columns = columns.max(counts[to] + self.rows[to].map_or(0, |index| self.prompts[index].len()));
        }
        let moves: Vec<(i64, i64)> = moves.into_iter().map(|(from, to)| (from as i64, to as i64)).collect();
        self.state.shift(&moves, columns);
    }
}

/// The number of rows that steps are made for where so many are in use: 1, 2, 3, 4, 6, 8, 12, 16, … A graph is recorded for each,
/// and at most a third of the rows is idle.
fn bucket(rows: usize) -> usize {
    let power = rows.next_power_of_two();
    if power >= 4 && rows <= power / 4 * 3 { power / 4 * 3 } else { power }
}

impl Sampled {
    fn empty() -> Self {
        Self { ids: Vec::new(), log_probs: Vec::new(), finished: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_rows_and_is_at_most_a_third_idle() {
        let sizes: Vec<usize> = (1..=17).map(bucket).collect();
        assert_eq!(sizes, [1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16, 24]);
        assert!((1..2000).all(|rows| bucket(rows) >= rows && (bucket(rows) - rows) * 3 < bucket(rows) + 3));
    }
}
