//! One transformer layer: x + attention(norm(x)), then x + gated feed-forward(norm(x)).

use tch::{Device, Tensor};

use super::attention::Rotation;
use super::lora::adapted;
use super::parameters::LayerWeights;

/// Head counts and constants that all layers share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) query_heads: i64,
    pub(super) key_value_heads: i64,
    pub(super) head_width: i64,
    pub(super) epsilon: f64,
}

/// Applies a layer to `x` [B·T, H].
///
/// `attend` gets rotated queries [B, Q heads, T, D] and this batch's keys and values [B, K heads, T, D] and gives
/// [B, Q heads, T, D]; what it remembers of keys and values is its own business.
pub(super) fn layer(
    x: &Tensor,
    (rows, columns): (i64, i64),
    weights: &LayerWeights,
    shape: &Shape,
    rotation: &Rotation,
    attend: impl FnOnce(&Tensor, &Tensor, &Tensor) -> Tensor,
) -> Tensor {
    let Shape { query_heads, key_value_heads, head_width, .. } = *shape;
    let normed = rms_norm(x, &weights.input_norm, shape.epsilon);
    let adapters = &weights.adapters;
    let heads = adapted(normed.linear(&weights.qkv, weights.qkv_bias.as_ref()), &normed, adapters.qkv.as_ref());
    let heads = heads.view([rows, columns, -1, head_width]);
    let mut parts = heads.split_with_sizes([query_heads + key_value_heads, key_value_heads], 2).into_iter();
    let (mut turning, values) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Some((query, key)) = &weights.head_norms {
        let scales = [(query, query_heads), (key, key_value_heads)];
        let scales = scales.map(|(norm, heads)| norm.unsqueeze(0).expand([heads, head_width], false));
        turning = turning.rms_norm([head_width], None::<&Tensor>, shape.epsilon) * Tensor::cat(&scales, 0);
    }
    let mut turned = rotation.apply(&turning).split_with_sizes([query_heads, key_value_heads], 2).into_iter();
    let (queries, keys) = (turned.next().unwrap_or_default(), turned.next().unwrap_or_default());
    let attended = attend(&queries.transpose(1, 2), &keys.transpose(1, 2), &values.transpose(1, 2));
    let attended = attended.transpose(1, 2).reshape([rows * columns, query_heads * head_width]);
    let x = adapted(x.addmm(&attended, &weights.output.tr()), &attended, adapters.output.as_ref());

    let normed = rms_norm(&x, &weights.post_norm, shape.epsilon);
    let gate_up = adapted(normed.linear(&weights.gate_up, None::<&Tensor>), &normed, adapters.gate_up.as_ref());
    let gate_up = gate_up.chunk(2, -1);
    let gated = gate_up[0].silu() * &gate_up[1];
    adapted(x.addmm(&gated, &weights.down.tr()), &gated, adapters.down.as_ref())
}

/// Root-mean-square norm over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Tensor {
    x.rms_norm(weight.size(), Some(weight), epsilon)
}

/// Scaled dot-product attention with grouped heads.
pub(super) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>, causal: bool) -> Tensor {
    let grouped = q.size()[1] != k.size()[1];
    Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, causal, None, grouped)
}

/// Attention of one query a row, [B, Q heads, 1, D], to everything remembered, [B, K heads, L, D]; `bias` [B, 1, 1, L] is
/// −∞ at padding.
///
/// On the CPU libtorch's fused kernel sets up a block of queries for each head and takes three times as long as two
/// batched products, in which the queries that share a key head are one block.
pub(super) fn attend_to_cache(q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>) -> Tensor {
    if q.device() != Device::Cpu {
        return attention(q, k, v, bias, false);
    }
    let (rows, key_heads, width) = (q.size()[0], k.size()[1], q.size()[3]);
    let grouped = q.reshape([rows, key_heads, -1, width]) * (width as f64).sqrt().recip();
    let scores = grouped.matmul(&k.transpose(2, 3));
    let scores = if let Some(bias) = bias { scores + bias } else { scores };
    scores.softmax(-1, q.kind()).matmul(v).view([rows, -1, 1, width])
}
