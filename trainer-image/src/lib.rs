//! Models, generation, SFT and PPO on libtorch.
//!
//! ```text
//! model/      decoders: configuration, parameters, forward passes      tokenizer.rs  text ↔ tokens
//! sampling/   batches of answers with a static key/value cache         weights/      safetensors files
//! optim/      AdamW in one operation, clipping                         compute.rs    device, threads
//! ppo/        rollout, advantages, update                              sft/          demonstrations
//! train/      the run: data order, evaluation, resuming, exit codes    checkpoint/   whole or not there
//! store/      checkpoints in a bucket
//! evaluate.rs counts of judged answers                             cell.rs       a shard of a sweep's cell
//! metrics/    JSON lines and TensorBoard                               progress.rs   HTTP
//! plan/       what a job needs on a device                             shim.rs       operations that tch lacks
//! gpu_check/  what has to be seen on a card                            merge.rs      adapters into their model
//! digests.rs  SHA-256 of files
//! ```

pub mod bench;
pub mod cell;
pub mod checkpoint;
pub mod compute;
pub mod digests;
pub mod evaluate;
pub mod generate;
pub mod gpu_check;
mod json_file;
pub mod merge;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod plan;
pub mod ppo;
pub mod progress;
mod runtime;
pub mod sampling;
pub mod scoring;
pub mod sequences;
pub mod sft;
pub mod shim;
pub mod store;
pub mod tokenizer;
pub mod train;
pub mod weights;
