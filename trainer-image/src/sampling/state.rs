//! Answers that are being written, as tensors on the device: the host starts steps and now and then looks what has become of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::SamplingOptions;
use super::sampler::{Blocks, Sampler};
use crate::model::{Cache, Decoder};

/// S rows, each with an answer of at most M tokens. Use it under `tch::no_grad`.
///
/// A row reads its prompt but for the last token when it is filled; each step then reads one token a row and draws the next.
/// All tensors stay where they are from the first step to the last, and what a step does depends on no number in them: the
/// conditions under which a CUDA graph of it may be recorded once and played again.
#[derive(Debug)]
pub struct DecodeState<'m> {
    cache: Cache<'m>,
    sampler: Sampler,
    blocks: Blocks,
    device: Device,
    /// Of the next tokens `[S, width]`, −∞ where the vocabulary ends.
    logits: Tensor,
    /// Tokens that end an answer `[E]`.
    ends: Tensor,
    /// The token that each row reads next `[S]`.
    tokens: Tensor,
    /// Tokens of each answer so far `[S]`.
    counts: Tensor,
    /// One where an answer grows `[S]`.
    growing: Tensor,
    /// `[S, M + 1]`; the last column takes what rows write that do not grow.
    answers: Tensor,
    random: Option<Randomness>,
    seed: u64,
}

/// What only sampling needs.
#[derive(Debug)]
struct Randomness {
    /// A number in [0, 1) for each token of each answer `[S, M]`.
    uniforms: Tensor,
    /// Log-probabilities of the tokens `[S, M + 1]`.
    log_probs: Tensor,
    /// Room for a distribution a row `[S, width]`.
    probabilities: Tensor,
}

/// A prompt on its way into a row.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'p> {
    /// The row.
    pub row: i64,
    /// The prompt's number, which names its random stream.
    pub index: usize,
    /// Its tokens, at least one.
    pub prompt: &'p [i64],
}

/// What the host sees of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Tokens of the answer so far.
    pub count: usize,
    /// Whether it grows.
    pub growing: bool,
}

impl<'m> DecodeState<'m> {
    /// `rows` free rows, for prompts of at most `longest` tokens.
    pub fn new(model: &'m Decoder, rows: usize, longest: usize, options: &SamplingOptions) -> Self {
        let device = model.device();
        let sampler = Sampler { temperature: options.temperature, top_p: options.top_p, top_k: options.top_k as i64 };
        let blocks = Blocks::of(model.config().vocab_size);
        let (rows, most) = (rows as i64, options.max_new_tokens as i64);
        let integers = |shape: &[i64]| Tensor::zeros(shape, (Kind::Int64, device));
        let numbers = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, device));
        let random = sampler.is_random().then(|| Randomness {
            uniforms: numbers(&[rows, most]),
            log_probs: numbers(&[rows, most + 1]),
            probabilities: numbers(&[rows, blocks.width()]),
        });
        Self {
            cache: Cache::new(model, rows, longest as i64 + most),
            sampler,
            blocks,
            device,
            logits: Tensor::full([rows, blocks.width()], f64::NEG_INFINITY, (Kind::Float, device)),
            ends: Tensor::from_slice(&options.eos).to_device(device),
            tokens: integers(&[rows]),
            counts: integers(&[rows]),
            growing: integers(&[rows]),
            answers: integers(&[rows, most + 1]),
            random,
            seed: options.seed,
        }
    }

    /// Puts prompts into rows that do not grow.
    pub fn fill(&mut self, fillings: &[Filling<'_>]) {
        let texts: Vec<(i64, &[i64])> =
            fillings.iter().map(|filling| (filling.row, &filling.prompt[..filling.prompt.len() - 1])).collect();
        self.cache.read(&texts);
        let upload = |numbers: Vec<i64>| Tensor::from_slice(&numbers).to_device(self.device);
        let rows = upload(fillings.iter().map(|filling| filling.row).collect());
        let last = upload(fillings.iter().map(|filling| filling.prompt[filling.prompt.len() - 1]).collect());
        let _ = self.tokens.index_copy_(0, &rows, &last);
        let _ = self.counts.index_fill_(0, &rows, 0);
        let _ = self.growing.index_fill_(0, &rows, 1);
        if let Some(random) = &mut self.random {
            let most = random.uniforms.size()[1];
            let drawn: Vec<f32> =
                fillings.iter().flat_map(|filling| draws(self.seed, filling.index, most as usize)).collect();
            let drawn = Tensor::from_slice(&drawn).view([-1, most]).to_device(self.device);
            let _ = random.uniforms.index_copy_(0, &rows, &drawn);
        }
    }

    /// `steps` times a token for each of the first `rows` rows that grows. The host reads nothing.
    pub fn advance(&mut self, rows: usize, steps: usize) {
        let first = |tensor: &Tensor| tensor.narrow(0, 0, rows as i64);
        let (logits, answers) = (first(&self.logits), first(&self.answers));
        let (mut tokens, mut counts, mut growing) = (first(&self.tokens), first(&self.counts), first(&self.growing));
        let vocabulary = logits.narrow(1, 0, self.blocks.tokens());
        let most = self.answers.size()[1] - 1;
        for _ in 0..steps {
            self.cache.step(&tokens, &growing, &vocabulary);
            // Where to write: rows that do not grow write where nobody reads.
            let nowhere = growing.eq(0).to_kind(Kind::Int64) * most;
            let cells = (&counts * &growing + nowhere).unsqueeze(1);
            let next = if let Some(Randomness { uniforms, log_probs, probabilities }) = &self.random {
                let uniform = first(uniforms).gather(1, &counts.clamp_max(most - 1).unsqueeze(1), false);
                let (next, said) = self.sampler.draw(&logits, &first(probabilities), self.blocks, &uniform);
                let _ = first(log_probs).scatter_(1, &cells, &said.unsqueeze(1));
                next
            } else {
                Sampler::best(&vocabulary)
            };
            let _ = answers.shallow_clone().scatter_(1, &cells, &next.unsqueeze(1));
            tokens.copy_(&next);
            let _ = counts.g_add_(&growing);
            let ended = next.unsqueeze(1).eq_tensor(&self.ends).any_dim(1, false);
            let _ = growing.g_mul_(&ended.logical_or(&counts.ge(most)).logical_not());
        }
    }

    /// What has become of the first `rows` rows.
    pub fn look(&self, rows: usize) -> Vec<Seen> {
        let both = Tensor::stack(&[&self.counts, &self.growing], 1).narrow(0, 0, rows as i64);
        let numbers = to_vec::<i64>(&both);
        numbers.chunks(2).map(|pair| Seen { count: pair[0] as usize, growing: pair[1] == 1 }).collect()
    }

    /// Tokens of the answers in these rows, and their log-probabilities, as long as they are said to be; the latter are none where
    /// greedy.
    pub fn answers(&self, rows: &[(usize, usize)]) -> Vec<(Vec<i64>, Vec<f32>)> {
        let index: Vec<i64> = rows.iter().map(|(row, _)| *row as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.device);
        let columns = self.answers.size()[1] as usize;
        let ids = to_vec::<i64>(&self.answers.index_select(0, &index));
        let log_probs = self.random.as_ref().map(|random| to_vec::<f32>(&random.log_probs.index_select(0, &index)));
        let of = |place: usize, count: usize| place * columns..place * columns + count;
        rows.iter()
            .enumerate()
            .map(|(place, (_, count))| {
                let said = log_probs.as_ref().map_or(Vec::new(), |all| all[of(place, *count)].to_vec());
                (ids[of(place, *count)].to_vec(), said)
            })
            .collect()
    }

    /// Moves rows to places of others that do not grow, of which none holds more than `columns` tokens of prompt and answer.
    pub fn shift(&mut self, moves: &[(i64, i64)], columns: usize) {
        let (from, to): (Vec<i64>, Vec<i64>) = moves.iter().copied().unzip();
        let [from, to] = [from, to].map(|rows| Tensor::from_slice(&rows).to_device(self.device));
        self.cache.copy_rows(&from, &to, columns as i64);
        let random = self.random.iter().flat_map(|random| [&random.uniforms, &random.log_probs]);
        for tensor in [&self.tokens, &self.counts, &self.growing, &self.answers].into_iter().chain(random) {
            let _ = tensor.shallow_clone().index_copy_(0, &to, &tensor.index_select(0, &from));
        }
        let _ = self.growing.index_fill_(0, &from, 0);
    }

    /// All tensors that steps read and write, for whoever wants to see that they stay where they are.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let random = self.random.iter().flat_map(|random| [&random.uniforms, &random.log_probs, &random.probabilities]);
        let own = [&self.logits, &self.ends, &self.tokens, &self.counts, &self.growing, &self.answers];
        own.into_iter().chain(random).chain(self.cache.tensors())
    }
}

/// The numbers that draw the tokens of prompt `index`, from its own stream: they depend on no other prompt. Each is in
/// [0, 1 − 2⁻²²]: far enough from 1 that its product with a sum of probabilities stays below the sum.
fn draws(seed: u64, index: usize, count: usize) -> impl Iterator<Item = f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    (0..count).map(move |_| (rng.random::<u32>() >> 10) as f32 / 4_194_304.0)
}

fn to_vec<T: tch::kind::Element + Default + Clone>(tensor: &Tensor) -> Vec<T> {
    let mut values = vec![T::default(); tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
