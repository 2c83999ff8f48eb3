//! One transformer layer: x + attention(norm(x)), then x + gated feed-forward(norm(x)).

use tch::Tensor;

use super::lora::adapted;
use super::parameters::LayerWeights;
use super::rope::Rotation;

/// Head counts and constants that all layers share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) query_heads: i64,
    pub(super) key_value_heads: i64,
    pub(super) head_width: i64,
    pub(super) epsilon: f64,
}

/// Applies a layer to `x` [N, H].
///
/// `attend` gets rotated queries [N, Q heads, D] and the tokens' keys and values [N, K heads, D] and gives [N, Q heads, D];
/// who belongs together, and what is remembered of keys and values, is its own business.
pub(super) fn layer(
    x: &Tensor,
    weights: &LayerWeights,
    shape: &Shape,
    rotation: &Rotation,
    attend: impl FnOnce(&Tensor, &Tensor, &Tensor) -> Tensor,
) -> Tensor {
    let (queries, keys, values) = heads(x, weights, shape, rotation);
    let attended = attend(&queries, &keys, &values).reshape([-1, shape.query_heads * shape.head_width]);
    let x = adapted(x.addmm(&attended, &weights.output.tr()), &attended, weights.adapters.output.as_ref());
    let adapters = &weights.adapters;

    let normed = rms_norm(&x, &weights.post_norm, shape.epsilon);
    let gate_up = adapted(normed.linear(&weights.gate_up, None::<&Tensor>), &normed, adapters.gate_up.as_ref());
    let gate_up = gate_up.chunk(2, -1);
    let gated = gate_up[0].silu() * &gate_up[1];
    adapted(x.addmm(&gated, &weights.down.tr()), &gated, adapters.down.as_ref())
}

/// Rotated queries [N, Q heads, D], rotated keys and values [N, K heads, D] of what a layer reads, `x` [N, H].
pub(super) fn heads(
    x: &Tensor,
    weights: &LayerWeights,
    shape: &Shape,
    rotation: &Rotation,
) -> (Tensor, Tensor, Tensor) {
    let Shape { query_heads, key_value_heads, head_width, .. } = *shape;
    let normed = rms_norm(x, &weights.input_norm, shape.epsilon);
    let heads = normed.linear(&weights.qkv, weights.qkv_bias.as_ref());
    let heads = adapted(heads, &normed, weights.adapters.qkv.as_ref()).view([x.size()[0], -1, head_width]);
    let mut parts = heads.split_with_sizes([query_heads + key_value_heads, key_value_heads], 1).into_iter();
    let (mut turning, values) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if let Some((query, key)) = &weights.head_norms {
        let scales = [(query, query_heads), (key, key_value_heads)];
        let scales = scales.map(|(norm, heads)| norm.unsqueeze(0).expand([heads, head_width], false));
        turning = turning.rms_norm([head_width], None::<&Tensor>, shape.epsilon) * Tensor::cat(&scales, 0);
    }
    let mut turned = rotation.apply(&turning).split_with_sizes([query_heads, key_value_heads], 1).into_iter();
    (turned.next().unwrap_or_default(), turned.next().unwrap_or_default(), values)
}

/// Root-mean-square norm over the last dimension.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Tensor {
    x.rms_norm(weight.size(), Some(weight), epsilon)
}
