//! Checkpoints in a bucket: what is there is whole, and what is not whole is as good as not there.
//!
//! `PREFIX/checkpoints/step-N/…` holds the files of a checkpoint as its folder does, `manifest.json` last. One trainer at a time
//! writes: the latest to begin puts its name into `PREFIX/owner.json`, and each looks there before it writes a manifest, so that one
//! that was thought dead harms nothing. `PREFIX/metrics.jsonl` and `PREFIX/evaluations.jsonl` are what a start on another machine
//! goes on with.

mod bucket;
mod error;
mod uploader;

pub use bucket::Store;
pub use error::StoreError;
pub use uploader::{Sync, Uploader};
