//! The REAL command line: runs training jobs locally, scores answers, builds data sets.
#![forbid(unsafe_code)]

pub mod announcement;
pub mod catalogue;
pub mod command_line;
pub mod compare;
pub mod datasets_cmd;
pub mod doctor;
pub mod eval;
pub mod init;
pub mod log_tail;
pub mod manual;
pub mod plot;
pub mod process;
pub mod programs;
pub mod python;
pub mod record;
pub mod reward_serve;
pub mod run;
pub mod samples;
pub mod score;
pub mod serve;
pub mod services;
pub mod shutdown;
pub mod summary;
mod tips;
pub mod ui;

pub use command_line::main;
