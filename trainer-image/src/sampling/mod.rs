//! Answers to prompts, token by token.
//!
//! ```text
//! generation.rs  which prompt is in which row, and when     state.rs  rows of answers, as tensors
//! sampler.rs     from logits to tokens
//! ```

mod generation;
mod sampler;
mod state;

pub(crate) use generation::READ_AT_A_TIME;
pub use generation::{GenerationError, Sampled, SamplingOptions, generate, generate_until};
pub use state::{DecodeState, Filling, Seen};
