//! Who may look at whom in a padded batch, and at which position each token stands.

use tch::{Device, Kind, Tensor};

use super::rope::Rope;

/// Rotary embedding of a set of positions, ready to be applied to heads.
///
/// With x = [a, b] cut in halves, the rotation is [a·cos − b·sin, b·cos + a·sin] = x·cos + roll(x)·[−sin, sin].
#[derive(Debug)]
pub(super) struct Rotation {
    /// [..., T, 1, D]
    cos: Tensor,
    /// [..., T, 1, D], the first half negated.
    sin: Tensor,
}

impl Rotation {
    /// Rotation of `positions` [..., T]; computed in 32 bits, kept as `kind`.
    pub(super) fn new(positions: &Tensor, rope: &Rope, kind: Kind) -> Self {
        let angles = (positions.to_kind(Kind::Float).unsqueeze(-1) * &rope.frequencies).unsqueeze(-2);
        let (mut cos, mut sin) = (angles.cos(), angles.sin());
        if (rope.scale - 1.0).abs() > f64::EPSILON {
            (cos, sin) = (cos * rope.scale, sin * rope.scale);
        }
        Self { cos: Tensor::cat(&[&cos, &cos], -1).to_kind(kind), sin: Tensor::cat(&[&-&sin, &sin], -1).to_kind(kind) }
    }

    /// Rotates heads [B, T, heads, D].
    pub(super) fn apply(&self, heads: &Tensor) -> Tensor {
        let half = heads.size().last().map_or(0, |width| width / 2);
        (heads * &self.cos).addcmul(&heads.roll(half, -1), &self.sin)
    }

    /// The rotation of `count` positions from the one at `from`.
    pub(super) fn range(&self, from: i64, count: i64) -> Self {
        Self { cos: self.cos.narrow(-3, from, count), sin: self.sin.narrow(-3, from, count) }
    }

    /// Keeps some rows of a batch, where rows have positions of their own.
    pub(super) fn rows(&self, rows: &Tensor) -> Self {
        if self.cos.dim() < 4 {
            return Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone() };
        }
        Self { cos: self.cos.index_select(0, rows), sin: self.sin.index_select(0, rows) }
    }
}

/// What a batch's padding means for attention.
#[derive(Debug)]
pub(super) struct Padding {
    /// Positions: [T] where every row starts at its first column, else [B, T].
    pub(super) positions: Tensor,
    /// [B, 1, T, T], true where a query may see a key. Absent where causality says it all.
    pub(super) allowed: Option<Tensor>,
}

impl Padding {
    /// Reads `mask` [B, T], true for tokens. A token's position is the number of tokens before it in its row.
    pub(super) fn of(mask: &Tensor) -> Self {
        let (_, length) = mask.size2().expect("a mask has rows and columns");
        let device = mask.device();
        if starts_at_first_column(mask, length) {
            return Self { positions: Tensor::arange(length, (Kind::Int64, device)), allowed: None };
        }
        let counts = mask.to_kind(Kind::Int64).cumsum(1, Kind::Int64);
        Self { positions: (counts - 1).clamp_min(0), allowed: Some(allowed(mask, length, device)) }
    }
}

/// Whether padding follows every row's tokens: then no token can see any of it.
fn starts_at_first_column(mask: &Tensor, length: i64) -> bool {
    let mask = mask.to_kind(Kind::Bool);
    let (earlier, later) = (mask.narrow(1, 0, length - 1), mask.narrow(1, 1, length - 1));
    bool::try_from(later.logical_and(&earlier.logical_not()).any().logical_not()).unwrap_or(false)
}

fn allowed(mask: &Tensor, length: i64, device: Device) -> Tensor {
    let causal = Tensor::ones([length, length], (Kind::Bool, device)).tril(0);
    let keys = mask.to_kind(Kind::Bool).unsqueeze(1).unsqueeze(1);
    // Padding sees itself: a query without any key would be not a number.
    let itself = Tensor::eye(length, (Kind::Bool, device));
    causal.logical_and(&keys).logical_or(&itself)
}
