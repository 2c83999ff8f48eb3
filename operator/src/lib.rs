//! The operator: makes the cluster what `RealTrainingJob` and `RewardPool` objects say.
//!
//! `observe → plan → act`: what is there is gathered from watches, a pure function decides ([`job::plan`], [`pool::plan`]),
//! and only then is anything written.
#![forbid(unsafe_code)]

pub mod labels;
pub mod rbac;
