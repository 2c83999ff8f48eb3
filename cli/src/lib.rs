//! The REAL command line: runs training jobs locally, scores answers, builds data sets.
#![forbid(unsafe_code)]

pub mod command_line;
pub mod log_tail;
pub mod process;
pub mod programs;
pub mod serve;
pub mod services;
pub mod shutdown;

pub use command_line::main;
