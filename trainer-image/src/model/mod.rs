//! Decoder-only transformers of the Qwen2 family: configuration, parameters, forward passes, folders on disk.
//!
//! ```text
//! config.rs      config.json                      layer.rs      one layer, as a pure function
//! parameters.rs  names, shapes, initial values    attention.rs  masks and positions of a padded batch
//! decoder.rs     load, save, forward              cache.rs      generation with a static key/value cache
//! value.rs       the critic                       location.rs   where a model's folder is
//! ```

mod attention;
mod cache;
mod config;
mod decoder;
mod error;
mod layer;
mod location;
mod parameters;
mod value;

pub use cache::Inference;
pub use config::{Architecture, CONFIG_FILE, ModelConfig};
pub use decoder::Decoder;
pub use error::ModelError;
pub use location::resolve;
pub use value::ValueModel;
