//! Statistics over the tokens that count.

use tch::{Kind, Tensor};

/// Keeps whitening finite where all values are equal; the value verl uses.
const EPSILON: f64 = 1e-8;

/// Mean of `values` where `mask` is one; zero where it never is. Both have the same shape; the result is a scalar.
pub fn mean(values: &Tensor, mask: &Tensor) -> Tensor {
    (values * mask).sum(Kind::Float) / mask.sum(Kind::Float).clamp_min(1.0)
}

/// Variance of `values` where `mask` is one, with Bessel's correction as in verl.
///
/// A single unmasked value has variance zero here (verl raises), so that a batch of one token stays finite.
pub fn variance(values: &Tensor, mask: &Tensor) -> Tensor {
    let centred = (values - mean(values, mask)) * mask;
    let count = mask.sum(Kind::Float);
    centred.square().sum(Kind::Float) / (count - 1.0).clamp_min(1.0)
}

/// Shifts and scales `values` to zero mean and unit variance over the unmasked tokens; masked ones become zero.
pub fn whiten(values: &Tensor, mask: &Tensor) -> Tensor {
    let scale = (variance(values, mask) + EPSILON).rsqrt();
    (values - mean(values, mask)) * scale * mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_tokens_do_not_move_the_mean_or_the_variance() {
        let values = Tensor::from_slice(&[1.0_f32, 3.0, 1e6]);
        let mask = Tensor::from_slice(&[1.0_f32, 1.0, 0.0]);
        assert!((mean(&values, &mask).double_value(&[]) - 2.0).abs() < 1e-6);
        assert!((variance(&values, &mask).double_value(&[]) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn whitening_equal_values_gives_zeros_not_nan() {
        let ones = Tensor::ones([4], (Kind::Float, tch::Device::Cpu));
        assert!(whiten(&ones, &ones).abs().max().double_value(&[]) < 1e-6);
    }
}
