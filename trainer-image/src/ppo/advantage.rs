//! Where advantages come from: from evidence to advantages, one estimator beside the other.

use tch::{Kind, Tensor};

use super::{gae::gae, masked};

/// Keeps a group of nearly equal rewards finite; verl's value.
const EPSILON: f64 = 1e-6;

/// What an estimator sees of a rollout. Tensors are `[B, R]`.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Rewards of single tokens, KL penalty included where there is one.
    pub rewards: &'a Tensor,
    /// The critic's values before the update, where there is a critic.
    pub values: Option<&'a Tensor>,
    /// One where a token counts.
    pub mask: &'a Tensor,
    /// Which prompt each of the B answers is to.
    pub groups: &'a [usize],
    /// Reward of the greedy answer to each answer's prompt, where there is one; `[B]`.
    pub greedy: Option<&'a Tensor>,
}

/// What the update needs. All `[B, R]`.
pub struct Advantages {
    /// How much better a token was than expected; zero where no token counts.
    pub advantages: Tensor,
    /// The sum of rewards still to come, which is what a critic should have said.
    pub returns: Tensor,
}

/// A way to tell how much better than expected each token was. Pure: no state between batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// Generalised advantage estimation with a critic.
    Gae {
        /// Discount γ.
        gamma: f64,
        /// Bias-variance trade-off λ.
        lambda: f64,
        /// Whether advantages are whitened over the whole batch.
        whiten: bool,
    },
    /// Reward of the answer minus the mean of its group (GRPO).
    Group {
        /// Whether that is divided by the group's standard deviation; Dr. GRPO leaves it.
        scaled: bool,
    },
    /// Reward of the answer minus the mean of the others of its group (RLOO).
    LeaveOneOut,
    /// Discounted sum of the rewards still to come, whitened over the whole batch (REINFORCE++).
    Whitened {
        /// Discount γ.
        gamma: f64,
    },
    /// Sum of the rewards still to come minus the reward of the greedy answer (`ReMax`).
    GreedyBaseline,
}

impl Estimator {
    /// Advantages and returns of a whole batch.
    ///
    /// # Panics
    /// The evidence lacks what the estimator is about: values or greedy rewards.
    pub fn estimate(self, evidence: &Evidence<'_>) -> Advantages {
        let Evidence { rewards, mask, groups, .. } = *evidence;
        match self {
            Self::Gae { gamma, lambda, whiten } => {
                let values = evidence.values.expect("generalised advantage estimation has a critic");
                let (advantages, returns) = gae(rewards, values, mask, gamma, lambda);
                let advantages = if whiten { masked::whiten(&advantages, mask) } else { advantages };
                Advantages { advantages, returns }
            }
            Self::Group { scaled } => of_answers(rewards, mask, |scores| {
                compared(scores, groups, |score, group| {
                    let difference = score - mean(group);
                    if scaled { difference / (deviation(group) + EPSILON) } else { difference }
                })
            }),
            Self::LeaveOneOut => of_answers(rewards, mask, |scores| {
                compared(scores, groups, |score, group| {
                    let others = (group.len() - 1) as f64;
                    score - (group.iter().sum::<f64>() - score) / others
                })
            }),
            Self::Whitened { gamma } => {
                let returns = to_come(rewards, mask, gamma);
                Advantages { advantages: masked::whiten(&returns, mask), returns }
            }
            Self::GreedyBaseline => {
                let greedy = evidence.greedy.expect("a baseline of greedy answers has them");
                let returns = to_come(rewards, mask, 1.0);
                Advantages { advantages: (&returns - greedy.unsqueeze(1)) * mask, returns }
            }
        }
    }
}

/// The same advantage for each token of an answer, made from the answers' rewards.
fn of_answers(rewards: &Tensor, mask: &Tensor, estimate: impl FnOnce(&[f64]) -> Vec<f64>) -> Advantages {
    let scores: Vec<f64> =
        Vec::try_from((rewards * mask).sum_dim_intlist([-1].as_slice(), false, Kind::Double)).unwrap_or_default();
    let spread =
        |numbers: &[f64]| Tensor::from_slice(numbers).to_kind(Kind::Float).to_device(mask.device()).unsqueeze(1) * mask;
    Advantages { advantages: spread(&estimate(&scores)), returns: spread(&scores) }
}

/// An advantage for each score from its group. An answer that is alone has nothing to be compared with: 0.
fn compared(scores: &[f64], groups: &[usize], advantage: impl Fn(f64, &[f64]) -> f64) -> Vec<f64> {
    let members = members(groups);
    let of = |(score, group): (&f64, &usize)| {
        let group: Vec<f64> = members[group].iter().map(|row| scores[*row]).collect();
        if group.len() < 2 { 0.0 } else { advantage(*score, &group) }
    };
    scores.iter().zip(groups).map(of).collect()
}

/// The rows of each group.
pub fn members(groups: &[usize]) -> std::collections::BTreeMap<usize, Vec<usize>> {
    let mut members = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    for (row, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(row);
    }
    members
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With Bessel's correction.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

/// Discounted sums of the rewards still to come, `[B, R]`, zero where no token counts.
fn to_come(rewards: &Tensor, mask: &Tensor, gamma: f64) -> Tensor {
    let mut sum = rewards.select(1, 0).zeros_like();
    let mut reversed = Vec::new();
    for t in (0..rewards.size()[1]).rev() {
        sum = (rewards.select(1, t) + sum * gamma) * mask.select(1, t);
        reversed.push(sum.shallow_clone());
    }
    reversed.reverse();
    Tensor::stack(&reversed, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advantages(estimator: Estimator, scores: &[f32], groups: &[usize]) -> Vec<f64> {
        let rewards = Tensor::from_slice(scores).unsqueeze(1);
        let mask = rewards.ones_like();
        let evidence = Evidence { rewards: &rewards, values: None, mask: &mask, groups, greedy: None };
        Vec::try_from(estimator.estimate(&evidence).advantages.reshape([-1]).to_kind(Kind::Double)).expect("a vector")
    }

    #[test]
    fn an_answer_without_others_to_its_prompt_teaches_nothing() {
        for estimator in [Estimator::Group { scaled: true }, Estimator::Group { scaled: false }, Estimator::LeaveOneOut]
        {
            let seen = advantages(estimator, &[1.0, 0.0, 5.0], &[4, 4, 9]);
            assert!(seen[0] > 0.0 && seen[1] < 0.0, "{seen:?}");
            assert!(seen[2].abs() < 1e-12, "{seen:?}");
        }
    }

    #[test]
    fn groups_of_equal_answers_teach_nothing_and_stay_finite() {
        for estimator in [Estimator::Group { scaled: true }, Estimator::LeaveOneOut] {
            assert!(advantages(estimator, &[0.5, 0.5, 0.5], &[1, 1, 1]).iter().all(|a| a.abs() < 1e-6));
        }
    }
}
