//! API types of REAL's custom resources and the trainer configuration they render to.

pub mod config;
