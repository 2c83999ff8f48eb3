//! The objects of a bucket, whatever its store's protocol is.

use std::collections::BTreeMap;

use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header};

use crate::ask::{ask_store, text_of};
use crate::azure::{Blobs, name_of_an_upload};
use crate::bucket::{Object, Store, Version, endpoint};
use crate::download::shown;
use crate::listing::{Listed, element};
use crate::{BucketPlace, Patience, Settings, SourceError, StoreKind};

/// What a place's objects are asked of.
#[derive(Clone)]
pub(crate) enum Objects {
    /// S3's protocol.
    Keys(Store),
    /// Azure's.
    Blobs(Blobs),
}

impl Objects {
    /// The store that a place is in.
    pub(crate) async fn of(place: &BucketPlace, settings: &Settings, client: &Client) -> Result<Self, SourceError> {
        Ok(match place.kind {
            StoreKind::S3 => Self::Keys(place.store(&settings.buckets)?),
            StoreKind::Google => Self::Keys(place.google(&settings.google, client).await?),
            StoreKind::Azure => Self::Blobs(place.azure(&settings.azure)?),
        })
    }

    /// Whether a place's store has an address, without asking anybody.
    pub(crate) fn is_somewhere(place: &BucketPlace, settings: &Settings) -> Result<(), SourceError> {
        match place.kind {
            StoreKind::S3 => place.store(&settings.buckets).map(drop),
            StoreKind::Google => endpoint(&settings.google.endpoint, "GS_ENDPOINT_URL").map(drop),
            StoreKind::Azure => place.azure(&settings.azure).map(drop),
        }
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

    pub(crate) fn kind(&self) -> StoreKind {
        match self {
            Self::Keys(store) => store.kind,
            Self::Blobs(_) => StoreKind::Azure,
        }
    }

    /// Asks for an answer in as many tries as it takes. Statuses of `also` are answers too.
    pub(crate) async fn ask(
        &self,
        key: &str,
        patience: Patience,
        request: impl Fn() -> RequestBuilder,
        also: &[StatusCode],
    ) -> Result<Response, SourceError> {
        ask_store(self.kind(), &self.address(key), patience, request, also).await
    }

    /// Asks for an object.
    pub(crate) fn read(&self, client: &Client, key: &str) -> RequestBuilder {
        match self {
            Self::Keys(store) => store.with_token(client.get(store.get(key))),
            Self::Blobs(blobs) => client.get(blobs.get(key)),
        }
    }

    /// Writes an object as a whole.
    pub(crate) fn put_whole(&self, client: &Client, key: &str) -> RequestBuilder {
        match self {
            Self::Keys(store) => store.put_whole(client, key),
            Self::Blobs(blobs) => blobs.put_whole(client, key),
        }
    }

    /// Writes a part of an upload.
    pub(crate) fn put_part(&self, client: &Client, key: &str, id: &str, number: u16) -> RequestBuilder {
        match self {
            Self::Keys(store) => store.put_part(client, key, id, number),
            Self::Blobs(blobs) => blobs.put_block(client, key, id, number),
        }
    }

    /// Puts the parts of an upload together, whose tags are by number.
    pub(crate) fn put_together(
        &self,
        client: &Client,
        key: &str,
        id: &str,
        tags: &BTreeMap<u16, String>,
    ) -> RequestBuilder {
        match self {
            Self::Keys(store) => store.put_together(client, key, id, tags),
            Self::Blobs(blobs) => blobs.put_blocks(client, key, id, tags.keys().copied()),
        }
    }

    /// Whether parts are together, from an answer with a good status: it may begin so and end with an error.
    pub(crate) fn are_together(&self, answer: &str) -> bool {
        match self {
            Self::Keys(_) => answer.contains("<CompleteMultipartUploadResult"),
            Self::Blobs(_) => true,
        }
    }

    pub(crate) fn delete(&self, client: &Client, key: &str) -> RequestBuilder {
        match self {
            Self::Keys(store) => store.delete(client, key),
            Self::Blobs(blobs) => blobs.delete(client, key),
        }
    }

    /// Announces an upload in parts: what it is called.
    pub(crate) async fn begin(&self, client: &Client, key: &str, patience: Patience) -> Result<String, SourceError> {
        let store = match self {
            Self::Keys(store) => store,
            // Blocks are sent without a word before.
            Self::Blobs(_) => return Ok(name_of_an_upload()),
        };
        let protocol = |what: String| SourceError::Protocol { url: shown(&self.address(key)), what };
        let answer = self.ask(key, patience, || store.begin(client, key), &[]).await?;
        let text = text_of(answer).await.map_err(protocol)?;
        let id = element(&text, "UploadId").filter(|id| !id.is_empty());
        id.ok_or_else(|| protocol("its answer to a new upload cannot be read".to_owned()))
    }

    /// Uploads below a prefix that were begun and are neither finished nor ended: key and id of each. Azure tells of none: it drops blocks that
    /// nobody puts together after a week.
    pub(crate) async fn unfinished(
        &self,
        client: &Client,
        prefix: &str,
        patience: Patience,
    ) -> Result<Vec<(String, String)>, SourceError> {
        match self {
            Self::Keys(store) => store.unfinished(client, prefix, patience).await,
            Self::Blobs(_) => Ok(Vec::new()),
        }
    }

    /// Ends an upload.
    pub(crate) async fn abort(
        &self,
        client: &Client,
        (key, id): (&str, &str),
        patience: Patience,
    ) -> Result<(), SourceError> {
        let Self::Keys(store) = self else { return Ok(()) };
        self.ask(key, patience, || store.abort(client, key, id), &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    /// All objects whose keys begin with `prefix` and go on.
    pub(crate) async fn listed(
        &self,
        client: &Client,
        prefix: &str,
        patience: Patience,
    ) -> Result<Vec<Listed>, SourceError> {
        match self {
            Self::Keys(store) => store.list(client, prefix, patience).await,
            Self::Blobs(blobs) => blobs.list(client, prefix, patience).await,
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
        let request = || self.read(client, &place.key).header(header::RANGE, "bytes=0-0");
        let also = [StatusCode::RANGE_NOT_SATISFIABLE];
        let response = self.ask(&place.key, settings.patience, request, &also).await?;
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
        let listed = self.listed(client, &format!("{}/", place.key), settings.patience).await?;
        let object = |one: Listed| Object { key: one.key, name: one.name, tag: one.tag };
        Ok(Version { objects: listed.into_iter().map(object).collect() })
    }
}
