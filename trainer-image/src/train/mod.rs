//! A training run: `real-trainer train`.
//!
//! [`run`] drives an [`algorithm::Algorithm`]: step → evaluate → metrics → checkpoint, until the last step or a signal.

pub mod algorithm;
pub mod best;
pub mod command;
pub mod data_order;
pub mod environment;
pub mod evaluation;
pub mod failure;
pub mod last_words;
pub mod memory;
pub mod optimizer_state;
pub mod origin;
pub mod resume;
pub mod run;
pub mod run_dir;
pub mod seeds;
pub mod setup;
pub mod state;
pub mod stop;
pub mod tasks;
