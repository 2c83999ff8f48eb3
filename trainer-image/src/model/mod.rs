//! Decoder-only transformers (Qwen2, Qwen3, Llama, Mistral): configuration, parameters, forward passes, folders on disk.
//!
//! ```text
//! config.rs      config.json                      layer.rs      one layer, as a pure function
//! parameters.rs  names, shapes, initial values    attention.rs  of packed sequences, and of a row to its cache
//! decoder.rs     load, save, forward              cache.rs      what generation remembers
//! value.rs       the critic                       location.rs   where a model's folder is
//! learn.rs       forward and backward in one      footprint.rs  how much memory that takes
//! rope.rs        rotary frequencies               lora.rs       low-rank adapters
//! adapter_folder.rs  adapters on disk, in PEFT's layout
//! ```

mod adapter_folder;
mod attention;
mod cache;
mod config;
mod decoder;
mod error;
pub mod footprint;
mod layer;
mod learn;
mod location;
mod lora;
mod parameters;
mod rope;
mod value;

pub use adapter_folder::Base;
pub(crate) use adapter_folder::home;
pub use cache::Cache;
pub use config::{Architecture, CONFIG_FILE, ModelConfig};
pub use decoder::Decoder;
pub use error::ModelError;
pub use learn::{Entropy, Prediction, Span};
pub use location::resolve;
pub use value::ValueModel;
