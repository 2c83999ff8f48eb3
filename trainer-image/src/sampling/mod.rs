//! Answers: batches of prompts, extended token by token.

mod generation;
mod sampler;

pub use generation::{GenerationError, Sampled, SamplingOptions, generate, generate_until};
