//! The operator: makes the cluster what `RealTrainingJob`, `RewardPool` and `RealEvalSweep` objects say.
//!
//! `observe → plan → act`: what is there is gathered from watches, a pure function decides ([`job::plan`], [`pool::plan`],
//! [`sweep::plan`]),
//! and only then is anything written.
#![forbid(unsafe_code)]

mod act;
mod agenda;
pub mod api_calls;
pub mod backoff;
mod cache;
pub mod child;
pub mod conditions;
mod context;
mod controllers;
pub mod event;
pub mod hindrance;
pub mod http;
pub mod images;
pub mod in_sync;
pub mod job;
pub mod labels;
pub mod lease;
pub mod metrics;
pub mod migrate;
mod pace;
pub mod pod;
pub mod pool;
pub mod rbac;
pub mod refusal;
mod requeue;
pub mod run;
#[cfg(test)]
mod schema_check;
mod source;
pub mod sweep;
pub mod telemetry;
mod turnstile;
mod uses;
mod watches;
mod written;
