//! A store that is read, of whatever kind.

use reqwest::{Client, StatusCode, Url, header};

use crate::azure::Blobs;
use crate::bucket::{Listed, Object, Store, Version, ask_store};
use crate::{BucketPlace, Settings, SourceError, StoreKind};

/// What a place's objects are asked of.
pub(crate) enum Reading {
    /// S3's protocol.
    Keys(Store),
    /// Azure's.
    Blobs(Blobs),
}

impl Reading {
    /// The store that a place is in.
    pub(crate) async fn of(place: &BucketPlace, settings: &Settings, client: &Client) -> Result<Self, SourceError> {
        Ok(match place.kind {
            StoreKind::S3 => Self::Keys(place.store(&settings.buckets)?),
            StoreKind::Google => Self::Keys(place.google(&settings.google, client).await?),
            StoreKind::Azure => Self::Blobs(place.azure(&settings.azure)?),
        })
    }

    /// The address of an object, without a signature.
    pub(crate) fn address(&self, key: &str) -> Url {
        match self {
            Self::Keys(store) => store.address(key),
            Self::Blobs(blobs) => blobs.address(key),
        }
    }

    /// The address of an object, signed now.
    pub(crate) fn get(&self, key: &str) -> Url {
        match self {
            Self::Keys(store) => store.get(key),
            Self::Blobs(blobs) => blobs.get(key),
        }
    }

    /// What is sent in place of a signature.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Keys(store) => store.token.as_deref(),
            Self::Blobs(_) => None,
        }
    }

    /// The object at a place.
    pub(crate) async fn look(
        &self,
        place: &BucketPlace,
        client: &Client,
        settings: &Settings,
    ) -> Result<Version, SourceError> {
        // One byte rather than HEAD: an answer to that says not why it refuses.
        let ask = || {
            let request = client.get(self.get(&place.key)).header(header::RANGE, "bytes=0-0");
            match self.token() {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        let (url, also) = (self.address(&place.key), [StatusCode::RANGE_NOT_SATISFIABLE]);
        let response = ask_store(place.kind, &url, settings.patience, ask, &also).await?;
        let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
        // An object without anything in it has no first byte; it is the same object as long as it is empty.
        let tag = tag.unwrap_or_default().trim_matches('"').to_owned();
        let name = place.key.rsplit('/').next().unwrap_or(&place.key).to_owned();
        Ok(Version { objects: vec![Object { key: place.key.clone(), name, tag }] })
    }

    /// All objects under a place.
    pub(crate) async fn list(
        &self,
        place: &BucketPlace,
        client: &Client,
        settings: &Settings,
    ) -> Result<Version, SourceError> {
        let prefix = format!("{}/", place.key);
        let listed = match self {
            Self::Keys(store) => store.list(client, &prefix, settings.patience).await?,
            Self::Blobs(blobs) => blobs.list(client, &prefix, settings.patience).await?,
        };
        let object = |one: Listed| Object { key: one.key, name: one.name, tag: one.tag };
        Ok(Version { objects: listed.into_iter().map(object).collect() })
    }
}
