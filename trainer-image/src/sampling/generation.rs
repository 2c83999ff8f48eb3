//! Generation in batches of similar length, which shrink as rows finish.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::sampler::Sampler;
use crate::model::{Decoder, Inference};

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
    /// Log-probability of each token at the sampling temperature (1 where greedy), before `top_p` and `top_k`.
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

/// Shrink the batch when fewer than this share of its rows are still growing: copying the cache costs about as much as
/// some steps of the rows it saves.
const WORTH_SHRINKING: f64 = 0.75;

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

/// As [`generate`], asking `stop` before each batch and after each token; false where it said so, and then some prompts
/// are not answered.
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
    let _no_grad = tch::no_grad_guard();
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(prompts[index].len()));
    for indices in order.chunks(options.batch_size.max(1)) {
        if stop() || !generate_batch(model, prompts, indices, options, stop, on_finished) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A row of the batch.
struct Row {
    index: usize,
    rng: ChaCha8Rng,
    answer: Sampled,
    growing: bool,
}

fn generate_batch(
    model: &Decoder,
    prompts: &[Vec<i64>],
    indices: &[usize],
    options: &SamplingOptions,
    stop: &dyn Fn() -> bool,
    on_finished: &mut dyn FnMut(usize, Sampled),
) -> bool {
    let sampler = Sampler { temperature: options.temperature, top_p: options.top_p, top_k: options.top_k as i64 };
    let texts: Vec<&[i64]> = indices.iter().map(|&index| prompts[index].as_slice()).collect();
    let (mut inference, mut logits) = Inference::start(model, &texts, options.max_new_tokens - 1);
    let mut rows: Vec<Row> = indices.iter().map(|&index| Row::new(index, options)).collect();
    loop {
        let uniform = sampler.is_random().then(|| draws(&mut rows).to_device(model.device()));
        let (tokens, log_probs) = sampler.pick(&logits, uniform.as_ref());
        for ((row, token), log_prob) in rows.iter_mut().zip(to_i64(&tokens)).zip(to_f32(&log_probs)) {
            if row.growing && row.push(token, log_prob, options) {
                on_finished(row.index, std::mem::replace(&mut row.answer, Sampled::empty()));
            }
        }
        let growing = rows.iter().filter(|row| row.growing).count();
        if growing == 0 {
            return true;
        }
        if stop() {
            return false;
        }
        let mut tokens = tokens;
        if (growing as f64) < WORTH_SHRINKING * rows.len() as f64 {
            let kept: Vec<i64> = (0..).zip(&rows).filter(|(_, row)| row.growing).map(|(i, _)| i).collect();
            inference.keep(&kept);
            tokens = tokens.index_select(0, &Tensor::from_slice(&kept).to_device(model.device()));
            rows.retain(|row| row.growing);
        }
        logits = inference.step(&tokens);
    }
}

impl Sampled {
    fn empty() -> Self {
        Self { ids: Vec::new(), log_probs: Vec::new(), finished: false }
    }
}

impl Row {
    fn new(index: usize, options: &SamplingOptions) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        rng.set_stream(index as u64);
        Self { index, rng, answer: Sampled::empty(), growing: true }
    }

    /// Appends a token; true where the answer is complete.
    fn push(&mut self, token: i64, log_prob: f32, options: &SamplingOptions) -> bool {
        self.answer.ids.push(token);
        self.answer.log_probs.push(log_prob);
        self.answer.finished = options.eos.contains(&token);
        self.growing = !self.answer.finished && self.answer.ids.len() < options.max_new_tokens;
        !self.growing
    }
}

/// A number in [0, 1 − 2⁻²²] for each row [B, 1]: far enough from 1 that its product with a sum of probabilities stays
/// below the sum.
fn draws(rows: &mut [Row]) -> Tensor {
    let numbers: Vec<f32> = rows.iter_mut().map(|row| (row.rng.random::<u32>() >> 10) as f32 / 4_194_304.0).collect();
    Tensor::from_slice(&numbers).unsqueeze(1)
}

fn to_i64(tensor: &Tensor) -> Vec<i64> {
    let mut values = vec![0; tensor.numel()];
    tensor.to_kind(Kind::Int64).copy_data(&mut values, tensor.numel());
    values
}

fn to_f32(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
