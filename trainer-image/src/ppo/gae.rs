//! Generalised advantage estimation (Schulman et al. 2016).

use tch::Tensor;

/// Advantages and returns of each token, `[B, R]`, before whitening.
///
/// `rewards`, `values` and `mask` are `[B, R]`. Masked positions are stepped over: the value after the last token is zero
/// and what a model says after its end-of-text token reaches no advantage, whatever γ and λ are (newer verl; the paper's
/// fork relied on γ = λ = 1).
pub fn gae(rewards: &Tensor, values: &Tensor, mask: &Tensor, gamma: f64, lambda: f64) -> (Tensor, Tensor) {
    let length = rewards.size()[1];
    let column = |tensor: &Tensor, t: i64| tensor.select(1, t);
    let mut next_value = column(values, 0).zeros_like();
    let mut advantage = next_value.copy();
    let mut reversed = Vec::with_capacity(length as usize);
    for t in (0..length).rev() {
        let (reward, value, counts) = (column(rewards, t), column(values, t), column(mask, t));
        let delta = reward + &next_value * gamma - &value;
        let candidate = delta + &advantage * (gamma * lambda);
        next_value = next_value.lerp_tensor(&value, &counts);
        advantage = advantage.lerp_tensor(&candidate, &counts);
        reversed.push(advantage.shallow_clone());
    }
    reversed.reverse();
    let advantages = Tensor::stack(&reversed, 1);
    let returns = &advantages + values;
    (advantages, returns)
}
