//! The hybrid reward (paper §3): α·quality + (1-α)·function, with its parts.
//!
//! Quality comes from the detector service, function from the sandbox service. The arithmetic is pure
//! ([`extract`], [`profile`], [`normalize`], [`selection`]); only [`Scorer`] and the clients below it do I/O.
//!
//! A failure of ours (a lost service, a deadline, a verdict that never came) is an [`Unscored`], never a number. What a program does to
//! its own analysis is no failure of ours ([`Unanalysed`]).

#![forbid(unsafe_code)]

mod client;
mod config;
pub mod extract;
mod markdown;
pub mod monitor;
pub mod normalize;
mod outcome;
pub mod profile;
mod python;
mod reference;
mod scorer;
pub mod selection;
pub mod serve;
mod typing_prelude;
mod wrapped;

pub use config::{ConfigError, EmptyOutputs, Extraction, Profile, QualitySource, ScorerConfig};
pub use outcome::{Cause, Reason, Scored, Service, Shaped, Timings, Unanalysed, Unscored};
pub use scorer::{Scorer, missing};
