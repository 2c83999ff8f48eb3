//! Evaluation: one room for jobs, sweeps and the command line.
//!
//! ```text
//! answers ─► (detector, sandbox) ─► rows ─► summary ─► report
//!                                    └────► comparison of two files of rows
//! ```
//! [`answers`] are what a model said, or what a data set brings. A [`Row`] is what became of one; [`Unfinished`] keeps rows while
//! more are being scored. [`summary`] has the paper's rates with intervals, [`compare`] sets two files beside each other, [`leak`]
//! says how much of a test set is in a training set, and [`report`] writes all of it down. An
//! [`endpoint`] is a model of somebody else's. Nothing here knows our own models or a cluster.
#![forbid(unsafe_code)]

pub mod answer_file;
pub mod answers;
pub mod baseline;
pub mod compare;
pub mod endpoint;
pub mod leak;
pub mod report;
mod results_file;
mod row;
pub mod statistics;
pub mod summary;
mod unfinished;

pub use results_file::ResultsFile;
pub use row::{DroppedRow, Judged, Row, ScoredRow};
pub use unfinished::{Unfinished, read_rows};
