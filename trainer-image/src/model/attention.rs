//! Who looks at whom: tokens of several sequences that lie one after the other, and single tokens at what their rows remember.
//! Neither has padding, and neither needs a mask.

use tch::{Device, Kind, Tensor};

use crate::shim;

/// Several sequences as one: their tokens one after the other, nothing between.
#[derive(Debug)]
pub(super) struct Pack {
    /// How many neighbours have the same length, and that length.
    runs: Vec<(i64, i64)>,
    /// Where each sequence begins, and where the last ends; 32-bit integers on the device. For CUDA's kernel alone.
    starts: Option<Tensor>,
    longest: i64,
}

impl Pack {
    /// Of sequences of these lengths.
    pub(super) fn new(lengths: &[i64], device: Device) -> Self {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for &length in lengths {
            match runs.last_mut() {
                Some((count, last)) if *last == length => *count += 1,
                _ => runs.push((1, length)),
            }
        }
        let starts = (device != Device::Cpu).then(|| {
            let ends = lengths.iter().scan(0, |end, length| {
                *end += *length as i32;
                Some(*end)
            });
            Tensor::from_slice(&std::iter::once(0).chain(ends).collect::<Vec<i32>>()).to_device(device)
        });
        Self { runs, starts, longest: lengths.iter().copied().max().unwrap_or(0) }
    }

    /// Causal attention within each sequence: [N, Q heads, D] of `queries` [N, Q heads, D], `keys` and `values`
    /// [N, K heads, D].
    pub(super) fn attend(&self, queries: &Tensor, keys: &Tensor, values: &Tensor) -> Tensor {
        if let Some(starts) = self.starts.as_ref().filter(|_| flash_takes(queries)) {
            return shim::packed_flash(queries, keys, values, starts, self.longest).expect("flash attention on CUDA");
        }
        if let [run] = self.runs[..] {
            return attend_in_run(queries, keys, values, run);
        }
        // Cut and joined in one operation each: the gradient of a view of a part is a tensor of the size of the whole.
        let sizes: Vec<i64> = self.runs.iter().map(|(count, length)| count * length).collect();
        let [queries, keys, values] = [queries, keys, values].map(|whole| whole.split_with_sizes(&sizes, 0));
        let parts: Vec<Tensor> = queries
            .iter()
            .zip(keys.iter().zip(&values))
            .zip(&self.runs)
            .map(|((queries, (keys, values)), run)| attend_in_run(queries, keys, values, *run))
            .collect();
        Tensor::cat(&parts, 0)
    }
}

/// The position of each token in its sequence, [N].
pub(super) fn positions(lengths: &[i64], device: Device) -> Tensor {
    Tensor::from_slice(&lengths.iter().flat_map(|length| 0..*length).collect::<Vec<i64>>()).to_device(device)
}

/// Sequences of one length: a batch without padding.
fn attend_in_run(queries: &Tensor, keys: &Tensor, values: &Tensor, (count, length): (i64, i64)) -> Tensor {
    let batch = |x: &Tensor| {
        let (_, heads, width) = x.size3().expect("tokens, heads, numbers");
        x.view([count, length, heads, width]).transpose(1, 2)
    };
    let grouped = queries.size()[1] != keys.size()[1];
    let (q, k, v) = (batch(queries), batch(keys), batch(values));
    Tensor::scaled_dot_product_attention(&q, &k, &v, None::<&Tensor>, 0.0, true, None, grouped)
        .transpose(1, 2)
        .reshape(queries.size())
}

/// Attention of one token a row, `queries` [R, Q heads, D], to the first `seen` [R] (32-bit integers) columns of what its row
/// remembers, `keys` and `values` [R, C, K heads, D]. Without gradients.
pub(super) fn attend_to_cache(queries: &Tensor, keys: &Tensor, values: &Tensor, seen: &Tensor) -> Tensor {
    let kernel = match queries.device() {
        Device::Cpu => shim::attend_on_cpu,
        _ if flash_takes(queries) => shim::attend_by_flash,
        _ => return attend_by_products(queries, keys, values, seen),
    };
    let out = Tensor::empty(queries.size(), (queries.kind(), queries.device()));
    kernel(&out, queries, keys, values, seen).expect("a query a row, and a cache in one piece");
    out
}

/// The same by two batched products over all columns: what no kernel takes.
fn attend_by_products(queries: &Tensor, keys: &Tensor, values: &Tensor, seen: &Tensor) -> Tensor {
    let (rows, _, width) = queries.size3().expect("rows, heads, numbers");
    let (columns, key_heads) = (keys.size()[1], keys.size()[2]);
    let grouped = queries.reshape([rows, key_heads, -1, width]) * (width as f64).sqrt().recip();
    let unseen = Tensor::arange(columns, (Kind::Int, queries.device())).ge_tensor(&seen.unsqueeze(1));
    let scores = grouped.matmul(&keys.permute([0, 2, 3, 1]));
    let scores = scores.masked_fill(&unseen.view([rows, 1, 1, columns]), f64::NEG_INFINITY);
    scores.softmax(-1, queries.kind()).matmul(&values.transpose(1, 2)).view(queries.size().as_slice())
}

/// Whether CUDA's flash kernel takes these numbers.
fn flash_takes(queries: &Tensor) -> bool {
    let width = queries.size().last().copied().unwrap_or(0);
    queries.device().is_cuda()
        && matches!(queries.kind(), Kind::BFloat16 | Kind::Half)
        && width % 8 == 0
        && width <= 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(shape: &[i64], kind: Kind) -> Tensor {
        let count: i64 = shape.iter().product();
        let numbers: Vec<f64> = (0..count).map(|n| 3.0 * (n as f64 * 12.9898 + count as f64).sin()).collect();
        Tensor::from_slice(&numbers).reshape(shape).to_kind(kind)
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
    }

    #[test]
    fn a_row_sees_as_many_columns_as_it_remembers_whatever_the_shape() {
        // (rows, query heads, key heads, width, room); odd widths are no multiple of a vector.
        for (rows, heads, key_heads, width, room) in
            [(1, 1, 1, 8, 1), (5, 4, 4, 24, 9), (7, 14, 2, 64, 70), (3, 6, 3, 7, 33)]
        {
            for (kind, tolerance) in [(Kind::Float, 1e-5), (Kind::BFloat16, 4e-3)] {
                // As the layer gives them: queries lie beside keys.
                let beside = random(&[rows, heads + key_heads, width], kind);
                let queries = beside.narrow(1, 0, heads);
                let keys = random(&[rows, room, key_heads, width], kind);
                let values = random(&[rows, room, key_heads, width], kind).cos();
                let seen: Vec<i32> = (0..rows as i32).map(|row| 1 + (row * 13) % room as i32).collect();
                let seen = Tensor::from_slice(&seen);
                let kernel = attend_to_cache(&queries, &keys, &values, &seen);
                let [q, k, v] = [&queries, &keys, &values].map(|x| x.to_kind(Kind::Float));
                let products = attend_by_products(&q, &k, &v, &seen);
                let far = difference(&kernel, &products);
                assert!(far < tolerance, "{rows} rows of {heads}/{key_heads} heads of {width}, {kind:?}: {far}");
                // What is not seen is not read: it may be anything.
                let place = seen.unsqueeze(1).le_tensor(&Tensor::arange(room, (Kind::Int, Device::Cpu)));
                let spoilt = keys.masked_fill(&place.view([rows, room, 1, 1]), f64::NAN);
                assert!(difference(&attend_to_cache(&queries, &spoilt, &values, &seen), &kernel) == 0.0);
            }
        }
    }

    #[test]
    fn sequences_of_a_pack_do_not_see_each_other_and_nobody_looks_ahead() {
        let lengths = [3_i64, 3, 5, 1, 4, 4, 4];
        let total: i64 = lengths.iter().sum();
        let [queries, keys, values] =
            [(4, 0.0), (2, 1.0), (2, 2.0)].map(|(heads, shift)| random(&[total, heads, 8], Kind::Float) + shift);
        let whole = Pack::new(&lengths, Device::Cpu).attend(&queries, &keys, &values);
        let mut from = 0;
        for length in lengths {
            for seen in 1..=length {
                let [k, v] = [&keys, &values].map(|x| x.narrow(0, from, seen).unsqueeze(0).contiguous());
                let token = from + seen - 1;
                let alone =
                    attend_by_products(&queries.narrow(0, token, 1), &k, &v, &Tensor::from_slice(&[seen as i32]));
                assert!(difference(&alone, &whole.narrow(0, token, 1)) < 1e-5, "token {seen} of {length}");
            }
            from += length;
        }
    }
}
