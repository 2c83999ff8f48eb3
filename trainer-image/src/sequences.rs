//! Prompts with their answers as tensors: which positions count, and how to cut a batch.

use tch::{Device, Kind, Tensor};

/// A prompt and what follows it, as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Prompt, then answer; the answer's end-of-text token included where it came to it.
    pub tokens: Vec<i64>,
    /// Length of the prompt; at least one token, and at least one token follows.
    pub prompt: usize,
}

impl Sequence {
    /// Joins both parts.
    pub fn new(prompt: &[i64], answer: &[i64]) -> Self {
        Self { tokens: [prompt, answer].concat(), prompt: prompt.len() }
    }

    /// Tokens of the answer.
    pub fn answer(&self) -> &[i64] {
        &self.tokens[self.prompt..]
    }
}

/// Some sequences of a batch one after the other, N tokens in all, of which the A tokens of their answers are learnt from.
/// Nothing is padding: what is computed is computed for tokens.
#[derive(Debug)]
pub struct Packed {
    /// Token ids `[N]`.
    pub ids: Tensor,
    /// Tokens of each sequence; their sum is N.
    pub lengths: Vec<i64>,
    /// For each answer token the position before it, which predicts it, as an index into `[N]`; `[A]`.
    pub predictors: Tensor,
    /// The answer tokens `[A]`.
    pub targets: Tensor,
    /// For each answer token its place in a matrix `[B, R]` over the whole batch, as an index into `[B · R]`; `[A]`.
    pub cells: Tensor,
}

impl Packed {
    /// Packs the sequences at `rows` of a batch whose longest answer has `columns` tokens (R).
    pub fn of(batch: &[Sequence], rows: &[usize], columns: usize, device: Device) -> Self {
        let (mut ids, mut lengths) = (Vec::new(), Vec::with_capacity(rows.len()));
        let (mut predictors, mut targets, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let sequence = &batch[*row];
            let first = ids.len() + sequence.prompt;
            predictors.extend((0..sequence.answer().len()).map(|t| (first + t - 1) as i64));
            targets.extend_from_slice(sequence.answer());
            cells.extend((0..sequence.answer().len()).map(|t| (row * columns + t) as i64));
            ids.extend_from_slice(&sequence.tokens);
            lengths.push(sequence.tokens.len() as i64);
        }
        let [ids, predictors, targets, cells] =
            [ids, predictors, targets, cells].map(|numbers| Tensor::from_slice(&numbers).to_device(device));
        Self { ids, lengths, predictors, targets, cells }
    }

    /// Of values `[N, …]` those that predict answer tokens, `[A, …]`.
    pub fn predicting(&self, values: &Tensor) -> Tensor {
        values.index_select(0, &self.predictors)
    }

    /// Of a matrix `[B, R]` over the whole batch the entries of these answer tokens, `[A]`.
    pub fn pick(&self, matrix: &Tensor) -> Tensor {
        matrix.view([-1]).index_select(0, &self.cells)
    }

    /// Writes a value for each answer token into a matrix `[B, R]` over the whole batch.
    pub fn put(&self, matrix: &Tensor, values: &Tensor) {
        let _ = matrix.view([-1]).index_copy_(0, &self.cells, values);
    }
}

/// `[B, R]` with one at the tokens of each answer, R being the longest answer.
pub fn answer_mask(batch: &[Sequence], device: Device) -> Tensor {
    let columns = longest_answer(batch);
    let lengths: Vec<i64> = batch.iter().map(|sequence| sequence.answer().len() as i64).collect();
    let lengths = Tensor::from_slice(&lengths).unsqueeze(1);
    Tensor::arange(columns as i64, (Kind::Int64, Device::Cpu))
        .unsqueeze(0)
        .lt_tensor(&lengths)
        .to_kind(Kind::Float)
        .to_device(device)
}

/// R, tokens of the longest answer.
pub fn longest_answer(batch: &[Sequence]) -> usize {
    batch.iter().map(|sequence| sequence.answer().len()).max().unwrap_or(0)
}

/// What bounds a micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicroBatches {
    /// The number of sequences.
    Sequences(usize),
    /// The number of tokens. A sequence that is longer is alone.
    Tokens(usize),
}

impl MicroBatches {
    /// At most so many tokens where that is more than 0, else at most so many sequences.
    pub fn new(sequences: u64, tokens: u64) -> Self {
        if tokens > 0 { Self::Tokens(tokens as usize) } else { Self::Sequences(sequences as usize) }
    }

    fn allow(self, sequences: usize, tokens: usize) -> bool {
        match self {
            Self::Sequences(most) => sequences <= most,
            Self::Tokens(most) => tokens <= most,
        }
    }
}

/// Cuts rows of a batch into micro-batches, sequences of like length together: those of one length are one operation. How it
/// is cut changes no gradient: losses are divided by what the whole mini-batch has.
pub fn micro_batches(batch: &[Sequence], rows: &[usize], bound: MicroBatches) -> Vec<Vec<usize>> {
    let length = |row: &usize| batch[*row].tokens.len();
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|row| (length(row), *row));
    let mut cut: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for row in sorted {
        tokens += length(&row);
        match cut.last_mut() {
            Some(last) if bound.allow(last.len() + 1, tokens) => last.push(row),
            _ => {
                tokens = length(&row);
                cut.push(vec![row]);
            }
        }
    }
    cut
}

/// Cuts shuffled rows into mini-batches of at most `size`, all of nearly the same size: samples that were dropped must
/// not leave a last mini-batch of two samples that moves the weights as far as the others.
pub fn mini_batches(rows: &[usize], size: usize) -> Vec<Vec<usize>> {
    let count = rows.len().div_ceil(size.max(1)).max(1);
    (0..count).map(|i| rows[i * rows.len() / count..(i + 1) * rows.len() / count].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Vec<Sequence> {
        vec![Sequence::new(&[1, 2], &[3, 4, 5]), Sequence::new(&[6], &[7]), Sequence::new(&[8, 9, 10], &[11, 12])]
    }

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.to_kind(Kind::Int64).reshape([-1])).expect("a vector")
    }

    #[test]
    fn each_answer_token_is_predicted_by_the_position_before_it() {
        let packed = Packed::of(&batch(), &[2, 1, 0], 3, Device::Cpu);
        assert_eq!(numbers(&packed.ids), [8, 9, 10, 11, 12, 6, 7, 1, 2, 3, 4, 5]);
        assert_eq!(packed.lengths, [5, 2, 5]);
        assert_eq!(numbers(&packed.targets), [11, 12, 7, 3, 4, 5]);
        assert_eq!(numbers(&packed.predicting(&packed.ids)), [10, 11, 6, 2, 3, 4]);
        assert_eq!(numbers(&packed.cells), [6, 7, 3, 0, 1, 2]);
    }

    #[test]
    fn what_is_put_into_the_batch_is_picked_again_and_nothing_else_is_touched() {
        let batch = batch();
        let matrix = Tensor::zeros([3, 3], (Kind::Float, Device::Cpu));
        let packed = Packed::of(&batch, &[1, 2], 3, Device::Cpu);
        packed.put(&matrix, &Tensor::from_slice(&[1.0_f32, 2.0, 3.0]));
        assert_eq!(numbers(&matrix), [0, 0, 0, 1, 0, 0, 2, 3, 0]);
        assert_eq!(numbers(&packed.pick(&matrix)), [1, 2, 3]);
        assert_eq!(numbers(&answer_mask(&batch, Device::Cpu)), [1, 1, 1, 1, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn micro_batches_hold_sequences_of_like_length() {
        assert_eq!(micro_batches(&batch(), &[0, 1, 2], MicroBatches::Sequences(2)), [vec![1, 0], vec![2]]);
    }

    #[test]
    fn a_bound_of_tokens_counts_tokens_and_a_long_sequence_is_alone() {
        let cut = |tokens| micro_batches(&batch(), &[2, 1, 0], MicroBatches::Tokens(tokens));
        // Of 2, 5 and 5 tokens.
        assert_eq!(cut(12), [vec![1, 0, 2]]);
        assert_eq!(cut(11), [vec![1, 0], vec![2]]);
        assert_eq!(cut(7), [vec![1, 0], vec![2]]);
        assert_eq!(cut(6), [vec![1], vec![0], vec![2]]);
        assert_eq!(cut(1), [vec![1], vec![0], vec![2]]);
    }

    #[test]
    fn mini_batches_are_of_nearly_the_same_size() {
        let rows: Vec<usize> = (0..250).collect();
        let sizes: Vec<usize> = mini_batches(&rows, 64).iter().map(Vec::len).collect();
        assert_eq!(sizes, [62, 63, 62, 63]);
        assert_eq!(mini_batches(&rows, 64).concat(), rows);
    }
}
