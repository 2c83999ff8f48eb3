//! Supervised fine-tuning on demonstrations: the paper's baseline, and the warm start of small policies.

pub mod trainer;
