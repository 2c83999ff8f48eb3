//! Prompts with their answers as tensors: padding, which positions count, and how to cut a batch.

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

/// Some sequences of a batch, padded on the right to the longest among them (T columns), and the N tokens of their
/// answers one after the other: what is computed for a token is computed for none of the padding.
#[derive(Debug)]
pub struct Padded {
    /// Token ids `[b, T]`; 0 at padding.
    pub ids: Tensor,
    /// One at tokens `[b, T]`.
    pub mask: Tensor,
    /// For each answer token the position before it, which predicts it, as an index into `[b · T]`; `[N]`.
    pub predictors: Tensor,
    /// The answer tokens `[N]`.
    pub targets: Tensor,
    /// For each answer token its place in a matrix `[B, R]` over the whole batch, as an index into `[B · R]`; `[N]`.
    pub cells: Tensor,
}

impl Padded {
    /// Pads the sequences at `rows` of a batch whose longest answer has `columns` tokens (R).
    pub fn of(batch: &[Sequence], rows: &[usize], columns: usize, device: Device) -> Self {
        let width = rows.iter().map(|row| batch[*row].tokens.len()).max().unwrap_or(0);
        let mut ids = vec![0_i64; rows.len() * width];
        let mut mask = vec![false; rows.len() * width];
        let (mut predictors, mut targets, mut cells) = (Vec::new(), Vec::new(), Vec::new());
        for (place, row) in rows.iter().enumerate() {
            let sequence = &batch[*row];
            let start = place * width;
            ids[start..start + sequence.tokens.len()].copy_from_slice(&sequence.tokens);
            mask[start..start + sequence.tokens.len()].fill(true);
            for (t, token) in sequence.answer().iter().enumerate() {
                predictors.push((start + sequence.prompt + t - 1) as i64);
                targets.push(*token);
                cells.push((row * columns + t) as i64);
            }
        }
        let shape = [rows.len() as i64, width as i64];
        Self {
            ids: Tensor::from_slice(&ids).reshape(shape).to_device(device),
            mask: Tensor::from_slice(&mask).reshape(shape).to_device(device),
            predictors: Tensor::from_slice(&predictors).to_device(device),
            targets: Tensor::from_slice(&targets).to_device(device),
            cells: Tensor::from_slice(&cells).to_device(device),
        }
    }

    /// Of values `[b, T, …]` those that predict answer tokens, `[N, …]`.
    pub fn predicting(&self, values: &Tensor) -> Tensor {
        values.flatten(0, 1).index_select(0, &self.predictors)
    }

    /// Of a matrix `[B, R]` over the whole batch the entries of these answer tokens, `[N]`.
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
    /// The number of tokens, padding included. A sequence that is longer is alone.
    Tokens(usize),
}

impl MicroBatches {
    /// At most so many tokens where that is more than 0, else at most so many sequences.
    pub fn new(sequences: u64, tokens: u64) -> Self {
        if tokens > 0 { Self::Tokens(tokens as usize) } else { Self::Sequences(sequences as usize) }
    }

    fn allow(self, sequences: usize, longest: usize) -> bool {
        match self {
            Self::Sequences(most) => sequences <= most,
            Self::Tokens(most) => sequences * longest <= most,
        }
    }
}

/// Cuts rows of a batch into micro-batches, sequences of like length together, so that little of a micro-batch is padding. How
/// it is cut changes no gradient: losses are divided by what the whole mini-batch has.
pub fn micro_batches(batch: &[Sequence], rows: &[usize], bound: MicroBatches) -> Vec<Vec<usize>> {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|row| (batch[*row].tokens.len(), *row));
    let mut cut: Vec<Vec<usize>> = Vec::new();
    for row in sorted {
        match cut.last_mut() {
            // The longest comes last.
            Some(last) if bound.allow(last.len() + 1, batch[row].tokens.len()) => last.push(row),
            _ => cut.push(vec![row]),
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
        let padded = Padded::of(&batch(), &[2, 0], 3, Device::Cpu);
        assert_eq!(numbers(&padded.ids), [8, 9, 10, 11, 12, 1, 2, 3, 4, 5]);
        assert_eq!(numbers(&padded.targets), [11, 12, 3, 4, 5]);
        assert_eq!(numbers(&padded.predicting(&padded.ids)), [10, 11, 2, 3, 4]);
        assert_eq!(numbers(&padded.cells), [6, 7, 0, 1, 2]);
    }

    #[test]
    fn what_is_put_into_the_batch_is_picked_again_and_nothing_else_is_touched() {
        let batch = batch();
        let matrix = Tensor::zeros([3, 3], (Kind::Float, Device::Cpu));
        let padded = Padded::of(&batch, &[1, 2], 3, Device::Cpu);
        padded.put(&matrix, &Tensor::from_slice(&[1.0_f32, 2.0, 3.0]));
        assert_eq!(numbers(&matrix), [0, 0, 0, 1, 0, 0, 2, 3, 0]);
        assert_eq!(numbers(&padded.pick(&matrix)), [1, 2, 3]);
        assert_eq!(numbers(&answer_mask(&batch, Device::Cpu)), [1, 1, 1, 1, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn micro_batches_hold_sequences_of_like_length() {
        assert_eq!(micro_batches(&batch(), &[0, 1, 2], MicroBatches::Sequences(2)), [vec![1, 0], vec![2]]);
    }

    #[test]
    fn a_bound_of_tokens_counts_padding_and_a_long_sequence_is_alone() {
        let cut = |tokens| micro_batches(&batch(), &[2, 1, 0], MicroBatches::Tokens(tokens));
        // Of 2, 5 and 5 tokens.
        assert_eq!(cut(15), [vec![1, 0, 2]]);
        assert_eq!(cut(14), [vec![1, 0], vec![2]]);
        assert_eq!(cut(9), [vec![1], vec![0], vec![2]]);
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
