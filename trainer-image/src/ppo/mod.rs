//! Proximal policy optimisation (Schulman et al. 2017) as the paper runs it: rollout → score → log-probabilities, reference
//! and values → rewards with KL → advantages → update. The formulas are pure functions over tensors, one idea a file.

pub mod advantage;
pub mod batch;
pub mod experience;
pub mod gae;
pub mod kl;
pub mod losses;
pub mod masked;
pub mod mismatch;
pub mod report;
pub mod rollout;
pub mod trainer;
pub mod update;
