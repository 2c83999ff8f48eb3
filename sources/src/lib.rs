//! Models and data from wherever they are, as files on this machine.
//!
//! A [`Place`] is what a URI says. A [`Fetcher`] brings what lies there into a cache that any number of processes share: a
//! download that was cut goes on where it was, nothing is used whose digest or length is not what the server said, and what is
//! there already is not asked for again. A [`Shelf`] is a folder in a bucket that is written to. Nothing here knows what is in a
//! file.
#![forbid(unsafe_code)]

mod ask;
mod azure;
mod bucket;
mod cache;
mod digest;
mod download;
mod error;
mod fetch;
mod google;
mod hub;
mod listing;
mod multipart;
mod objects;
mod place;
mod ranges;
mod refused;
mod settings;
mod shelf;
mod upload;

pub use digest::hex;
pub use error::SourceError;
pub use fetch::Fetcher;
pub use place::{BucketPlace, HubKind, HubPlace, Place, StoreKind};
pub use settings::{
    Azure, AzureAccess, BucketKeys, Buckets, CREDENTIALS, Google, Parts, Patience, Settings, credential,
};
pub use shelf::{Item, Shelf};

use std::path::PathBuf;

/// The file at `uri`, brought here first where it is elsewhere, with settings from the environment. Blocks.
///
/// # Errors
/// There is no such file, or it cannot be had.
pub fn file(uri: &str) -> Result<PathBuf, SourceError> {
    blocking(uri, |fetcher, place| async move { fetcher.file(&place).await })
}

/// The folder at `uri`, likewise: of a repository of a hub, or of what lies in a bucket under a key, the files that a model is made of.
///
/// # Errors
/// There is no such folder, or it cannot be had.
pub fn folder(uri: &str) -> Result<PathBuf, SourceError> {
    blocking(uri, |fetcher, place| async move { fetcher.folder(&place).await })
}

/// Whether URIs of a scheme are of something elsewhere that has folders: a hub, or a store of objects.
pub fn has_folders(scheme: &str) -> bool {
    matches!(scheme, "hf" | "s3" | "gs" | "az")
}

/// Whether something is in a bucket of a store of objects, where a [`Shelf`] may be.
pub fn is_in_a_bucket(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| StoreKind::of(scheme).is_some())
}

/// Does some work on a thread with a runtime of its own, so that callers may be within one or not.
fn blocking<F>(uri: &str, work: impl FnOnce(Fetcher, Place) -> F + Send + 'static) -> Result<PathBuf, SourceError>
where
    F: Future<Output = Result<PathBuf, SourceError>>,
{
    let place = Place::parse(uri)?;
    if let Place::Path(path) = place {
        return Ok(path);
    }
    let uri = uri.to_owned();
    let fetcher = Fetcher::new(Settings::from_environment(&uri)?)?;
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| SourceError::io("start a runtime for", &PathBuf::from("a download"), error))?;
        runtime.block_on(work(fetcher, place))
    });
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
