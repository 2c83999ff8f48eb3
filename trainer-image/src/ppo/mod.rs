//! Proximal policy optimisation (Schulman et al. 2017) as the paper runs it, and policy gradients without a critic: rollout →
//! score → log-probabilities, reference and values → rewards with KL → advantages → update. A [`recipe`] says which of these
//! there are. The formulas are pure functions over tensors, one idea a file.

pub mod advantage;
pub mod batch;
mod collect;
pub mod experience;
pub mod gae;
pub mod kl;
pub mod losses;
pub mod masked;
pub mod mismatch;
pub mod recipe;
pub mod report;
pub mod rollout;
pub mod trainer;
pub mod update;
